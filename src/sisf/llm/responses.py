"""OpenAI's responses over any `ChatModel`, plain and streamed: what many tools ask for by default."""

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from starlette.responses import JSONResponse

from sisf.exchange import Message, Role
from sisf.llm.endpoint import BAD_REQUEST, Answer, Ask, Endpoint, endpoint_of
from sisf.llm.shapes import Responses
from sisf.llm.wire import BadRequest, error_response, messages_of, pieces


def endpoint(ask: Ask) -> Endpoint:
    """The handler of `POST /v1/responses`."""

    def refused(status: int, message: str) -> JSONResponse:
        return error_response(status, "invalid_request_error" if status == BAD_REQUEST else "model_error", message)

    return endpoint_of(
        ask,
        shape=Responses,
        messages=_messages,
        as_chat=_as_chat,
        whole=_whole,
        events=_events,
        refused=refused,
    )


def _messages(body: Mapping[str, Any]) -> list[Message]:
    given = body["input"]
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    said = [item for item in map(_said, items) if item is not None]
    if not said:
        raise BadRequest("`input` must hold a message, a call or what came of one")
    instructions = body.get("instructions")
    first = [Message(Role.SYSTEM, instructions, "instructions")] if instructions is not None else []
    return [*first, *messages_of(said)]


def _said(item: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """An item as a message of chat completions; None for what says nothing, such as reasoning."""
    if item.get("role") is not None:
        return item
    if item.get("type") == "function_call_output":
        return {"role": "tool", "content": item.get("output")}
    if item.get("type") == "function_call":
        return {"role": "assistant", "content": f"{item.get('name')}({item.get('arguments')})"}
    return None


def _as_chat(body: Mapping[str, Any]) -> dict[str, Any]:
    """What of the request chat completions have under another name."""
    names = ("name", "description", "parameters")
    tools = [
        {"type": "function", "function": {name: tool[name] for name in names if name in tool}}
        for tool in body.get("tools") or []
        if tool["type"] == "function" and tool.get("name") is not None
    ]
    choice = body.get("tool_choice")
    if isinstance(choice, dict):
        choice = {"type": "function", "function": {"name": choice.get("name")}}
    text = (body.get("text") or {}).get("format") or {}
    wanted = {"type": text.get("type"), "json_schema": {"schema": text.get("schema")}}
    return {
        "max_tokens": body.get("max_output_tokens"),
        "temperature": body.get("temperature"),
        "tools": tools,
        "tool_choice": choice,
        "response_format": wanted,
    }


def _whole(name: str, body: Mapping[str, Any], answer: Answer) -> dict[str, Any]:
    message, reason, done = answer
    cut = reason == "length"
    status = "incomplete" if cut else "completed"
    items = [_call(call) for call in message.get("tool_calls", ())] or [_message(message["content"] or "", status)]
    return {
        "id": f"resp_{uuid.uuid4().hex}",
        "object": "response",
        "created_at": int(time.time()),
        "status": status,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "metadata": {},
        "model": name,
        "output": items,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "temperature": body.get("temperature"),
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": body.get("tools") or [],
        "top_p": body.get("top_p"),
        "truncation": "disabled",
        "usage": {
            "input_tokens": done.prompt_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": done.completion_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": done.prompt_tokens + done.completion_tokens,
        },
    }


def _message(text: str, status: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {
        "id": f"msg_{uuid.uuid4().hex}",
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": [part],
    }


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call["function"]
    return {"id": f"fc_{uuid.uuid4().hex}", "type": "function_call", "status": "completed", "call_id": call["id"]} | {
        "name": function["name"],
        "arguments": function["arguments"],
    }


def _events(whole: Mapping[str, Any]) -> Iterator[bytes]:
    """Server-sent events in OpenAI's order: created, each item with its pieces, completed."""
    number = iter(range(1_000_000))

    def event(kind: str, **fields: Any) -> bytes:
        data = {"type": kind, "sequence_number": next(number), **fields}
        return f"event: {kind}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()

    begun = {**whole, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    yield event("response.created", response=begun)
    yield event("response.in_progress", response=begun)
    for index, item in enumerate(whole["output"]):
        place = {"output_index": index, "item_id": item["id"]}
        hollow = {**item, "status": "in_progress"}
        if item["type"] == "function_call":
            yield event("response.output_item.added", output_index=index, item={**hollow, "arguments": ""})
            for piece in pieces(item["arguments"]):
                yield event("response.function_call_arguments.delta", **place, delta=piece)
            yield event(
                "response.function_call_arguments.done", **place, arguments=item["arguments"], name=item["name"]
            )
        else:
            (part,) = item["content"]
            place["content_index"] = 0
            yield event("response.output_item.added", output_index=index, item={**hollow, "content": []})
            yield event("response.content_part.added", **place, part={**part, "text": ""})
            for piece in pieces(part["text"]):
                yield event("response.output_text.delta", **place, delta=piece, logprobs=[])
            yield event("response.output_text.done", **place, text=part["text"], logprobs=[])
            yield event("response.content_part.done", **place, part=part)
        yield event("response.output_item.done", output_index=index, item=item)
    yield event(f"response.{whole['status']}", response=whole)
