"""A small real server over any `ChatModel`: OpenAI's chat completions and responses and Anthropic's messages, plain and
streamed, and the list of models."""

import json
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from sisf.errors import ModelError
from sisf.exchange import Message
from sisf.llm import messages as anthropic_messages
from sisf.llm import responses
from sisf.llm.application import application
from sisf.llm.base import ChatModel
from sisf.llm.endpoint import Answer
from sisf.llm.shapes import Chat
from sisf.llm.wire import BadRequest, error_response, messages_of, parsed, pieces
from sisf.serving import Background


def create_app(models: Sequence[ChatModel]) -> Starlette:
    """Serve `models` by their ids under `/v1`. The first one also answers unknown names."""
    by_id = {model.id: model for model in models}
    first = models[0]

    async def chat(request: Request) -> Response:
        try:
            body = parsed(await request.body(), Chat)
            messages = messages_of(body["messages"])
        except BadRequest as error:
            return error_response(400, "invalid_request_error", str(error))
        model = by_id.get(body.get("model") or "", first)
        try:
            answers = [await _answer(model, messages, body) for _ in range(body.get("n") or 1)]
        except ModelError as error:
            return error_response(502, "model_error", str(error))
        head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": model.id}
        if body.get("stream"):
            options = body.get("stream_options") or {}
            events = _events(head, answers, bool(options.get("include_usage")))
            return StreamingResponse(events, media_type="text/event-stream")
        choices = [
            {"index": i, "message": m, "logprobs": None, "finish_reason": reason}
            for i, (m, reason, _) in enumerate(answers)
        ]
        return JSONResponse({**head, "object": "chat.completion", "choices": choices, "usage": _usage(answers)})

    async def ask(name: str, messages: Sequence[Message], body: Mapping[str, Any]) -> tuple[str, Answer]:
        model = by_id.get(name, first)
        return model.id, await _answer(model, messages, body)

    routes = [
        Route("/v1/chat/completions", chat, methods=["POST"]),
        Route("/v1/responses", responses.endpoint(ask), methods=["POST"]),
        Route("/v1/messages", anthropic_messages.endpoint(ask), methods=["POST"]),
    ]
    return application(routes, list(by_id))


def running(models: Sequence[ChatModel], *, host: str = "127.0.0.1", port: int = 0) -> Background:
    """The server in a thread, as a context manager; its base URL is `.url + "/v1"`."""
    return Background(create_app(models), host, port)


async def _answer(model: ChatModel, messages: Sequence[Message], body: Mapping[str, Any]) -> Answer:
    """One choice: its message, its finish reason, and what it cost."""
    limits: dict[str, Any] = {
        "max_tokens": body.get("max_completion_tokens") or body.get("max_tokens") or 1024,
        "temperature": body.get("temperature") or 0.0,
    }
    tool = _demanded_tool(body)
    if tool is not None:
        parameters = tool.get("parameters") or {"type": "object", "properties": {}}
        done = await run_in_threadpool(model.complete, messages, schema=parameters, **limits)
        call = {
            "id": f"call_{uuid.uuid4().hex[:24]}",
            "type": "function",
            "function": {"name": tool["name"], "arguments": done.text},
        }
        return {"role": "assistant", "content": None, "refusal": None, "tool_calls": [call]}, "tool_calls", done
    done = await run_in_threadpool(model.complete, messages, schema=_schema(body), **limits)
    return {"role": "assistant", "content": done.text, "refusal": None}, done.finish_reason, done


def _demanded_tool(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The function that `tool_choice` demands: these models call tools only when told to."""
    tools = [t["function"] for t in body.get("tools") or [] if t["type"] == "function"]
    choice = body.get("tool_choice")
    if choice == "required" and tools:
        return tools[0]  # type: ignore[no-any-return]
    if isinstance(choice, dict):
        name = (choice.get("function") or {}).get("name")
        return next((t for t in tools if t["name"] == name), None)
    return None


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    wanted = body.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        return wanted["json_schema"].get("schema") or {}
    return (
        {"type": "object", "properties": {"answer": {"type": "string"}}}
        if wanted.get("type") == "json_object"
        else None
    )


async def _events(head: Mapping[str, Any], answers: Sequence[Answer], usage: bool) -> AsyncIterator[bytes]:
    """Server-sent events in OpenAI's order: role, pieces, finish reason, usage, [DONE]."""

    def event(**fields: Any) -> bytes:
        chunk = {**head, "object": "chat.completion.chunk", **fields}
        return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"

    def choice(index: int, delta: Mapping[str, Any], reason: str | None = None) -> list[dict[str, Any]]:
        return [{"index": index, "delta": delta, "logprobs": None, "finish_reason": reason}]

    for index, (message, reason, _) in enumerate(answers):
        yield event(choices=choice(index, {"role": "assistant", "content": ""}))
        for call in message.get("tool_calls", ()):
            opening = {**call, "index": 0, "function": {"name": call["function"]["name"], "arguments": ""}}
            yield event(choices=choice(index, {"tool_calls": [opening]}))
            for piece in pieces(call["function"]["arguments"]):
                part = {"index": 0, "function": {"arguments": piece}}
                yield event(choices=choice(index, {"tool_calls": [part]}))
        for piece in pieces(message["content"] or ""):
            yield event(choices=choice(index, {"content": piece}))
        yield event(choices=choice(index, {}, reason))
    if usage:
        yield event(choices=[], usage=_usage(answers))
    yield b"data: [DONE]\n\n"


def _usage(answers: Sequence[Answer]) -> dict[str, int]:
    prompt = answers[0][2].prompt_tokens if answers else 0
    completion = sum(done.completion_tokens for _, _, done in answers)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
