"""OpenAI's older completions: a prompt and its continuation. Base models speak it."""

import time
import uuid
from collections.abc import Collection
from typing import Any

from sisf.errors import HttpFailure, LimitExceeded
from sisf.exchange import Message, Role
from sisf.gateway.dialects.base import REFUSAL, StreamState
from sisf.gateway.dialects.errors import openai_error
from sisf.gateway.dialects.requests import around, model_of, streams
from sisf.gateway.texts import dumps, joined, strings
from sisf.gateway.wire import Malformed
from sisf.pipeline.streaming import Delta, StreamEvent
from sisf.pipeline.turn import Choice, Inspected
from sisf.settings import Limits

_META = frozenset("id object created model usage system_fingerprint service_tier choices".split())
_CHOICE_META = frozenset("index finish_reason logprobs stop_reason".split())


def prompts(given: Any, key: str, limits: Limits) -> list[Message]:
    """A string or an array of strings. Raises `HttpFailure` for token numbers, which cannot be inspected."""
    many = [given] if isinstance(given, str) else given
    if not isinstance(many, list) or not many:
        raise HttpFailure(400, "invalid_request", f"`{key}` must be a string or a non-empty array of strings.", key)
    if len(many) > limits.messages:
        raise LimitExceeded(f"More than {limits.messages} texts.", code="too_many_messages", param=key)
    if not all(isinstance(text, str) for text in many):
        raise HttpFailure(
            400, "uninspectable_content", f"`{key}` holds token numbers; send text, which can be inspected.", key
        )
    single = isinstance(given, str)
    return [Message(Role.USER, text, key if single else f"{key}[{i}]") for i, text in enumerate(many)]


class Completions:
    """`POST /v1/completions`."""

    name = "completions"
    path = "/completions"

    def request(self, tree: dict[str, Any], limits: Limits, *, opaque: bool) -> Inspected:  # noqa: ARG002 - no parts here
        """The prompt, and whatever else is text."""
        messages = [*around(tree, "prompt"), *prompts(tree.get("prompt"), "prompt", limits)]
        return Inspected(tuple(messages), model_of(tree), streams(tree), tree)

    def answers(self, tree: dict[str, Any]) -> list[Choice]:
        """One answer a choice."""
        choices = tree.get("choices")
        if not isinstance(choices, list):
            raise Malformed("it has no `choices`")
        answers = []
        for place, choice in enumerate(choices):
            if not isinstance(choice, dict) or not isinstance(choice.get("text"), str):
                raise Malformed(f"choices[{place}] has no `text`")
            rest = {k: v for k, v in choice.items() if k not in _CHOICE_META and k != "text"}
            text = [Message(Role.ASSISTANT, choice["text"], f"choices[{place}].text")] if choice["text"] else []
            answers.append(Choice(place, (*text, *joined(Role.ASSISTANT, rest, f"choices[{place}]"))))
        outside = joined(Role.ASSISTANT, {k: v for k, v in tree.items() if k not in _META}, "answer")
        return [*answers, Choice(-1, tuple(outside))] if outside else answers

    def withhold(self, tree: dict[str, Any], choices: Collection[int]) -> bytes:
        """Refuse those choices."""
        kept = {k: v for k, v in tree.items() if k in _META}
        kept["choices"] = [
            _refused(place) if -1 in choices or place in choices else choice
            for place, choice in enumerate(kept["choices"])
        ]
        return dumps(kept)

    def error(self, status: int, code: str, message: str, param: str | None = None) -> bytes:
        """OpenAI's error."""
        return openai_error(status, code, message, param)

    def refusal(self, model: str) -> bytes:
        """A completion that refuses."""
        return dumps({**_head(model), "choices": [_refused(0)]})

    def event(self, tree: dict[str, Any]) -> StreamEvent:
        """The text of each choice."""
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
            for key in choice.keys() - _CHOICE_META:
                value = choice[key]
                found = [value] if isinstance(value, str) and value else strings(value)
                deltas += [Delta(index, key, text) for text in found]
            if choice.get("finish_reason") is not None:
                finished.append(index)
        for key in tree.keys() - _META:
            deltas += [Delta(-1, key, text) for text in strings(tree[key])]
        return StreamEvent(deltas, finished)

    def stream_refusal(self, state: StreamState) -> bytes:
        """The refusal as the last piece of each open choice, and [DONE]."""
        head = _head(state.model)
        if state.first is not None:
            head.update({key: state.first[key] for key in ("id", "created", "model") if key in state.first})
        events = [b"data: " + dumps({**head, "choices": [_refused(i)]}) for i in sorted(state.open_choices) or [0]]
        return b"\n\n".join([*events, b"data: [DONE]", b""])

    def stream_error(self, status: int, code: str, message: str) -> bytes:
        """An event with an error body."""
        return b"data: " + openai_error(status, code, message) + b"\n\n"


def _head(model: str) -> dict[str, Any]:
    return {
        "id": f"cmpl-sisf{uuid.uuid4().hex}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": model,
    }


def _refused(index: int) -> dict[str, Any]:
    return {"index": index, "text": f"\n\n{REFUSAL}", "logprobs": None, "finish_reason": "content_filter"}
