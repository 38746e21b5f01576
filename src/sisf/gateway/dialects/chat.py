"""OpenAI chat completions."""

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

_ROLES = {
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
    "assistant": Role.ASSISTANT,
    "tool": Role.TOOL,
    "function": Role.TOOL,
}
_PLAIN = frozenset(("role", "content"))
_PLAIN_ROLES = ("user", "assistant", "system")  # a tool's result may be JSON that hides what it says
_ANSWER_META = frozenset("id object created model usage system_fingerprint service_tier choices".split())
_CHOICE_META = frozenset("index finish_reason logprobs".split())


class Chat:
    """`POST /v1/chat/completions`."""

    name = "chat"
    path = "/chat/completions"

    def request(self, tree: dict[str, Any], limits: Limits, *, opaque: bool) -> Inspected:
        """All texts of a request: whatever is not a message stands in front, as the system's."""
        given = tree.get("messages")
        if not isinstance(given, list) or not given:
            raise HttpFailure(400, "invalid_request", "`messages` must be a non-empty array.", "messages")
        if len(given) > limits.messages:
            raise LimitExceeded(f"More than {limits.messages} messages.", code="too_many_messages", param="messages")
        skipped: list[str] | None = [] if opaque else None
        messages = around(tree, "messages")
        for index, item in enumerate(given):
            if not isinstance(item, dict):
                raise HttpFailure(400, "invalid_request", f"messages[{index}] must be an object.", f"messages[{index}]")
            messages += _message(item, f"messages[{index}]", skipped)
        return Inspected(tuple(messages), model_of(tree), streams(tree), tree, tuple(skipped or ()))

    def answers(self, tree: dict[str, Any]) -> list[Choice]:
        """One answer a choice; texts outside of the choices belong to all of them, under index -1."""
        choices = tree.get("choices")
        if not isinstance(choices, list):
            raise Malformed("it has no `choices`")
        answers = []
        for place, choice in enumerate(choices):
            if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
                raise Malformed(f"choices[{place}] has no `message`")
            origin = f"choices[{place}]"
            found = _message(choice["message"], f"{origin}.message", None, Role.ASSISTANT)
            rest = {k: v for k, v in choice.items() if k not in _CHOICE_META and k != "message"}
            if not rest:
                answers.append(Choice(place, tuple(found)))
                continue
            answers.append(Choice(place, (*found, *joined(Role.ASSISTANT, rest, origin))))
        if tree.keys() <= _ANSWER_META:
            return answers
        outside = joined(Role.ASSISTANT, {k: v for k, v in tree.items() if k not in _ANSWER_META}, "answer")
        return [*answers, Choice(-1, tuple(outside))] if outside else answers

    def withhold(self, tree: dict[str, Any], choices: Collection[int]) -> bytes:
        """Refuse those choices; everything outside of the choices that could carry text goes."""
        kept = {k: v for k, v in tree.items() if k in _ANSWER_META}
        everything = -1 in choices
        kept["choices"] = [
            _refused(place) if everything or place in choices else choice
            for place, choice in enumerate(kept["choices"])
        ]
        return dumps(kept)

    def error(self, status: int, code: str, message: str, param: str | None = None) -> bytes:
        """OpenAI's error; Azure's fields too where the content was filtered."""
        return openai_error(status, code, message, param)

    def refusal(self, model: str) -> bytes:
        """A completion whose only choice refuses."""
        usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        return dumps({**_head(model, "chat.completion"), "choices": [_refused(0)], "usage": usage})

    def event(self, tree: dict[str, Any]) -> StreamEvent:
        """Every string in every delta."""
        choices = tree.get("choices")
        if "error" in tree and not choices:
            return StreamEvent([Delta(-1, "error", text) for text in strings(tree["error"])])
        if not isinstance(choices, list):
            raise Malformed("a stream event has no `choices`")
        deltas: list[Delta] = []
        finished: list[int] = []
        for choice in choices:
            index = choice.get("index", 0) if isinstance(choice, dict) else None
            if type(index) is not int:
                raise Malformed("a stream event has a choice without an index")
            delta = choice.get("delta")
            if isinstance(delta, dict):
                deltas += _deltas(index, delta)
            for key in choice.keys() - _CHOICE_META - {"delta"}:
                deltas += [Delta(index, key, text) for text in strings(choice[key])]
            if choice.get("finish_reason") is not None:
                finished.append(index)
        for key in tree.keys() - _ANSWER_META:
            deltas += [Delta(-1, key, text) for text in strings(tree[key])]
        return StreamEvent(deltas, finished)

    def stream_refusal(self, state: StreamState) -> bytes:
        """The refusal as one chunk for each open choice, the finish reason, and [DONE]."""
        head = _head(state.model, "chat.completion.chunk")
        if state.first is not None:
            head.update({key: state.first[key] for key in ("id", "created", "model") if key in state.first})
        sent = bytearray()
        for index in sorted(state.open_choices) or [0]:
            text = REFUSAL if state.first is None else f"\n\n{REFUSAL}"
            for delta, reason in (({"role": "assistant", "content": text}, None), ({}, "content_filter")):
                choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": reason}
                sent += b"data: " + dumps({**head, "choices": [choice]}) + b"\n\n"
        return bytes(sent + b"data: [DONE]\n\n")

    def stream_error(self, status: int, code: str, message: str) -> bytes:
        """An event with an error body: the SDKs raise it."""
        return b"data: " + openai_error(status, code, message) + b"\n\n"


