"""OpenAI's older completions: a prompt and its continuation. Base models speak it."""

import time
import uuid
from collections.abc import Collection
from typing import Any

from sisf.exchange import Role
from sisf.gateway.dialects.answers import (
    Asked,
    as_deltas,
    beside,
    choice_index,
    choice_of,
    figures,
    number_asked,
    without_choices,
)
from sisf.gateway.dialects.base import REFUSAL, StreamState
from sisf.gateway.dialects.errors import openai_error
from sisf.gateway.dialects.openai_shapes import ANSWER_META, CHOICE_META, COMPLETION, EVENT_META, TEXT
from sisf.gateway.dialects.requests import model_of, read_prompts, read_request
from sisf.gateway.logprobs import logprob_texts
from sisf.gateway.shapes import Aside, Reader, Record
from sisf.gateway.texts import dumps
from sisf.gateway.wire import Malformed
from sisf.pipeline.stream_texts import Delta, StreamEvent
from sisf.pipeline.turn import Choice, Inspected
from sisf.settings import Limits, Unseen

_KEPT = frozenset("id object created model usage system_fingerprint service_tier choices".split())
_CHOICE = Aside(Record(CHOICE_META))


class Completions:
    """`POST /v1/completions`."""

    name = "completions"
    path = "/completions"

    def request(
        self,
        tree: dict[str, Any],
        limits: Limits,
        *,
        opaque: Collection[Unseen] = (),
        looks: bool = False,  # noqa: ARG002 - no images
    ) -> Inspected:
        """What stands around the prompt, the prompt, and the end that the client gives to its continuation."""

        def said(reader: Reader) -> None:
            read_prompts(reader, tree.get("prompt"), "prompt", limits)
            reader.read(TEXT, tree.get("suffix"), Role.USER, "suffix")

        return read_request(tree, COMPLETION, said, "prompt", "suffix", opaque=opaque)

    def answers(self, tree: dict[str, Any], asked: Asked) -> list[Choice]:
        """One answer a choice."""
        choices = tree.get("choices")
        if not isinstance(choices, list):
            raise Malformed("it has no `choices`")
        answers: list[Choice] = []
        for place, choice in enumerate(choices):
            if not isinstance(choice, dict) or not isinstance(choice.get("text"), str):
                raise Malformed(f"choices[{place}] has no `text`")
            answers += choice_of(place, _read(choice, f"choices[{place}].", asked))
        outside = beside(tree, ANSWER_META, asked, "choices")
        return [*answers, Choice(-1, tuple(outside), spoken=False)] if outside else answers

    def withhold(self, tree: dict[str, Any], choices: Collection[int], asked: Asked) -> bytes:
        """Refuse those choices."""
        whole = _head(model_of(asked.tree)) | {"usage": figures(tree.get("usage"))}
        kept = whole if -1 in choices else {k: v for k, v in tree.items() if k in _KEPT}
        kept["choices"] = [
            _refused(place) if -1 in choices or place in choices else choice
            for place, choice in enumerate(tree["choices"])
        ]
        return dumps(kept)

    def rewritten(self, tree: dict[str, Any]) -> bytes:
        """The answer without log probabilities, which spell the texts as they were."""
        return dumps({**tree, "choices": [{**choice, "logprobs": None} for choice in tree["choices"]]})

    def error(self, status: int, code: str, message: str, param: str | None = None) -> bytes:
        """OpenAI's error."""
        return openai_error(status, code, message, param)

    def refusal(self, model: str, asked: Asked) -> bytes:  # noqa: ARG002 - unparsed
        """A completion that refuses."""
        return dumps({**_head(model), "choices": [_refused(0)]})

    def event(self, tree: dict[str, Any], asked: Asked) -> StreamEvent:
        """The text of each choice."""
        choices = tree.get("choices")
        if choices is not None and not isinstance(choices, list):
            raise Malformed("a stream event has no list of `choices`")
        deltas: list[Delta] = []
        finished: list[int] = []
        for place, choice in enumerate(choices or ()):
            index = choice_index(choice, place)
            deltas += as_deltas(index, _read(choice, "", asked), f"{index}.")
            if choice.get("finish_reason") is not None:
                finished.append(index)
        deltas += [Delta(-1, m.origin, m.content) for m in beside(tree, EVENT_META, asked, "choices")]
        return StreamEvent(deltas, finished)

    def answers_asked(self, asked: Asked) -> int:
        """`n`, for each prompt."""
        prompt = asked.tree.get("prompt")
        several = len(prompt) if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int) else 1
        return number_asked(asked) * several

    def without(self, tree: dict[str, Any], choices: Collection[int]) -> dict[str, Any] | None:
        """Without these choices."""
        return without_choices(tree, choices, _KEPT)

    def choice_refusal(self, state: StreamState, choice: int) -> bytes:
        """The refusal as the last piece."""
        head = _head(state.model)
        head.update({key: state.first[key] for key in ("id", "created", "model") if state.first and key in state.first})
        return b"data: " + dumps({**head, "choices": [_refused(choice)]}) + b"\n\n"

    def stream_refusal(self, state: StreamState) -> bytes:
        """The refusal for each open choice, and [DONE]."""
        ends = [self.choice_refusal(state, index) for index in sorted(state.open_choices) or [0]]
        return b"".join([*ends, b"data: [DONE]\n\n"])

    def stream_error(self, status: int, code: str, message: str) -> bytes:
        """An event with an error body."""
        return b"data: " + openai_error(status, code, message) + b"\n\n"


def _read(choice: dict[str, Any], place: str, asked: Asked) -> Reader:
    reader = asked.reader()
    reader.read(TEXT, choice.get("text"), Role.ASSISTANT, f"{place}text")
    text = choice["text"] if isinstance(choice.get("text"), str) else ""
    rest = {k: v for k, v in choice.items() if k not in ("text", "logprobs")}
    reader.read(_CHOICE, rest, Role.ASSISTANT, f"{place}choice")
    reader.aside += logprob_texts(choice.get("logprobs"), text, f"{place}logprobs")
    return reader


def _head(model: str) -> dict[str, Any]:
    return {
        "id": f"cmpl-sisf{uuid.uuid4().hex}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": model,
    }


def _refused(index: int) -> dict[str, Any]:
    return {"index": index, "text": f"\n\n{REFUSAL}", "logprobs": None, "finish_reason": "content_filter"}
