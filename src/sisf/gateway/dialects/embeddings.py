"""OpenAI's embeddings: texts in, numbers out. The texts are inspected; the numbers say nothing to read."""

import re
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from sisf.errors import HttpFailure
from sisf.exchange import Role
from sisf.gateway.dialects.answers import Asked
from sisf.gateway.dialects.base import OneAnswer, StreamState
from sisf.gateway.dialects.errors import BLOCKED, openai_error
from sisf.gateway.dialects.openai_shapes import EMBEDDING, ID, NUMBER, SHORT, USAGE
from sisf.gateway.dialects.requests import read_prompts, read_request
from sisf.gateway.shapes import Aside, Reader, Record, words
from sisf.gateway.texts import dumps, is_numbers
from sisf.gateway.wire import Malformed
from sisf.pipeline.stream_texts import StreamEvent
from sisf.pipeline.turn import Choice, Inspected
from sisf.settings import Limits, Unseen

_ANSWER = Aside(
    Record(
        {
            "id": ID,
            "object": words("list"),
            "model": Aside(SHORT),
            "usage": USAGE,
            "created": NUMBER,
            "total_duration": NUMBER,
            "load_duration": NUMBER,
        }
    )
)
_NUMBERS = re.compile(r"[A-Za-z0-9+/]*={0,2}")


class Embeddings(OneAnswer):
    """`POST /v1/embeddings`."""

    name = "embeddings"
    path = "/embeddings"

    def request(
        self,
        tree: dict[str, Any],
        limits: Limits,
        *,
        opaque: Collection[Unseen] = (),
        looks: bool = False,  # noqa: ARG002 - no images
    ) -> Inspected:
        """The texts to embed."""
        if tree.get("stream"):
            raise HttpFailure(400, "invalid_request", "Embeddings are not streamed.", "stream")

        def said(reader: Reader) -> None:
            read_prompts(reader, tree.get("input"), "input", limits)

        rest = {key: value for key, value in tree.items() if key != "stream"}
        read = read_request(rest, EMBEDDING, said, "input", opaque=opaque, answered=False)
        return replace(read, tree=tree)

    def answers(self, tree: dict[str, Any], asked: Asked) -> list[Choice]:
        """What stands around the numbers; an answer that holds more than numbers does not pass."""
        data = tree.get("data")
        if not isinstance(data, list) or not all(isinstance(item, dict) and "embedding" in item for item in data):
            raise Malformed("it is no list of embeddings")
        if not all(_is_embedding(item) for item in data):
            raise Malformed("it holds text beside the embeddings")
        reader = asked.reader()
        reader.read(_ANSWER, {key: value for key, value in tree.items() if key != "data"}, Role.ASSISTANT, "")
        return [Choice(-1, tuple(reader.aside), spoken=False)] if reader.aside else []

    def withhold(self, tree: dict[str, Any], choices: Collection[int], asked: Asked) -> bytes:  # noqa: ARG002 - numbers
        """Only the numbers."""
        return dumps({"object": "list", "data": tree["data"], "usage": {"prompt_tokens": 0, "total_tokens": 0}})

    def rewritten(self, tree: dict[str, Any]) -> bytes:
        """As it is."""
        return dumps(tree)

    def error(self, status: int, code: str, message: str, param: str | None = None) -> bytes:
        """OpenAI's error."""
        return openai_error(status, code, message, param)

    def refusal(self, model: str, asked: Asked) -> bytes:  # noqa: ARG002 - there is no embedding that refuses
        """An error body: numbers cannot refuse."""
        return openai_error(400, "content_filter", BLOCKED, "input")

    def event(self, tree: dict[str, Any], asked: Asked) -> StreamEvent:  # noqa: ARG002 - never streamed
        """Embeddings are not streamed."""
        raise Malformed("embeddings are not streamed")

    def stream_refusal(self, state: StreamState) -> bytes:  # noqa: ARG002 - never streamed
        """Embeddings are not streamed."""
        return b"data: [DONE]\n\n"

    def stream_error(self, status: int, code: str, message: str) -> bytes:
        """Embeddings are not streamed."""
        return b"data: " + openai_error(status, code, message) + b"\n\n"


def _is_embedding(item: dict[str, Any]) -> bool:
    """Whether an item holds numbers alone, or the bytes of such in base64."""
    if not item.keys() <= {"object", "index", "embedding"} or item.get("object", "embedding") != "embedding":
        return False
    given = item["embedding"]
    if isinstance(given, str):
        return _NUMBERS.fullmatch(given) is not None and is_numbers(given)
    return type(item.get("index", 0)) is int and _only_numbers(given)


def _only_numbers(given: Any) -> bool:
    """Whether `given` is numbers: a list, a list of lists, or an object of them by kind."""
    if isinstance(given, dict):
        return given.keys() <= {"float", "int8", "uint8", "binary", "ubinary"} and all(
            map(_only_numbers, given.values())
        )
    return isinstance(given, list) and all(
        type(n) in (float, int) or (isinstance(n, list) and _only_numbers(n)) for n in given
    )
