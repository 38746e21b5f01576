"""An OpenAI-compatible embeddings endpoint."""

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from sisf.embedding.base import TextWindow, Vectors, unit
from sisf.embedding.windows import check_window, cut_characters
from sisf.errors import ModelError
from sisf.settings.secrets import shown

_TEXTS_PER_REQUEST = 64
_BYTES_SEEN = 512
"""No tokeniser in use makes more tokens than bytes, and no embedding model in use sees fewer tokens than this."""


class EndpointEmbedder:
    """Asks `POST {url}/embeddings`. Whether vectors depend on their batch is the server's affair.

    The first use of `dimensions` or `embed` connects; constructing does not. Raises `ModelError` when the endpoint is
    unreachable, refuses, or answers with vectors that are not numbers of one length.
    """

    def __init__(self, model: str, url: str, *, api_key: str = "", timeout: float = 30.0, retries: int = 2) -> None:
        self._model = model
        self._url = url
        self._api_key = api_key
        self._timeout = timeout
        self._retries = retries
        self._lock = threading.Lock()
        self._client: Any = None
        self._dimensions = 0

    @property
    def id(self) -> str:
        """See `Embedder.id`: model and server; a server that changes the model behind a name cannot be noticed."""
        return f"openai-{self._model}@{shown(self._url)}"

    @property
    def dimensions(self) -> int:
        """See `Embedder.dimensions`; asks the server once."""
        if not self._dimensions:
            self._dimensions = self._request(["dimensions"]).shape[1]
        return self._dimensions

    @property
    def max_tokens(self) -> int:
        """See `Embedder.max_tokens`: small enough for every model, since the server's limit is not known."""
        return _BYTES_SEEN

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.embed`."""
        vectors = np.empty((len(texts), self.dimensions), dtype=np.float32)
        for start in range(0, len(texts), _TEXTS_PER_REQUEST):
            batch = texts[start : start + _TEXTS_PER_REQUEST]
            answer = self._request(batch)
            if answer.shape != (len(batch), self.dimensions):
                raise self._failure(f"answered {answer.shape} instead of {(len(batch), self.dimensions)}")
            vectors[start : start + len(batch)] = answer
        return vectors

    def count_tokens(self, text: str) -> int:
        """See `Embedder.count_tokens`: the UTF-8 bytes of the text, an upper bound."""
        return len(text.encode(errors="replace"))

    def windows(self, text: str, size: int | None = None, overlap: int = 0) -> list[TextWindow]:
        """See `Embedder.windows`. A character outside ASCII counts as four bytes."""
        size = _BYTES_SEEN if size is None else size
        check_window(size, overlap, _BYTES_SEEN)
        width = 1 if text.isascii() else 4
        return cut_characters(text, max(size // width, 1), overlap // width)

    def _request(self, texts: Sequence[str]) -> Vectors:
        import openai

        # Servers refuse the empty text and text that is not UTF-8.
        sent = [text.encode(errors="replace").decode() or " " for text in texts]
        try:
            answer = self._connection().embeddings.create(model=self._model, input=sent, encoding_format="float")
            rows = [item.embedding for item in sorted(answer.data, key=lambda item: item.index)]
            vectors = np.array(rows, dtype=np.float32)
        except openai.OpenAIError as error:
            raise self._failure(str(error).splitlines()[0]) from None
        except (AttributeError, TypeError, ValueError) as error:
            raise self._failure(f"answered out of form: {error}") from None
        if vectors.ndim != 2 or not np.isfinite(vectors).all():
            raise self._failure("answered out of form: no vectors of one length")
        return unit(vectors)

    def _connection(self) -> Any:
        import openai

        with self._lock:
            if self._client is None:
                self._client = openai.OpenAI(
                    base_url=self._url,
                    api_key=self._api_key or "none",
                    timeout=self._timeout,
                    max_retries=self._retries,
                )
            return self._client

    def _failure(self, reason: str) -> ModelError:
        return ModelError(f"embeddings endpoint {shown(self._url)}, model {self._model}: {reason}")
