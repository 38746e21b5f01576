"""Anthropic's messages."""

import uuid
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from sisf.errors import HttpFailure
from sisf.exchange import Role
from sisf.gateway.dialects.answers import Asked, as_deltas, beside, choice_of, figures
from sisf.gateway.dialects.base import REFUSAL, OneAnswer, StreamState
from sisf.gateway.dialects.errors import anthropic_error
from sisf.gateway.dialects.messages_shapes import (
    ANSWER_META,
    BLOCK,
    CONTENT,
    DELTAS,
    EVENT_META,
    MESSAGE_META,
    REQUEST,
)
from sisf.gateway.dialects.requests import array_of, model_of, read_request
from sisf.gateway.shapes import Reader, Record, words
from sisf.gateway.texts import dumps
from sisf.gateway.wire import Malformed
from sisf.pipeline.stream_texts import Delta, StreamEvent
from sisf.pipeline.turn import Choice, Inspected
from sisf.settings import Limits, Unseen


class Messages(OneAnswer):
    """`POST /v1/messages`."""

    name = "messages"
    path = "/messages"

    def request(
        self, tree: dict[str, Any], limits: Limits, *, opaque: Collection[Unseen] = (), looks: bool = False
    ) -> Inspected:
        """System prompt, every block of every message, tools."""
        given = array_of(tree, "messages", limits, "messages")

        def said(reader: Reader) -> None:
            for index, item in enumerate(given):
                place = f"messages[{index}]"
                if not isinstance(item, dict):
                    raise HttpFailure(400, "invalid_request", f"{place} must be an object.", place)
                role = _ROLES.get(str(item.get("role")), Role.USER)
                with reader.collected(role, place):
                    reader.read(_MESSAGE, {k: v for k, v in item.items() if k != "content"}, role, place)
                    _content(reader, item.get("content"), role, f"{place}.content")

        return read_request(tree, REQUEST, said, "messages", opaque=opaque, looks=looks)

    def answers(self, tree: dict[str, Any], asked: Asked) -> list[Choice]:
        """All blocks are one answer."""
        if not isinstance(tree.get("content"), list):
            raise Malformed("it has no `content`")
        reader = asked.reader()
        with reader.collected(Role.ASSISTANT, "content"):
            reader.read(CONTENT, tree["content"], Role.ASSISTANT, "content")
        reader.aside += beside(tree, ANSWER_META, asked, "content")
        return list(choice_of(0, reader))

    def withhold(self, tree: dict[str, Any], choices: Collection[int], asked: Asked) -> bytes:  # noqa: ARG002 - there is one
        """The answer with the refusal as its only block."""
        usage = {"input_tokens": 0, "output_tokens": 0} | figures(tree.get("usage"))
        return dumps({**_head(model_of(asked.tree)), "usage": usage, "content": [_TEXT], "stop_reason": "refusal"})

    def rewritten(self, tree: dict[str, Any]) -> bytes:
        """As it is: nothing in it repeats the texts."""
        return dumps(tree)

    def error(self, status: int, code: str, message: str, param: str | None = None) -> bytes:  # noqa: ARG002 - has none
        """Anthropic's error."""
        return anthropic_error(status, code, message)

    def refusal(self, model: str, asked: Asked) -> bytes:  # noqa: ARG002 - one form for all
        """A message that refuses."""
        return dumps({**_head(model), "content": [_TEXT], "stop_reason": "refusal"})

    def event(self, tree: dict[str, Any], asked: Asked) -> StreamEvent:
        """Blocks are the choices of this API: one after the other, each with a beginning and an end.

        Texts of one kind go into one channel, whatever their block: what is cut into blocks is read together.
        """
        kind = tree.get("type", "ping")
        index = tree.get("index")
        index = 0 if index is None else index
        if not isinstance(kind, str) or type(index) is not int or index < 0:
            raise Malformed("a stream event has no valid `type` or `index`")
        reader = asked.reader()
        apart: tuple[str, ...] = ()
        deltas: list[Delta] = []
        if kind == "content_block_delta" and isinstance(tree.get("delta"), dict):
            deltas, apart = _deltas(index, tree["delta"], asked), ("delta",)
        elif kind == "content_block_start":
            block, apart = tree.get("content_block"), ("content_block",)
            with reader.collected(Role.ASSISTANT, "name"):
                reader.read(BLOCK, block, Role.ASSISTANT, "")
            name = block.get("type") if isinstance(block, dict) else ""
            deltas = list(as_deltas(index, reader, "" if name in ("text", "thinking") else f"{name}."))
        elif kind == "message_start" and isinstance(tree.get("message"), dict):
            message, apart = tree["message"], ("message",)
            reader.read(CONTENT, message.get("content"), Role.ASSISTANT, "content")
            reader.aside += beside(message, ANSWER_META, asked, "content")
            deltas = list(as_deltas(index, reader, "message."))
        elif kind == "message_delta" and isinstance(tree.get("delta"), dict):
            apart = ("delta",)
            deltas = [Delta(-1, m.origin, m.content) for m in beside(tree["delta"], MESSAGE_META, asked)]
        deltas += [Delta(-1, f"{kind}.{m.origin}", m.content) for m in beside(tree, EVENT_META, asked, *apart)]
        opened = (index,) if kind == "content_block_start" else ()
        finished = (index,) if kind == "content_block_stop" else ()
        return StreamEvent(deltas, finished, done=kind == "message_stop", opened=opened)

    def stream_refusal(self, state: StreamState) -> bytes:
        """End the open block, add one with the refusal, end the message."""
        events: list[dict[str, Any]] = []
        index = 0
        if state.first is None:
            events.append({"type": "message_start", "message": {**_head(state.model), "content": []}})
        else:
            events += [{"type": "content_block_stop", "index": i} for i in sorted(state.open_blocks)]
            index = state.blocks
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


