"""OpenAI chat completions."""

import time
import uuid
from collections.abc import Collection
from typing import Any

from sisf.errors import HttpFailure
from sisf.exchange import Message, Role
from sisf.gateway.dialects.answers import (
    Asked,
    as_deltas,
    beside,
    choice_index,
    choice_of,
    figures,
    number_asked,
    quiet_head,
    without_choices,
)
from sisf.gateway.dialects.base import REFUSAL, StreamState
from sisf.gateway.dialects.errors import openai_error
from sisf.gateway.dialects.openai_shapes import (
    ANSWER,
    ANSWER_META,
    CALL,
    CHAT,
    CHOICE_META,
    EVENT_META,
    MESSAGE,
    TEXT,
    TOOL_MESSAGE,
)
from sisf.gateway.dialects.requests import array_of, model_of, read_request
from sisf.gateway.logprobs import logprob_texts
from sisf.gateway.shapes import Aside, Reader, Record
from sisf.gateway.spelled import spelled
from sisf.gateway.texts import dumps, leaves
from sisf.gateway.wire import Malformed
from sisf.pipeline.stream_texts import Delta, StreamEvent
from sisf.pipeline.turn import Choice, Inspected
from sisf.settings import Limits, Unseen

_ROLES = {
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
    "assistant": Role.ASSISTANT,
    "tool": Role.TOOL,
    "function": Role.TOOL,
}
_PLAIN = frozenset(("role", "content"))
_PLAIN_ROLES = ("user", "assistant", "system")  # a tool's result may be JSON that hides what it says
_KEPT = frozenset("id object created model usage system_fingerprint service_tier choices".split())
_CHOICE = Aside(Record(CHOICE_META))
_DELTA = Record({key: shape for key, shape in ANSWER.keys.items() if key not in ("tool_calls", "function_call")})


