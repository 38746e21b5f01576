"""OpenAI's responses."""

import time
import uuid
from collections.abc import Collection
from typing import Any

from sisf.errors import HttpFailure, LimitExceeded
from sisf.exchange import Message, Role
from sisf.gateway.dialects.answers import Asked, as_deltas, beside, choice_of, figures, new_strings
from sisf.gateway.dialects.base import REFUSAL, OneAnswer, StreamState
from sisf.gateway.dialects.errors import openai_error
from sisf.gateway.dialects.openai_shapes import TEXT
from sisf.gateway.dialects.requests import model_of, read_request
from sisf.gateway.dialects.responses_cut import cut_off
from sisf.gateway.dialects.responses_shapes import ANSWER_META, ECHOED, EVENT_META, ITEM, PART, REQUEST
from sisf.gateway.logprobs import logprob_texts
from sisf.gateway.shapes import Closed, Reader
from sisf.gateway.texts import dumps, joined, leaves
from sisf.gateway.wire import Malformed
from sisf.pipeline.stream_texts import Delta, StreamEvent
from sisf.pipeline.turn import Choice, Inspected
from sisf.settings import Limits, Unseen

_ROLES = {"system": Role.SYSTEM, "developer": Role.SYSTEM, "assistant": Role.ASSISTANT, "user": Role.USER}
_ENDED = ("response.completed", "response.failed", "response.incomplete", "error")


