"""An exact cache in front of an embedder: unchanged texts of a long conversation cost nothing."""

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sisf.embedding.base import Embedder, Vectors
from sisf.embedding.wrapping import Wrapper
from sisf.latest import Latest


@dataclass(frozen=True, slots=True)
class CacheStatistics:
    """How a cache did since it was made."""

    hits: int
    misses: int
    entries: int


class CachedEmbedder(Wrapper):
    """Remembers the vectors of the most recently used texts, by a hash of the text. Thread-safe and bounded.

    Texts themselves are not kept. 10,000 entries of 384 dimensions take about 17 MB. Two threads that miss the same
    text at once both compute it; the vectors are equal.
    """

    def __init__(self, inner: Embedder, capacity: int = 10_000) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, not {capacity}")
        super().__init__(inner)
        self._vectors: Latest[bytes, NDArray[np.float32]] = Latest(capacity)
        self._lock = threading.Lock()
        self._hits = 0
        self._misses = 0

    @property
    def statistics(self) -> CacheStatistics:
        """Hits and misses count texts, not calls."""
        with self._lock:
            return CacheStatistics(self._hits, self._misses, len(self._vectors))

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.embed`. A text given twice is computed once."""
        keys = [_key(text) for text in texts]
        known = self._look_up(keys)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if missing:
            computed = self.inner.embed(list(missing.values()))
            fresh = {key: vector.copy() for key, vector in zip(missing, computed, strict=True)}
            self._remember(fresh)
            known.update(fresh)
        result = np.empty((len(keys), self.dimensions), dtype=np.float32)
        for row, key in enumerate(keys):
            result[row] = known[key]
        return result

    def _look_up(self, keys: Sequence[bytes]) -> dict[bytes, NDArray[np.float32]]:
        found: dict[bytes, NDArray[np.float32]] = {}
        with self._lock:
            for key in keys:
                vector = self._vectors.recall(key)
                if vector is None:
                    self._misses += 1
                else:
                    self._hits += 1
                    found[key] = vector
        return found

    def _remember(self, fresh: dict[bytes, NDArray[np.float32]]) -> None:
        with self._lock:
            for key, vector in fresh.items():
                self._vectors[key] = vector


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()
