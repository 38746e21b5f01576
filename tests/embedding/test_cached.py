"""The exact cache."""

import threading
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sisf.embedding import CachedEmbedder, CacheStatistics, HashEmbedder, Vectors


class Counting(HashEmbedder):
    """Notes what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.asked.extend(texts)
        return super().embed(texts)


@pytest.mark.smoke
def test_each_text_is_computed_once() -> None:
    inner = Counting()
    cached = CachedEmbedder(inner)
    cached.embed(["a", "b", "a"])
    cached.embed(["b", "c"])
    assert inner.asked == ["a", "b", "c"]
    assert cached.statistics == CacheStatistics(hits=1, misses=4, entries=3)
    assert cached.id == inner.id


def test_the_least_recently_used_leaves_first() -> None:
    inner = Counting()
    cached = CachedEmbedder(inner, capacity=2)
    for text in ("a", "b", "a", "c", "a", "b"):
        cached.embed([text])
    assert inner.asked == ["a", "b", "c", "b"]


@given(st.lists(st.lists(st.text(max_size=3), max_size=8), max_size=8), st.integers(1, 5))
def test_same_vectors_as_without(batches: list[list[str]], capacity: int) -> None:
    cached = CachedEmbedder(HashEmbedder(), capacity)
    for batch in batches:
        np.testing.assert_array_equal(cached.embed(batch), HashEmbedder().embed(batch))
        assert cached.statistics.entries <= capacity


def test_a_caller_cannot_change_what_is_kept() -> None:
    cached = CachedEmbedder(HashEmbedder())
    cached.embed(["a"])[:] = 7.0
    np.testing.assert_array_equal(cached.embed(["a"]), HashEmbedder().embed(["a"]))


def test_many_threads() -> None:
    cached = CachedEmbedder(HashEmbedder(), capacity=16)
    wrong: list[str] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(200):
            batch = [f"text {n}" for n in rng.integers(0, 40, 4)]
            if not np.array_equal(cached.embed(batch), HashEmbedder().embed(batch)):
                wrong.append(str(batch))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    statistics = cached.statistics
    assert statistics.hits + statistics.misses == 6 * 200 * 4
    assert statistics.entries == 16


def test_capacity_must_be_positive() -> None:
    with pytest.raises(ValueError, match="capacity"):
        CachedEmbedder(HashEmbedder(), 0)
