"""OpenAI's responses."""

import time
import uuid
from collections.abc import Collection
from typing import Any

from sisf.errors import HttpFailure, LimitExceeded
from sisf.exchange import Message, Role
from sisf.gateway.dialects.base import REFUSAL, StreamState
from sisf.gateway.dialects.errors import openai_error
from sisf.gateway.dialects.requests import around, model_of, streams
from sisf.gateway.texts import dumps, joined, parts, strings, with_embedded
from sisf.gateway.wire import Malformed, Uninspectable
from sisf.pipeline.streaming import Delta, StreamEvent
from sisf.pipeline.turn import Choice, Inspected
from sisf.settings import Limits

_ROLES = {"system": Role.SYSTEM, "developer": Role.SYSTEM, "assistant": Role.ASSISTANT, "user": Role.USER}
_SEALED = frozenset(("encrypted_content", "logprobs", "obfuscation"))
"""Sealed by the upstream for itself, or numbers: nobody on this side can read text in them."""
_EVENT_META = frozenset("type sequence_number item_id output_index content_index summary_index delta".split()) | _SEALED


class Responses:
    """`POST /v1/responses`."""

    name = "responses"
    path = "/responses"

    def request(self, tree: dict[str, Any], limits: Limits, *, opaque: bool) -> Inspected:
        """Instructions, every input item, tools. Background work is refused: its answer would not come through here."""
        if tree.get("background"):
            raise HttpFailure(400, "uninspectable_content", "`background` answers cannot be inspected.", "background")
        skipped: list[str] | None = [] if opaque else None
        messages = around(tree, "input")
        given = tree.get("input")
        if isinstance(given, str):
            messages.append(Message(Role.USER, given, "input"))
        elif isinstance(given, list):
            if len(given) > limits.messages:
                raise LimitExceeded(f"More than {limits.messages} items.", code="too_many_messages", param="input")
            for index, item in enumerate(given):
                messages += _item(item, f"input[{index}]", skipped)
        elif given is not None:
            raise HttpFailure(400, "invalid_request", "`input` must be a string or an array.", "input")
        return Inspected(tuple(messages), model_of(tree), streams(tree), tree, tuple(skipped or ()))

    def answers(self, tree: dict[str, Any]) -> list[Choice]:
        """One answer an output item. What the response repeats of the request was inspected there."""
        output = tree.get("output")
        if not isinstance(output, list):
            raise Malformed("it has no `output`")
        try:
            answers = [
                Choice(i, tuple(_item(item, f"output[{i}]", None, Role.ASSISTANT))) for i, item in enumerate(output)
            ]
        except HttpFailure as error:
            raise Malformed(error.message) from None
        outside = joined(Role.ASSISTANT, [tree.get("error"), tree.get("output_text")], "answer")
        return [*answers, Choice(-1, tuple(outside))] if outside else answers

    def withhold(self, tree: dict[str, Any], choices: Collection[int]) -> bytes:
        """Refuse those items; the response is incomplete, for the reason `content_filter`."""
        everything = -1 in choices
        output = [_refused() if everything or i in choices else item for i, item in enumerate(tree["output"])] or [
            _refused()
        ]
        return dumps({**_without_text(tree), **_INCOMPLETE, "output": output})

    def error(self, status: int, code: str, message: str, param: str | None = None) -> bytes:
        """OpenAI's error."""
        return openai_error(status, code, message, param)

    def refusal(self, model: str) -> bytes:
        """A response that refuses."""
        return dumps({**_head(model), **_INCOMPLETE, "output": [_refused()]})

    def event(self, tree: dict[str, Any]) -> StreamEvent:
        """Deltas flow by channel; events that repeat a text are inspected where they differ from what flowed."""
        kind = tree.get("type")
        if not isinstance(kind, str):
            raise Malformed("a stream event has no `type`")
        index = tree.get("output_index", 0)
        if type(index) is not int or index < 0:
            raise Malformed("a stream event has no valid `output_index`")
        deltas: list[Delta] = []
        if isinstance(tree.get("delta"), str):
            place = f"{tree.get('content_index', '')}{tree.get('summary_index', '')}"
            channel = f"{kind}.{place}.{tree.get('item_id', '')}"
            whole = "arguments" in kind or "input" in kind or "code" in kind
            deltas.append(Delta(index, channel, tree["delta"], whole=whole))
        elif "delta" in tree:
            deltas += [Delta(-1, kind, text) for text in strings(tree["delta"])]
        for key in tree.keys() - _EVENT_META:
            value = tree[key]
            if key == "response" and isinstance(value, dict):
                value = [value.get("output"), value.get("error"), value.get("output_text")]
            deltas += [Delta(-1, kind, text) for text in strings(_open(value))]
        ended = kind.endswith((".done", ".completed", ".failed", ".incomplete")) and "output_index" in tree
        last = kind in ("response.completed", "response.failed", "response.incomplete", "error")
        return StreamEvent(deltas, (index,) if ended else (), last)

    def stream_refusal(self, state: StreamState) -> bytes:
        """A last message item with the refusal, and `response.incomplete`."""
        response = dict((state.first or {}).get("response") or _head(state.model))
        number = int((state.last or {}).get("sequence_number", -1)) + 1
        index = int((state.last or {}).get("output_index", -1)) + 1 if state.first else 0
        item = _refused()
        part = item["content"][0]
        at = {"item_id": item["id"], "output_index": index, "content_index": 0}
        opening = {**item, "status": "in_progress", "content": []}
        events: list[dict[str, Any]] = []
        if state.first is None:
            events.append({"type": "response.created", "response": {**response, "status": "in_progress", "output": []}})
        events += [
            {"type": "response.output_item.added", "output_index": index, "item": opening},
            {"type": "response.content_part.added", **at, "part": {**part, "text": ""}},
            {"type": "response.output_text.delta", **at, "delta": REFUSAL, "logprobs": []},
            {"type": "response.output_text.done", **at, "text": REFUSAL, "logprobs": []},
            {"type": "response.content_part.done", **at, "part": part},
            {"type": "response.output_item.done", "output_index": index, "item": item},
            {"type": "response.incomplete", "response": {**response, **_INCOMPLETE, "output": [item]}},
        ]
        return b"".join(_sse({**event, "sequence_number": number + i}) for i, event in enumerate(events))

    def stream_error(self, status: int, code: str, message: str) -> bytes:  # noqa: ARG002 - the event has no status
        """An `error` event."""
        return _sse({"type": "error", "code": code, "message": message, "param": None, "sequence_number": 0})