class Chat:
    """`POST /v1/chat/completions`."""

    name = "chat"
    path = "/chat/completions"

    def request(
        self, tree: dict[str, Any], limits: Limits, *, opaque: Collection[Unseen] = (), looks: bool = False
    ) -> Inspected:
        """All texts of a request: whatever is not a message stands in front, as the system's."""
        given = array_of(tree, "messages", limits, "messages")

        def said(reader: Reader) -> None:
            for index, item in enumerate(given):
                place = f"messages[{index}]"
                if not isinstance(item, dict):
                    raise HttpFailure(400, "invalid_request", f"{place} must be an object.", place)
                _message(reader, item, place)

        return read_request(tree, CHAT, said, "messages", opaque=opaque, looks=looks)

    def answers(self, tree: dict[str, Any], asked: Asked) -> list[Choice]:
        """One answer a choice; texts outside of the choices belong to all of them, under index -1."""
        choices = tree.get("choices")
        if not isinstance(choices, list):
            raise Malformed("it has no `choices`")
        answers: list[Choice] = []
        for place, choice in enumerate(choices):
            if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
                raise Malformed(f"choices[{place}] has no `message`")
            origin = f"choices[{place}]"
            reader = asked.reader()
            with reader.collected(Role.ASSISTANT, origin):
                reader.read(ANSWER, choice["message"], Role.ASSISTANT, f"{origin}.message")
            rest = {k: v for k, v in choice.items() if k not in ("message", "logprobs")}
            reader.read(_CHOICE, rest, Role.ASSISTANT, origin)
            if choice.get("logprobs"):
                text = "".join(message.content for message in reader.messages)
                reader.aside += logprob_texts(choice["logprobs"], text, f"{origin}.logprobs")
            answers += choice_of(place, reader)
        outside = beside(tree, ANSWER_META, asked, "choices")
        return [*answers, Choice(-1, tuple(outside), spoken=False)] if outside else answers

    def withhold(self, tree: dict[str, Any], choices: Collection[int], asked: Asked) -> bytes:
        """Refuse those choices; everything outside of the choices that could carry text goes."""
        whole = _head(model_of(asked.tree), "chat.completion") | {"usage": figures(tree.get("usage"))}
        kept = whole if -1 in choices else {k: v for k, v in tree.items() if k in _KEPT}
        everything = -1 in choices or len(choices) == len(tree["choices"])
        parsed = asked.structured and not everything
        kept["choices"] = [
            _refused(place, parsed=parsed) if everything or place in choices else choice
            for place, choice in enumerate(tree["choices"])
        ]
        return dumps(kept)

    def rewritten(self, tree: dict[str, Any]) -> bytes:
        """The answer without log probabilities, which spell the texts as they were."""
        return dumps({**tree, "choices": [{**choice, "logprobs": None} for choice in tree["choices"]]})

    def error(self, status: int, code: str, message: str, param: str | None = None) -> bytes:
        """OpenAI's error; Azure's fields too where the content was filtered."""
        return openai_error(status, code, message, param)

    def refusal(self, model: str, asked: Asked) -> bytes:  # noqa: ARG002 - one form for all
        """A completion whose only choice refuses."""
        usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        return dumps({**_head(model, "chat.completion"), "choices": [_refused(0)], "usage": usage})

    def event(self, tree: dict[str, Any], asked: Asked) -> StreamEvent:
        """Every string in every delta."""
        choices = tree.get("choices")
        if choices is not None and not isinstance(choices, list):
            raise Malformed("a stream event has no list of `choices`")
        deltas: list[Delta] = []
        finished: list[int] = []
        for place, choice in enumerate(choices or ()):
            index = choice_index(choice, place)
            deltas += _deltas(index, choice, asked)
            if choice.get("finish_reason") is not None:
                finished.append(index)
        if tree.keys() <= _KEPT and not tree.get("usage") and quiet_head(tree):
            if tree.get("model") != asked.tree.get("model"):
                deltas.append(Delta(-1, "model", tree["model"]))
        else:
            deltas += [Delta(-1, m.origin, m.content) for m in beside(tree, EVENT_META, asked, "choices")]
        return StreamEvent(deltas, finished)

    def answers_asked(self, asked: Asked) -> int:
        """`n`."""
        return number_asked(asked)

    def without(self, tree: dict[str, Any], choices: Collection[int]) -> dict[str, Any] | None:
        """Without these choices."""
        return without_choices(tree, choices, _KEPT)

    def choice_refusal(self, state: StreamState, choice: int, *, parsed: bool | None = None) -> bytes:
        """The refusal as a chunk, and the finish reason."""
        head = _head(state.model, "chat.completion.chunk")
        head.update({key: state.first[key] for key in ("id", "created", "model") if state.first and key in state.first})
        said: dict[str, Any] = {"content": REFUSAL if state.first is None else f"\n\n{REFUSAL}"}
        reason = "content_filter"
        if state.asked.structured if parsed is None else parsed:
            said, reason = {"refusal": REFUSAL}, "stop"
        deltas: list[tuple[dict[str, Any], str | None]] = [({"role": "assistant", **said}, None), ({}, reason)]
        return b"".join(
            b"data: "
            + dumps({**head, "choices": [{"index": choice, "delta": delta, "logprobs": None, "finish_reason": ends}]})
            + b"\n\n"
            for delta, ends in deltas
        )

    def stream_refusal(self, state: StreamState) -> bytes:
        """The refusal for each open choice, and [DONE]."""
        ends = [self.choice_refusal(state, index, parsed=False) for index in sorted(state.open_choices) or [0]]
        return b"".join([*ends, b"data: [DONE]\n\n"])

    def stream_error(self, status: int, code: str, message: str) -> bytes:
        """An event with an error body: the SDKs raise it."""
        return b"data: " + openai_error(status, code, message) + b"\n\n"


def _message(reader: Reader, item: dict[str, Any], place: str) -> None:
    given = item.get("role")
    role = _ROLES.get(given if isinstance(given, str) else "", Role.USER)
    content = item.get("content")
    if item.keys() == _PLAIN and type(content) is str and given in _PLAIN_ROLES:
        reader.messages.append(Message(role, content, f"{place}.content"))
        return
    with reader.collected(role, place):
        reader.read(TOOL_MESSAGE if role is Role.TOOL else MESSAGE, item, role, place)


