"""Vectors kept on disk: what ships and what experiments send is embedded once on a machine, and never changes.

Not for what users send.
"""

import contextlib
import hashlib
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sisf.embedding.base import Embedder, Vectors
from sisf.embedding.wrapping import Wrapper
from sisf.files import one_process_if_possible
from sisf.settings import cache_dir

_LIMIT_ROWS = 250_000
_CHUNK = 500
_MANY, _MOST_CORES = 64, 4
_BUSY_SECONDS = 10.0


class KeptEmbedder(Wrapper):
    """An embedder whose vectors are kept in memory and in the user's cache, by the text's hash; texts are not kept.

    The file is a convenience: when it cannot be read or written, vectors are computed as without it. A process adds at
    most 250,000 vectors (about 400 MB at 384 dimensions), and when it opens the file, all but the newest so many go.
    """

    def __init__(self, inner: Embedder, folder: Path | None = None) -> None:
        super().__init__(inner)
        self._memory: dict[bytes, NDArray[np.float32]] = {}
        self._lock = threading.Lock()
        name = hashlib.sha256(inner.id.encode()).hexdigest()[:16]
        self._file = (folder or cache_dir() / "vectors") / f"{name}.db"
        self._database: sqlite3.Connection | None = None
        with contextlib.suppress(sqlite3.Error, OSError), self._alone():
            self._database = self._opened()
            weakref.finalize(self, self._database.close)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.embed`."""
        keys = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts]
        with self._lock:
            new = [key for key in dict.fromkeys(keys) if key not in self._memory]
            self._recall(new)
            missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._memory}
            if not missing or len(new) < _MANY or self._database is None:
                self._compute(missing)
            else:
                with self._alone():
                    self._recall(list(missing))  # what another process was embedding meanwhile
                    self._compute({key: text for key, text in missing.items() if key not in self._memory})
            if not keys:
                return np.zeros((0, self.dimensions), np.float32)
            return np.stack([self._memory[key] for key in keys])

    def _alone(self) -> contextlib.AbstractContextManager[None]:
        """While no other process opens the file, or computes many vectors for it."""
        return one_process_if_possible(self._file.with_suffix(".lock"))

    def _compute(self, missing: Mapping[bytes, str]) -> None:
        """What is embedded is kept part by part: a process that is stopped meanwhile does not begin anew."""
        keys, texts = list(missing), list(missing.values())
        starts = range(0, len(texts), _MANY)
        for start, vectors in zip(starts, self._embedded([texts[i : i + _MANY] for i in starts]), strict=True):
            self._keep(keys[start : start + _MANY], vectors)

    def _embedded(self, parts: Sequence[Sequence[str]]) -> Iterator[Vectors]:
        """Many texts are embedded on all cores: what ships takes a minute on one."""
        cores = min(_MOST_CORES, os.cpu_count() or 1, len(parts))
        if cores < 2:
            yield from map(self.inner.embed, parts)
            return
        pool = ThreadPoolExecutor(cores, thread_name_prefix="embed")
        try:
            yield from pool.map(self.inner.embed, parts)
        finally:
            pool.shutdown(cancel_futures=True)

    def _opened(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._file, timeout=_BUSY_SECONDS, check_same_thread=False, isolation_level=None)
        # Lost vectors are computed again: durability would only cost time.
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=OFF")
        database.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB)")
        # Rows are numbered as they come.
        database.execute("DELETE FROM vectors WHERE rowid <= (SELECT max(rowid) FROM vectors) - ?", (_LIMIT_ROWS,))
        return database

    def _recall(self, keys: Sequence[bytes]) -> None:
        if self._database is None:
            return
        with contextlib.suppress(sqlite3.Error):
            for start in range(0, len(keys), _CHUNK):
                part = keys[start : start + _CHUNK]
                marks = ",".join("?" * len(part))
                found = self._database.execute(f"SELECT key, vector FROM vectors WHERE key IN ({marks})", part)  # noqa: S608
                for key, vector in found:
                    row = np.frombuffer(vector, "<f4")
                    if row.shape == (self.dimensions,):
                        self._memory[key] = row

    def _keep(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        self._memory.update(zip(keys, vectors, strict=True))
        if self._database is None or len(self._memory) > _LIMIT_ROWS:
            return
        rows = [(key, vector.astype("<f4").tobytes()) for key, vector in zip(keys, vectors, strict=True)]
        with contextlib.suppress(sqlite3.Error):
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?)", rows)
            self._database.execute("COMMIT")
