"""OpenAI's embeddings: texts in, numbers out. The texts are inspected; the numbers say nothing to read."""

from collections.abc import Collection
from typing import Any

from sisf.errors import HttpFailure
from sisf.gateway.dialects.base import StreamState
from sisf.gateway.dialects.completions import prompts
from sisf.gateway.dialects.errors import BLOCKED, openai_error
from sisf.gateway.dialects.requests import around, model_of
from sisf.gateway.texts import strings
from sisf.gateway.wire import Malformed
from sisf.pipeline.streaming import StreamEvent
from sisf.pipeline.turn import Choice, Inspected
from sisf.settings import Limits


class Embeddings:
    """`POST /v1/embeddings`."""

    name = "embeddings"
    path = "/embeddings"

    def request(self, tree: dict[str, Any], limits: Limits, *, opaque: bool) -> Inspected:  # noqa: ARG002 - no parts here
        """The texts to embed."""
        if tree.get("stream"):
            raise HttpFailure(400, "invalid_request", "Embeddings are not streamed.", "stream")
        messages = [*around(tree, "input"), *prompts(tree.get("input"), "input", limits)]
        return Inspected(tuple(messages), model_of(tree), stream=False, tree=tree, answered=False)

    def answers(self, tree: dict[str, Any]) -> list[Choice]:
        """None; but an answer that is no list of embeddings does not pass."""
        data = tree.get("data")
        if not isinstance(data, list) or not all(isinstance(item, dict) and "embedding" in item for item in data):
            raise Malformed("it is no list of embeddings")
        if any(" " in text for item in data for text in strings(item)):
            raise Malformed("it holds text beside the embeddings")
        return []

    def withhold(self, tree: dict[str, Any], choices: Collection[int]) -> bytes:  # noqa: ARG002 - never asked for
        """There is nothing to withhold."""
        return b"{}"

    def error(self, status: int, code: str, message: str, param: str | None = None) -> bytes:
        """OpenAI's error."""
        return openai_error(status, code, message, param)

    def refusal(self, model: str) -> bytes:  # noqa: ARG002 - there is no embedding that refuses
        """An error body: numbers cannot refuse."""
        return openai_error(400, "content_filter", BLOCKED, "input")

    def event(self, tree: dict[str, Any]) -> StreamEvent:  # noqa: ARG002 - never streamed
        """Embeddings are not streamed."""
        raise Malformed("embeddings are not streamed")

    def stream_refusal(self, state: StreamState) -> bytes:  # noqa: ARG002 - never streamed
        """Embeddings are not streamed."""
        return b"data: [DONE]\n\n"

    def stream_error(self, status: int, code: str, message: str) -> bytes:
        """Embeddings are not streamed."""
        return b"data: " + openai_error(status, code, message) + b"\n\n"