def _deltas(index: int, choice: dict[str, Any], asked: Asked) -> list[Delta]:
    delta = choice.get("delta")
    content = delta.get("content") if isinstance(delta, dict) else None
    if isinstance(delta, dict) and isinstance(content, str) and delta.keys() <= _PLAIN and choice.keys() <= _SIMPLE:
        role = delta.get("role", "assistant")
        if role == "assistant" and choice.get("finish_reason") in _ENDS and not choice.get("logprobs"):
            return [Delta(index, f"{index}.content", content)] if content else []
    reader = asked.reader()
    found: list[Delta] = []
    if isinstance(delta, dict):
        found += _calls(index, delta)
        rest = {k: v for k, v in delta.items() if k not in ("tool_calls", "function_call")}
        with reader.collected(Role.ASSISTANT, "short"):
            reader.read(_DELTA, rest, Role.ASSISTANT, "")
    elif delta is not None:
        reader.messages += leaves(Role.ASSISTANT, delta, "delta")
    text = "".join(message.content for message in reader.messages)
    reader.aside += logprob_texts(choice.get("logprobs"), text, "logprobs")
    if isinstance(choice.get("message"), dict):
        with reader.collected(Role.ASSISTANT, "message"):
            reader.read(ANSWER, choice["message"], Role.ASSISTANT, "message")
    elif choice.get("message") is not None:
        reader.messages += leaves(Role.ASSISTANT, choice["message"], "message")
    reader.read(TEXT, choice.get("text"), Role.ASSISTANT, "text")
    rest = {k: v for k, v in choice.items() if k not in _READ}
    reader.read(_CHOICE, rest, Role.ASSISTANT, "choice")
    return [*found, *as_deltas(index, reader, f"{index}.")]


_SIMPLE = frozenset("index delta logprobs finish_reason".split())
_READ = frozenset("delta logprobs message text".split())
_ENDS = (None, "stop", "length")


def _calls(index: int, delta: dict[str, Any]) -> list[Delta]:
    found: list[Delta] = []
    calls = delta.get("tool_calls")
    calls = calls if isinstance(calls, list) else [] if calls is None else [calls]
    for place, call in enumerate(calls):
        found += _call(index, place, call)
    found += [Delta(-1, f"{index}.tool_calls", said) for said in spelled(calls)]
    if delta.get("function_call") is not None:
        found += _call(index, 0, {"function": delta["function_call"]})
    return found


def _call(index: int, place: int, call: Any) -> list[Delta]:
    """The pieces of a tool call: its arguments, which are read as a whole, and its other strings."""
    reader = Reader(lenient=True)
    number = call.get("index") if isinstance(call, dict) else None
    number = place if number is None else number
    with reader.collected(Role.ASSISTANT, "name"):
        reader.read(CALL, call, Role.ASSISTANT, "")
    channel = f"{index}.tool_calls.{number}."
    found = [  # names stand apart: between the arguments of calls they would hide what those say together
        Delta(index, channel + m.origin, m.content, whole=m.origin != "name")
        for m in reader.messages
        if "(decoded)" not in m.origin
    ]
    return found + [Delta(-1, channel + m.origin, m.content) for m in reader.aside]


def _head(model: str, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-sisf{uuid.uuid4().hex}", "object": kind, "created": int(time.time()), "model": model}


def _refused(index: int, *, parsed: bool = False) -> dict[str, Any]:
    """A choice that refuses. `parsed`: beside others that the client parses, as models refuse to fill in a form; the
    SDKs throw all choices away where one says `content_filter`."""
    said = {"content": None, "refusal": REFUSAL} if parsed else {"content": REFUSAL, "refusal": None}
    reason = "stop" if parsed else "content_filter"
    return {"index": index, "message": {"role": "assistant", **said}, "logprobs": None, "finish_reason": reason}