class Responses(OneAnswer):
    """`POST /v1/responses`."""

    name = "responses"
    path = "/responses"

    def request(
        self, tree: dict[str, Any], limits: Limits, *, opaque: Collection[Unseen] = (), looks: bool = False
    ) -> Inspected:
        """Instructions, every input item, tools. Background work is refused: its answer would not come through here."""
        if tree.get("background"):
            raise HttpFailure(400, "uninspectable_content", "`background` answers cannot be inspected.", "background")
        given = tree.get("input")
        if given is not None and not isinstance(given, str | list):
            raise HttpFailure(400, "invalid_request", "`input` must be a string or an array.", "input")
        if isinstance(given, list) and len(given) > limits.messages:
            raise LimitExceeded(f"More than {limits.messages} items.", code="too_many_messages", param="input")

        def said(reader: Reader) -> None:
            if isinstance(given, str):
                reader.messages.append(Message(Role.USER, given, "input"))
                return
            for index, item in enumerate(given or ()):
                _item(reader, item, f"input[{index}]")

        return read_request(tree, REQUEST, said, "input", opaque=opaque, looks=looks)

    def answers(self, tree: dict[str, Any], asked: Asked) -> list[Choice]:
        """One answer an output item, and all of them together: a text can be cut into several."""
        output = tree.get("output")
        if not isinstance(output, list):
            raise Malformed("it has no `output`")
        answers: list[Choice] = []
        for place, item in enumerate(output):
            reader = asked.reader()
            _item(reader, item, f"output[{place}]", Role.ASSISTANT)
            answers += choice_of(place, reader)
        reader = asked.reader()
        reader.spell(output, Role.ASSISTANT, "output")
        said = tuple(message for answer in answers if answer.spoken for message in answer.messages)
        outside = [*reader.aside, *_around(tree, asked)]
        if len(output) > 1 and said:
            answers.append(Choice(-1, said, spoken=False))
        return [*answers, Choice(-1, tuple(outside), spoken=False)] if outside else answers

    def withhold(self, tree: dict[str, Any], choices: Collection[int], asked: Asked) -> bytes:
        """Refuse those items; the response is incomplete, for the reason `content_filter`."""
        everything = -1 in choices
        refused = _refused(asked)
        output = [refused if everything or i in choices else item for i, item in enumerate(tree["output"])] or [refused]
        usage = figures(tree.get("usage")) or _NO_USAGE
        whole = _head(model_of(asked.tree)) | {"usage": usage}
        kept = whole if everything else {k: v for k, v in tree.items() if k in _KEPT}
        return dumps({**kept, **_ending(asked), "output": output})

    def rewritten(self, tree: dict[str, Any]) -> bytes:
        """The answer without log probabilities, which spell the texts as they were."""
        return dumps(_without_logprobs(tree))

    def error(self, status: int, code: str, message: str, param: str | None = None) -> bytes:
        """OpenAI's error."""
        return openai_error(status, code, message, param)

    def refusal(self, model: str, asked: Asked) -> bytes:
        """A response that refuses."""
        return dumps({**_head(model), **_ending(asked), "output": [_refused(asked)], "usage": _NO_USAGE})

    def event(self, tree: dict[str, Any], asked: Asked) -> StreamEvent:
        """Deltas flow by kind, so that what is cut into parts or items is read together; events that repeat a text are
        inspected where they differ from what flowed."""
        kind = tree.get("type", "ping")
        index = tree.get("output_index")
        index = 0 if index is None else index
        if not isinstance(kind, str) or type(index) is not int or index < 0:
            raise Malformed("a stream event has no valid `type` or `output_index`")
        deltas: list[Delta] = []
        if isinstance(tree.get("delta"), str):
            if tree["delta"]:
                whole = any(part in kind for part in _WHOLE)
                channel = f"{kind}.{tree.get('item_id') or index}" if whole else kind
                deltas.append(Delta(index, channel, tree["delta"], whole=whole))
        elif tree.get("delta") is not None:
            deltas += [Delta(-1, m.origin, m.content) for m in leaves(Role.ASSISTANT, tree["delta"], kind)]
        reader = asked.reader()
        if "response" in tree:
            _whole(reader, tree["response"], asked)
        if "item" in tree:
            _item(reader, tree["item"], "item", Role.ASSISTANT)
        if "part" in tree:
            reader.read(PART, tree["part"], Role.ASSISTANT, "part")
        for key in _REPEATS & tree.keys():
            reader.read(TEXT, tree[key], Role.ASSISTANT, key)
        if tree.get("partial_image_b64"):
            reader.read(Closed("image"), tree["partial_image_b64"], Role.ASSISTANT, kind)
        text = tree.get("delta") if isinstance(tree.get("delta"), str) else tree.get("text")
        reader.aside += logprob_texts(tree.get("logprobs"), str(text or ""), "logprobs")
        reader.aside += beside(tree, EVENT_META, asked, *_APART, *_REPEATS)
        deltas += [Delta(-1, f"{kind}.{d.channel}", d.text) for d in as_deltas(-1, reader)]
        ended = kind.endswith((".done", *_ENDED)) and "output_index" in tree
        return StreamEvent(
            deltas,
            (index,) if ended else (),
            done=kind in _ENDED,
            opened=(index,) if kind == "response.output_item.added" else (),
            closed=(index,) if kind == "response.output_item.done" else (),
        )

    def stream_refusal(self, state: StreamState) -> bytes:
        """The open items end; then a last message item with the refusal, and the end of the response."""
        response = dict((state.first or {}).get("response") or _head(state.model))
        number = int((state.last or {}).get("sequence_number", -1)) + 1
        item = _refused(state.asked)
        part = item["content"][0]
        key = "refusal" if part["type"] == "refusal" else "text"
        kind = f"response.{'refusal' if key == 'refusal' else 'output_text'}"
        at = {"item_id": item["id"], "output_index": state.blocks, "content_index": 0}
        more: dict[str, Any] = {} if key == "refusal" else {"logprobs": []}
        events: list[dict[str, Any]] = []
        if state.first is None:
            events.append({"type": "response.created", "response": {**response, "status": "in_progress", "output": []}})
        cut, kept = cut_off(state)
        usage = response.get("usage") or _NO_USAGE
        ending = {**response, **_ending(state.asked), "output": [*kept, item], "usage": usage}
        events += [
            *cut,
            {
                "type": "response.output_item.added",
                "output_index": state.blocks,
                "item": {**item, "status": "in_progress", "content": []},
            },
            {"type": "response.content_part.added", **at, "part": {**part, key: ""}},
            {"type": f"{kind}.delta", **at, "delta": REFUSAL, **more},
            {"type": f"{kind}.done", **at, key: REFUSAL, **more},
            {"type": "response.content_part.done", **at, "part": part},
            {"type": "response.output_item.done", "output_index": state.blocks, "item": item},
            {"type": "response.completed", "response": ending},
        ]
        return b"".join(_sse({**event, "sequence_number": number + i}) for i, event in enumerate(events))

    def stream_error(self, status: int, code: str, message: str) -> bytes:  # noqa: ARG002 - the event has no status
        """An `error` event."""
        return _sse({"type": "error", "code": code, "message": message, "param": None, "sequence_number": 0})