_INCOMPLETE = {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}, "error": None}


def _item(item: Any, origin: str, opaque: list[str] | None, fixed: Role | None = None) -> list[Message]:
    """An input or output item: a message with parts, a call, a result, reasoning, or something newer."""
    if not isinstance(item, dict):
        return joined(fixed or Role.USER, item, origin)
    role = fixed or _ROLES.get(str(item.get("role")), Role.USER)
    if str(item.get("type", "")).endswith("_output"):
        role = fixed or Role.TOOL
    messages: list[Message] = []
    rest: dict[str, Any] = {}
    for key, value in _open(item).items():
        place = f"{origin}.{key}"
        if key in ("content", "output", "summary") and isinstance(value, str | list):
            try:
                messages += parts(role, value, place, opaque)
            except Uninspectable as error:
                raise HttpFailure(400, "uninspectable_content", f"{error}.", place) from None
        elif key in ("arguments", "input") and isinstance(value, str):
            messages += with_embedded(role, value, place)
        else:
            rest[key] = value
    return [*joined(role, rest, origin), *messages]


def _open(value: Any) -> Any:
    """`value` without what is sealed."""
    if isinstance(value, dict):
        return {k: _open(v) for k, v in value.items() if k not in _SEALED}
    return [_open(v) for v in value] if isinstance(value, list) else value


def _without_text(tree: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in tree.items() if k not in ("output", "output_text", "error")}


def _head(model: str) -> dict[str, Any]:
    return {
        "id": f"resp_sisf{uuid.uuid4().hex}",
        "object": "response",
        "created_at": int(time.time()),
        "model": model,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "output": [],
        "parallel_tool_calls": True,
        "temperature": None,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "usage": None,
    }


def _refused() -> dict[str, Any]:
    part = {"type": "output_text", "text": REFUSAL, "annotations": [], "logprobs": []}
    return {
        "type": "message",
        "id": f"msg_sisf{uuid.uuid4().hex}",
        "status": "incomplete",
        "role": "assistant",
        "content": [part],
    }


def _sse(event: dict[str, Any]) -> bytes:
    return b"event: " + str(event["type"]).encode() + b"\ndata: " + dumps(event) + b"\n\n"