class CountTokens(Messages):
    """`POST /v1/messages/count_tokens`: the same request, answered by a number."""

    name = "count_tokens"
    path = "/messages/count_tokens"

    def request(self, *given: Any, **more: Any) -> Inspected:
        """All texts of the request; nothing is answered that could be learned from."""
        return replace(super().request(*given, **more), answered=False)

    def answers(self, tree: dict[str, Any], *_: Any) -> list[Choice]:
        """None; but an answer that is no count does not pass."""
        if type(tree.get("input_tokens")) is not int or any(isinstance(value, str) for value in tree.values()):
            raise Malformed("it is no count of tokens")
        return []


_TEXT = {"type": "text", "text": REFUSAL}


_ROLES = {"assistant": Role.ASSISTANT, "system": Role.SYSTEM}
_MESSAGE = Record(
    {
        "role": words("user assistant system"),
        "output_config": REQUEST.keys["output_config"],
        "clear_at": words("next_user_message never"),
    }
)


def _content(reader: Reader, content: Any, role: Role, place: str) -> None:
    """The blocks of a message; what a tool said is the tool's."""
    if not isinstance(content, list):
        reader.read(CONTENT, content, role, place)
        return
    for index, block in enumerate(content):
        kind = block.get("type") if isinstance(block, dict) else None
        speaker = Role.TOOL if isinstance(kind, str) and kind.endswith("tool_result") else role
        reader.read(BLOCK if isinstance(block, dict) else CONTENT, block, speaker, f"{place}[{index}]")


def _deltas(index: int, delta: dict[str, Any], asked: Asked) -> list[Delta]:
    kind = delta.get("type")
    if kind == "text_delta" and delta.keys() == _TEXT_DELTA and isinstance(delta["text"], str):
        return [Delta(index, "text", delta["text"])] if delta["text"] else []
    reader = asked.reader()
    reader.read(DELTAS, delta, Role.ASSISTANT, "")
    found = list(as_deltas(index, reader))
    return [replace(d, channel=f"{index}.{d.channel}", whole=True) if d.channel == "partial_json" else d for d in found]


_TEXT_DELTA = {"type", "text"}


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
