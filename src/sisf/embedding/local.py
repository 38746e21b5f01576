"""An embedder that runs an ONNX graph on this machine's processor."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sisf.embedding.base import TextWindow, TokenVectors, Vectors
from sisf.embedding.runtime import INPUT, OUTPUT, STATES
from sisf.embedding.tokens import ModelTokenizer


class LocalEmbedder:
    """One of our own sentence-encoder graphs: ids in, unit vector out.

    The session is opened when first needed, once. Texts run one by one: batching would change int8 vectors and gains
    nothing on one thread (docs/adr/0110). Several threads may embed at once, each on its own core.
    """

    def __init__(
        self,
        *,
        embedder_id: str,
        dimensions: int,
        tokenizer: Path,
        max_tokens: int,
        session: Callable[[], Any],
    ) -> None:
        self.id = embedder_id
        self.dimensions = dimensions
        self.max_tokens = max_tokens
        self._tokenizer_path = tokenizer
        self._open_session = session
        self._lock = threading.Lock()
        self._parts: tuple[ModelTokenizer, Any] | None = None

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.embed`."""
        tokenizer, session = self._load()
        vectors = np.empty((len(texts), self.dimensions), dtype=np.float32)
        for row, text in enumerate(texts):
            vectors[row] = session.run([OUTPUT], {INPUT: tokenizer.ids(text)})[0][0]
        return vectors

    def embed_tokens(self, text: str) -> TokenVectors | None:
        """See `TokenEmbedder.embed_tokens`."""
        tokenizer, session = self._load()
        ids, spans = tokenizer.located(text)
        states, vector = session.run([STATES, OUTPUT], {INPUT: ids})
        return TokenVectors(states[0, 1 : len(spans) + 1], spans, vector[0])

    def tokens(self, text: str) -> tuple[NDArray[np.int64], list[tuple[int, int]]]:
        """See `TokenNumbers.tokens`."""
        ids, spans = self._load()[0].located(text)
        return ids[0, 1 : len(spans) + 1], spans

    def count_tokens(self, text: str) -> int:
        """See `Embedder.count_tokens`."""
        return self._load()[0].count(text)

    def windows(self, text: str, size: int | None = None, overlap: int = 0) -> list[TextWindow]:
        """See `Embedder.windows`."""
        return self._load()[0].windows(text, size, overlap)

    def _load(self) -> tuple[ModelTokenizer, Any]:
        if self._parts is None:
            with self._lock:
                if self._parts is None:
                    tokenizer = ModelTokenizer(self._tokenizer_path, self.max_tokens)
                    self._parts = tokenizer, self._open_session()
        return self._parts
