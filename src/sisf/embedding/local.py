"""An embedder that runs an ONNX graph on this machine's processor."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sisf.embedding.base import TextWindow, TokenVectors, Vectors
from sisf.embedding.runtime import BETWEEN, INPUT, OUTPUT, STATES
from sisf.embedding.tokens import ModelTokenizer


@dataclass(frozen=True, slots=True)
class BegunText:
    """See `sisf.embedding.base.Begun`."""

    states: Vectors
    spans: Sequence[tuple[int, int]]
    rest: Any
    """The session of the layers that follow."""

    def finish(self) -> TokenVectors:
        """See `sisf.embedding.base.Begun.finish`."""
        states, vector = self.rest.run([STATES, OUTPUT], {BETWEEN: self.states[None]})
        return TokenVectors(states[0, 1 : len(self.spans) + 1], self.spans, vector[0])


@dataclass(frozen=True, slots=True)
class Sessions:
    """A model's graph, whole or in two that follow each other."""

    first: Any
    rest: Any | None = None

    def run(self, outputs: Sequence[str], ids: Any) -> Any:
        """The outputs of the last layers."""
        if self.rest is None:
            return self.first.run(outputs, {INPUT: ids})
        return self.rest.run(outputs, {BETWEEN: self.first.run([BETWEEN], {INPUT: ids})[0]})


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
        sessions: Callable[[], Sessions],
    ) -> None:
        self.id = embedder_id
        self.dimensions = dimensions
        self.max_tokens = max_tokens
        self._tokenizer_path = tokenizer
        self._open_sessions = sessions
        self._lock = threading.Lock()
        self._parts: tuple[ModelTokenizer, Sessions] | None = None

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.embed`."""
        tokenizer, sessions = self._load()
        vectors = np.empty((len(texts), self.dimensions), dtype=np.float32)
        for row, text in enumerate(texts):
            vectors[row] = sessions.run([OUTPUT], tokenizer.ids(text))[0][0]
        return vectors

    def embed_tokens(self, text: str) -> TokenVectors | None:
        """See `TokenEmbedder.embed_tokens`."""
        tokenizer, sessions = self._load()
        ids, spans = tokenizer.located(text)
        states, vector = sessions.run([STATES, OUTPUT], ids)
        return TokenVectors(states[0, 1 : len(spans) + 1], spans, vector[0])

    def begin(self, text: str) -> BegunText | None:
        """See `SteppedEmbedder.begin`."""
        tokenizer, sessions = self._load()
        if sessions.rest is None:
            return None
        ids, spans = tokenizer.located(text)
        return BegunText(sessions.first.run([BETWEEN], {INPUT: ids})[0][0], spans, sessions.rest)

    def count_tokens(self, text: str) -> int:
        """See `Embedder.count_tokens`."""
        return self._load()[0].count(text)

    def windows(self, text: str, size: int | None = None, overlap: int = 0) -> list[TextWindow]:
        """See `Embedder.windows`."""
        return self._load()[0].windows(text, size, overlap)

    def _load(self) -> tuple[ModelTokenizer, Sessions]:
        if self._parts is None:
            with self._lock:
                if self._parts is None:
                    tokenizer = ModelTokenizer(self._tokenizer_path, self.max_tokens)
                    self._parts = tokenizer, self._open_sessions()
        return self._parts