def _message(item: dict[str, Any], origin: str, opaque: list[str] | None, fixed: Role | None = None) -> list[Message]:
    given = item.get("role")
    role = fixed or _ROLES.get(given if isinstance(given, str) else "", Role.USER)
    content = item.get("content")
    if item.keys() == _PLAIN and type(content) is str and given in _PLAIN_ROLES:
        return [Message(role, content, f"{origin}.content")]
    return _parts(role, item, origin, opaque)


def _parts(role: Role, item: dict[str, Any], origin: str, opaque: list[str] | None) -> list[Message]:
    """Every string of a message, wherever it stands."""
    messages: list[Message] = []
    rest: list[str] = []
    for key, value in item.items():
        place = f"{origin}.{key}"
        if key == "content":
            try:
                messages += parts(role, value, place, opaque)
            except Uninspectable as error:
                raise HttpFailure(400, "uninspectable_content", f"{error}.", place) from None
        elif key == "tool_calls" and isinstance(value, list):
            for index, call in enumerate(value):
                messages += _call(role, call, f"{place}[{index}]")
        elif key == "function_call" and isinstance(value, dict):
            messages += _call(role, {"function": value}, place)
        else:
            if key == "audio" and value is not None and opaque is None:
                raise HttpFailure(400, "uninspectable_content", f"{place} holds no text to inspect.", place)
            for text in strings(value if key in _MESSAGE_KEYS else {key: value}):
                if len(text) > 64 or " " in text:
                    messages.append(Message(role, text, place))
                else:
                    rest.append(text)
    return [*messages, Message(role, "\n".join(rest), origin)] if rest else messages


_MESSAGE_KEYS = frozenset("role content name tool_calls tool_call_id function_call refusal audio reasoning".split()) | {
    "reasoning_content",
    "annotations",
}


def _call(role: Role, call: Any, origin: str) -> list[Message]:
    """A tool call: its arguments as they are and decoded, and its other strings together."""
    function = call.get("function") if isinstance(call, dict) else None
    arguments = function.get("arguments") if isinstance(function, dict) else None
    if not isinstance(function, dict) or not isinstance(arguments, str):
        return joined(role, call, origin)
    rest = {**call, "function": {k: v for k, v in function.items() if k != "arguments"}}
    where = f"{origin}.function.arguments" if "id" in call or "type" in call else f"{origin}.arguments"
    return [*joined(role, rest, origin), *with_embedded(role, arguments, where)]


def _deltas(index: int, delta: dict[str, Any]) -> list[Delta]:
    content = delta.get("content")
    if isinstance(content, str) and len(delta) == 1:
        return [Delta(index, "content", content)] if content else []
    found: list[Delta] = []
    for key, value in delta.items():
        if key == "tool_calls" and isinstance(value, list):
            for place, call in enumerate(value):
                found += _call_deltas(index, place, call)
        elif key == "function_call" and isinstance(value, dict):
            found += _call_deltas(index, 0, {"function": value})
        elif isinstance(value, str):
            if value and key != "role":
                found.append(Delta(index, key, value))
        else:
            found += [Delta(index, key, text) for text in strings(value)]
    return found


def _call_deltas(index: int, place: int, call: Any) -> list[Delta]:
    if not isinstance(call, dict):
        raise Malformed("a stream event has a tool call that is no object")
    number = call.get("index", place)
    function = call.get("function")
    found: list[Delta] = []
    if isinstance(function, dict):
        arguments = function.get("arguments")
        if isinstance(arguments, str) and arguments:
            found.append(Delta(index, f"tool_calls.{number}.arguments", arguments, whole=True))
        function = {key: value for key, value in function.items() if key != "arguments" or not isinstance(value, str)}
    rest = {**call, "function": function}
    found += [Delta(index, f"tool_calls.{number}.name", text, whole=True) for text in strings(rest)]
    return found


def _head(model: str, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-sisf{uuid.uuid4().hex}", "object": kind, "created": int(time.time()), "model": model}


def _refused(index: int) -> dict[str, Any]:
    message = {"role": "assistant", "content": REFUSAL, "refusal": None}
    return {"index": index, "message": message, "logprobs": None, "finish_reason": "content_filter"}
