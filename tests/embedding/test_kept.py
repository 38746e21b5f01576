"""Kept vectors are the same vectors, and a cache that cannot be used changes nothing but the time."""

import contextlib
import sqlite3
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from sisf.embedding import HashEmbedder, Vectors
from sisf.embedding.kept import KeptEmbedder

pytestmark = pytest.mark.smoke

TEXTS = ["one", "two", "one", "", "three \ud800"]


class Counting(HashEmbedder):
    """Counts the texts that it really embeds."""

    def __init__(self) -> None:
        super().__init__(8)
        self.embedded = 0
        self._counting = threading.Lock()

    def embed(self, texts: Sequence[str]) -> Vectors:
        with self._counting:
            self.embedded += len(texts)
        return super().embed([t.encode("utf-8", "replace").decode() for t in texts])


def test_vectors_are_computed_once_and_outlive_the_process(tmp_path: Path) -> None:
    first, second = Counting(), Counting()
    expected = Counting().embed(TEXTS)
    kept = KeptEmbedder(first, tmp_path)
    assert np.array_equal(kept.embed(TEXTS), expected)
    assert np.array_equal(kept.embed(TEXTS[::-1]), expected[::-1])
    assert first.embedded == len(set(TEXTS))
    later = KeptEmbedder(second, tmp_path)
    assert np.array_equal(later.embed(TEXTS), expected)
    assert second.embedded == 0
    assert later.id == second.id
    assert later.embed([]).shape == (0, 8)


def test_two_that_begin_together_share_the_work(tmp_path: Path) -> None:
    texts = [f"text {number}" for number in range(200)]
    counters = [Counting(), Counting()]
    together = threading.Barrier(2)

    def embed(counter: Counting) -> Vectors:
        kept = KeptEmbedder(counter, tmp_path)
        together.wait(60)
        return np.concatenate([kept.embed(texts[start : start + 100]) for start in (0, 100)])

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(embed, counters))
    assert sum(counter.embedded for counter in counters) == len(texts)
    assert all(np.array_equal(vectors, Counting().embed(texts)) for vectors in found)


def test_what_was_embedded_before_a_stop_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A first start that is killed half-way, as by whoever waits for it to be ready, must not begin anew for ever."""
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    texts = [f"text {number}" for number in range(300)]

    class Stopped(Counting):
        def embed(self, texts: Sequence[str]) -> Vectors:
            if self.embedded >= 128:
                raise KeyboardInterrupt
            return super().embed(texts)

    with pytest.raises(KeyboardInterrupt):
        KeptEmbedder(Stopped(), tmp_path).embed(texts)
    later = Counting()
    assert np.array_equal(KeptEmbedder(later, tmp_path).embed(texts), Counting().embed(texts))
    assert later.embedded == 300 - 128


def test_another_embedder_has_vectors_of_its_own(tmp_path: Path) -> None:
    KeptEmbedder(HashEmbedder(8), tmp_path).embed(["x"])
    assert KeptEmbedder(HashEmbedder(16), tmp_path).embed(["x"]).shape == (1, 16)


def test_the_file_does_not_grow_with_each_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sisf.embedding.kept._LIMIT_ROWS", 3)
    for process in range(5):
        KeptEmbedder(Counting(), tmp_path).embed([f"{process} {number}" for number in range(3)])
    with contextlib.closing(sqlite3.connect(next(tmp_path.glob("*.db")))) as database:
        assert database.execute("SELECT count(*) FROM vectors").fetchone()[0] <= 6
    again = Counting()
    KeptEmbedder(again, tmp_path).embed(["4 0", "4 1", "4 2", "0 0"])
    assert again.embedded == 1


def test_a_broken_file_and_a_folder_that_cannot_be_made_cost_time_only(tmp_path: Path) -> None:
    kept = KeptEmbedder(Counting(), tmp_path / "a")
    kept.embed(["x"])
    file = next((tmp_path / "a").glob("*.db"))
    file.write_bytes(b"no database at all" * 100)
    for extra in file.parent.glob("*-*"):
        extra.unlink()
    again = Counting()
    assert KeptEmbedder(again, tmp_path / "a").embed(["x"]).shape == (1, 8)
    assert again.embedded == 1
    (tmp_path / "file").write_text("")
    assert KeptEmbedder(Counting(), tmp_path / "file" / "below").embed(["x"]).shape == (1, 8)
