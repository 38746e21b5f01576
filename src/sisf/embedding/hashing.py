"""A deterministic embedder without a model: for tests, and to try SISF where no model may run."""

import hashlib
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sisf.embedding.base import TextWindow, Vectors
from sisf.embedding.windows import check_window, cut_windows

_WORD = re.compile(r"\w+|[^\w\s]")


class HashEmbedder:
    """Signed feature hashing of words and of letter triples: texts that share words are near, nothing more.

    Source: Weinberger et al. 2009, arXiv 0902.2206.
    """

    def __init__(self, dimensions: int = 256, max_tokens: int = 254) -> None:
        self.id = f"hash-{dimensions}-1"
        self.dimensions = dimensions
        self.max_tokens = max_tokens

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.embed`. A text without words has the unit vector along the first axis."""
        vectors = np.empty((len(texts), self.dimensions), dtype=np.float32)
        for row, text in enumerate(texts):
            vectors[row] = self._vector(text)
        return vectors

    def count_tokens(self, text: str) -> int:
        """Words and punctuation marks."""
        return len(_WORD.findall(text.lower()))

    def windows(self, text: str, size: int | None = None, overlap: int = 0) -> list[TextWindow]:
        """See `Embedder.windows`."""
        size = self.max_tokens if size is None else size
        check_window(size, overlap, self.max_tokens)
        offsets = [match.span() for match in _WORD.finditer(text)]
        return cut_windows(text, offsets, range(len(offsets)), size, overlap)

    def _vector(self, text: str) -> NDArray[np.float32]:
        vector = np.zeros(self.dimensions, dtype=np.float32)
        for word in _WORD.findall(text.lower())[: self.max_tokens]:
            self._add(vector, word, 1.0)
            for start in range(len(word) - 2):
                self._add(vector, word[start : start + 3], 0.3)
        length = float(np.linalg.norm(vector))
        if not length:
            vector[0] = length = 1.0
        unit: NDArray[np.float32] = vector / length
        return unit

    def _add(self, vector: NDArray[np.float32], feature: str, weight: float) -> None:
        digest = hashlib.blake2b(feature.encode(errors="surrogatepass"), digest_size=8).digest()
        number = int.from_bytes(digest, "little")
        vector[(number >> 1) % self.dimensions] += weight if number & 1 else -weight