_KEPT = frozenset(
    """
    id object created_at completed_at model usage parallel_tool_calls temperature tool_choice tools top_p metadata
    instructions previous_response_id reasoning text truncation user max_output_tokens max_tool_calls service_tier store
    top_logprobs background
    """.split()
)
_WHOLE = ("arguments", "input", "code")
_REPEATS = frozenset(("text", "arguments", "refusal", "code", "input", "name"))
_APART = ("delta", "response", "item", "part", "logprobs", "partial_image_b64")


_NO_USAGE = {
    "input_tokens": 0,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 0,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 0,
}
"""Of what was stopped before its usage was told: some clients reject the end of a response without."""


def _ending(asked: Asked) -> dict[str, Any]:
    """How a response ends that refuses; where the client parses answers, as models refuse to fill in a form."""
    if asked.structured:
        return {"status": "completed", "incomplete_details": None, "error": None}
    return {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}, "error": None}


def _item(reader: Reader, item: Any, origin: str, fixed: Role | None = None) -> None:
    """An input or output item: a message with parts, a call, a result, reasoning, or something newer."""
    kind = item.get("type") if isinstance(item, dict) else None
    role = fixed or _ROLES.get(str(item.get("role") if isinstance(item, dict) else ""), Role.USER)
    if isinstance(kind, str) and kind.endswith("_output"):
        role = fixed or Role.TOOL
    with reader.collected(role, origin):
        reader.read(ITEM, item, role, origin)


def _whole(reader: Reader, response: Any, asked: Asked) -> None:
    """A response that an event repeats."""
    if not isinstance(response, dict):
        reader.aside += joined(Role.ASSISTANT, response, "response")
        return
    output = response.get("output")
    for place, item in enumerate(output if isinstance(output, list) else [] if output is None else [output]):
        _item(reader, item, f"output[{place}]", Role.ASSISTANT)
    if isinstance(output, list):
        reader.spell(output, Role.ASSISTANT, "output")
    reader.aside += _around(response, asked)


def _around(response: dict[str, Any], asked: Asked) -> list[Message]:
    """What stands around the output, but for what the request said already."""
    fresh = {k: new_strings(v, asked.tree.get(k)) if k in ECHOED else v for k, v in response.items() if k != "output"}
    return beside(fresh, ANSWER_META, asked)


def _without_logprobs(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: [] if k == "logprobs" else _without_logprobs(v) for k, v in value.items()}
    return [_without_logprobs(v) for v in value] if isinstance(value, list) else value


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


def _refused(asked: Asked) -> dict[str, Any]:
    part: dict[str, Any] = {"type": "output_text", "text": REFUSAL, "annotations": [], "logprobs": []}
    if asked.structured:
        part = {"type": "refusal", "refusal": REFUSAL}
    return {
        "type": "message",
        "id": f"msg_sisf{uuid.uuid4().hex}",
        "status": "completed" if asked.structured else "incomplete",
        "role": "assistant",
        "content": [part],
    }


def _sse(event: dict[str, Any]) -> bytes:
    return b"event: " + str(event["type"]).encode() + b"\ndata: " + dumps(event) + b"\n\n"
