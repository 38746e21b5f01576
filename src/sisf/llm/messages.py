"""Anthropic's messages over any `ChatModel`, plain and streamed."""

import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from starlette.responses import JSONResponse

from sisf.exchange import Message
from sisf.llm.endpoint import BAD_REQUEST, Answer, Ask, Endpoint, endpoint_of
from sisf.llm.shapes import Messages
from sisf.llm.wire import messages_of, pieces

_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


def endpoint(ask: Ask) -> Endpoint:
    """The handler of `POST /v1/messages`."""
    return endpoint_of(
        ask,
        shape=Messages,
        messages=_messages,
        as_chat=_as_chat,
        whole=_whole,
        events=_events,
        refused=_refused,
    )


def _messages(body: Mapping[str, Any]) -> list[Message]:
    system = body.get("system")
    first = messages_of([{"role": "system", "content": system}]) if system else []
    return [*first, *messages_of([_said(item) for item in body["messages"]])]


def _said(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """A message as one of chat completions: what a tool said is a text as others are."""
    if isinstance(item["content"], str):
        return item
    parts: list[Any] = []
    for block in item["content"]:
        told = block.get("content") if block.get("type") == "tool_result" else [block]
        parts += told if isinstance(told, list) else [{"text": told}] if isinstance(told, str) else []
    return {**item, "content": parts}


def _as_chat(body: Mapping[str, Any]) -> dict[str, Any]:
    """What of the request chat completions have under another name."""
    tools = [
        {"type": "function", "function": {"name": tool["name"], "parameters": tool["input_schema"]}}
        for tool in body.get("tools") or []
        if tool.get("input_schema") is not None
    ]
    choice: Mapping[str, Any] = body.get("tool_choice") or {}
    wanted = {"any": "required", "tool": {"type": "function", "function": {"name": choice.get("name")}}}
    return {
        "max_tokens": body.get("max_tokens"),
        "temperature": body.get("temperature"),
        "tools": tools,
        "tool_choice": wanted.get(choice.get("type", "")),
    }


def _whole(name: str, _: Mapping[str, Any], answer: Answer) -> dict[str, Any]:
    message, reason, done = answer
    blocks: list[dict[str, Any]] = [
        {
            "type": "tool_use",
            "id": f"toolu_{uuid.uuid4().hex[:24]}",
            "name": call["function"]["name"],
            "input": json.loads(call["function"]["arguments"]),
        }
        for call in message.get("tool_calls", ())
    ]
    return {
        "id": f"msg_{uuid.uuid4().hex[:24]}",
        "type": "message",
        "role": "assistant",
        "model": name,
        "content": blocks or [{"type": "text", "text": message["content"] or ""}],
        "stop_reason": _REASONS.get(reason, "end_turn"),
        "stop_sequence": None,
        "usage": {"input_tokens": done.prompt_tokens, "output_tokens": done.completion_tokens},
    }


def _events(whole: Mapping[str, Any]) -> Iterator[bytes]:
    """Server-sent events in Anthropic's order: the message begins, each block in pieces, how it ended."""

    def event(kind: str, **fields: Any) -> bytes:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields}, ensure_ascii=False)}\n\n".encode()

    begun = {**whole, "content": [], "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 0}}
    yield event("message_start", message=begun)
    for index, block in enumerate(whole["content"]):
        if block["type"] == "tool_use":
            hollow, kind, key = {**block, "input": {}}, "input_json_delta", "partial_json"
            text = json.dumps(block["input"])
        else:
            hollow, kind, key = {**block, "text": ""}, "text_delta", "text"
            text = block["text"]
        yield event("content_block_start", index=index, content_block=hollow)
        for piece in pieces(text):
            yield event("content_block_delta", index=index, delta={"type": kind, key: piece})
        yield event("content_block_stop", index=index)
    ended = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield event("message_delta", delta=ended, usage={"output_tokens": whole["usage"]["output_tokens"]})
    yield event("message_stop")


def _refused(status: int, message: str) -> JSONResponse:
    """An error in Anthropic's shape."""
    kind = "invalid_request_error" if status == BAD_REQUEST else "api_error"
    return JSONResponse({"type": "error", "error": {"type": kind, "message": message}}, status_code=status)
