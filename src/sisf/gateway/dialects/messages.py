"""Anthropic's messages."""

import uuid
from collections.abc import Collection
from typing import Any

from sisf.errors import HttpFailure, LimitExceeded
from sisf.exchange import Message, Role
from sisf.gateway.dialects.base import REFUSAL, StreamState
from sisf.gateway.dialects.errors import anthropic_error
from sisf.gateway.dialects.requests import around, model_of, streams
from sisf.gateway.texts import dumps, joined, parts, strings
from sisf.gateway.wire import Malformed, Uninspectable
from sisf.pipeline.streaming import Delta, StreamEvent
from sisf.pipeline.turn import Choice, Inspected
from sisf.settings import Limits

_SEALED = frozenset(("signature", "encrypted_content", "encrypted_index", "encrypted_stdout"))
"""Sealed by the upstream for itself: nobody on this side can read text in them."""
_META = frozenset("id type role model stop_reason stop_sequence usage content container context_management".split())
_DELTAS = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}


class Messages:
    """`POST /v1/messages`."""

    name = "messages"
    path = "/messages"

    def request(self, tree: dict[str, Any], limits: Limits, *, opaque: bool) -> Inspected:
        """System prompt, every block of every message, tools."""
        given = tree.get("messages")
        if not isinstance(given, list) or not given:
            raise HttpFailure(400, "invalid_request", "`messages` must be a non-empty array.", "messages")
        if len(given) > limits.messages:
            raise LimitExceeded(f"More than {limits.messages} messages.", code="too_many_messages", param="messages")
        skipped: list[str] | None = [] if opaque else None
        messages = around(tree, "messages", "system")
        messages += _content(Role.SYSTEM, tree.get("system"), "system", skipped)
        for index, item in enumerate(given):
            place = f"messages[{index}]"
            if not isinstance(item, dict):
                raise HttpFailure(400, "invalid_request", f"{place} must be an object.", place)
            role = Role.ASSISTANT if item.get("role") == "assistant" else Role.USER
            messages += joined(role, {k: v for k, v in item.items() if k != "content"}, place)
            messages += _content(role, item.get("content"), f"{place}.content", skipped)
        return Inspected(tuple(messages), model_of(tree), streams(tree), tree, tuple(skipped or ()))

    def answers(self, tree: dict[str, Any]) -> list[Choice]:
        """All blocks are one answer."""
        if not isinstance(tree.get("content"), list):
            raise Malformed("it has no `content`")
        try:
            found = _content(Role.ASSISTANT, tree["content"], "content", None)
        except HttpFailure as error:
            raise Malformed(error.message) from None
        rest = joined(Role.ASSISTANT, {k: v for k, v in tree.items() if k not in _META}, "answer")
        return [Choice(0, (*found, *rest))]

    def withhold(self, tree: dict[str, Any], choices: Collection[int]) -> bytes:  # noqa: ARG002 - there is one
        """The answer with the refusal as its only block."""
        kept = {k: v for k, v in tree.items() if k in _META}
        return dumps({**kept, "content": [_TEXT], "stop_reason": "refusal", "stop_sequence": None})

    def error(self, status: int, code: str, message: str, param: str | None = None) -> bytes:  # noqa: ARG002 - has none
        """Anthropic's error."""
        return anthropic_error(status, code, message)

    def refusal(self, model: str) -> bytes:
        """A message that refuses."""
        return dumps({**_head(model), "content": [_TEXT], "stop_reason": "refusal"})

    def event(self, tree: dict[str, Any]) -> StreamEvent:
        """Blocks are the choices of this API: one after the other, each with a beginning and an end."""
        kind = tree.get("type")
        index = tree.get("index", 0)
        if not isinstance(kind, str) or type(index) is not int or index < 0:
            raise Malformed("a stream event has no valid `type` or `index`")
        if kind == "content_block_delta" and isinstance(tree.get("delta"), dict):
            return StreamEvent(_deltas(index, tree["delta"]))
        if kind == "content_block_stop":
            return StreamEvent(finished=(index,))
        if kind == "message_stop":
            return StreamEvent(done=True)
        told = {k: v for k, v in tree.items() if k not in ("type", "index", "usage", "delta")}
        if kind == "message_start":
            message = told.pop("message", {})
            told["content"] = message.get("content") if isinstance(message, dict) else message
        return StreamEvent([Delta(-1, kind, text) for text in strings(_open(told))])

    def stream_refusal(self, state: StreamState) -> bytes:
        """End the open block, add one with the refusal, end the message."""
        events: list[dict[str, Any]] = []
        index = 0
        if state.first is None:
            events.append({"type": "message_start", "message": {**_head(state.model), "content": []}})
        else:
            events += [{"type": "content_block_stop", "index": i} for i in sorted(state.open_choices)]
            index = int((state.last or {}).get("index", -1)) + 1
        events += [
            {"type": "content_block_start", "index": index, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": REFUSAL}},
            {"type": "content_block_stop", "index": index},
            {
                "type": "message_delta",
                "delta": {"stop_reason": "refusal", "stop_sequence": None},
                "usage": {"output_tokens": 0},
            },
            {"type": "message_stop"},
        ]
        return b"".join(_sse(event["type"], dumps(event)) for event in events)

    def stream_error(self, status: int, code: str, message: str) -> bytes:
        """An `error` event."""
        return _sse("error", anthropic_error(status, code, message))


_TEXT = {"type": "text", "text": REFUSAL}


def _content(role: Role, content: Any, origin: str, opaque: list[str] | None) -> list[Message]:
    if not isinstance(content, list):
        return parts(role, content, origin, opaque)
    messages: list[Message] = []
    for index, block in enumerate(content):
        place = f"{origin}[{index}]"
        if isinstance(block, dict) and block.get("type") == "tool_result":
            rest = {k: v for k, v in block.items() if k not in ("content", "type")}
            messages += joined(Role.TOOL, rest, place)
            messages += _content(Role.TOOL, block.get("content"), f"{place}.content", opaque)
        elif isinstance(block, dict) and _plain_document(block):
            messages += joined(role, block, place)
        elif isinstance(block, dict) and block.get("type") == "redacted_thinking":
            continue
        else:
            try:
                found = parts(role, [_open(block)], origin, opaque)
            except Uninspectable as error:
                raise HttpFailure(400, "uninspectable_content", f"{error}.", place) from None
            messages += [Message(m.role, m.content, m.origin.replace(f"{origin}[0]", place, 1)) for m in found]
    return messages


def _plain_document(block: dict[str, Any]) -> bool:
    source = block.get("source")
    return isinstance(source, dict) and source.get("type") in ("text", "content") and "data" in source


def _deltas(index: int, delta: dict[str, Any]) -> list[Delta]:
    kind = str(delta.get("type"))
    key = _DELTAS.get(kind)
    found: list[Delta] = []
    if key is not None and isinstance(delta.get(key), str) and delta[key]:
        found.append(Delta(index, key, delta[key], whole=key == "partial_json"))
    rest = {k: v for k, v in delta.items() if k != key and k not in _SEALED and (k, v) != ("type", kind)}
    return found + [Delta(-1, kind, text) for text in strings(rest)]


def _open(value: Any) -> Any:
    """`value` without what is sealed."""
    if isinstance(value, dict):
        return {k: _open(v) for k, v in value.items() if k not in _SEALED}
    return [_open(v) for v in value] if isinstance(value, list) else value


def _head(model: str) -> dict[str, Any]:
    return {
        "id": f"msg_sisf{uuid.uuid4().hex}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 0, "output_tokens": 0},
    }


def _sse(kind: str, data: bytes) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"
