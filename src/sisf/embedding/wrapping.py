"""What every embedder that stands before another one and remembers its vectors has in common."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sisf.embedding.base import Embedder, TextWindow, TokenVectors


class Wrapper:
    """All but `embed` is the inner embedder's: a remembered vector is the same vector."""

    def __init__(self, inner: Embedder) -> None:
        self.inner = inner

    @property
    def id(self) -> str:
        """That of the embedder behind."""
        return self.inner.id

    @property
    def dimensions(self) -> int:
        """See `Embedder.dimensions`."""
        return self.inner.dimensions

    @property
    def max_tokens(self) -> int:
        """See `Embedder.max_tokens`."""
        return self.inner.max_tokens

    def embed_tokens(self, text: str) -> TokenVectors | None:
        """See `TokenEmbedder.embed_tokens`. Not remembered."""
        inner = getattr(self.inner, "embed_tokens", None)
        return inner(text) if inner is not None else None

    def tokens(self, text: str) -> tuple[NDArray[np.int64], Sequence[tuple[int, int]]]:
        """See `TokenNumbers.tokens`."""
        return self.inner.tokens(text)  # type: ignore[attr-defined, no-any-return]

    def count_tokens(self, text: str) -> int:
        """See `Embedder.count_tokens`."""
        return self.inner.count_tokens(text)

    def windows(self, text: str, size: int | None = None, overlap: int = 0) -> list[TextWindow]:
        """See `Embedder.windows`."""
        return self.inner.windows(text, size, overlap)
