"""Windows cover every character and are seen whole by the model."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sisf.embedding import Embedder, HashEmbedder, TextWindow

words = st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=12)
glued = st.text(alphabet="abcxyz가ß—.", min_size=1, max_size=400)
texts = st.lists(words | glued, max_size=60).map(" ".join)


def check_cover(text: str, windows: list[TextWindow]) -> None:
    assert windows[0].start == 0
    assert windows[-1].end == len(text)
    for window in windows:
        assert window.text == text[window.start : window.end]
    for before, after in itertools.pairwise(windows):
        # Both may end before the same word, if that is too long for either.
        assert before.start < after.start <= before.end <= after.end


@settings(max_examples=150, deadline=None)
@given(texts, st.integers(100, 254), st.integers(0, 99))
def test_cover_and_fit(minilm: Embedder, text: str, size: int, overlap: int) -> None:
    windows = minilm.windows(text, size, overlap)
    check_cover(text, windows)
    for window in windows:
        assert minilm.count_tokens(window.text) <= size


@settings(max_examples=100, deadline=None)
@given(texts, st.integers(2, 40), st.data())
def test_cover_with_any_size(text: str, size: int, data: st.DataObject) -> None:
    check_cover(text, HashEmbedder().windows(text, size, data.draw(st.integers(0, size - 1))))


@pytest.mark.smoke
def test_a_text_that_fits_is_one_window(minilm: Embedder) -> None:
    for text in ("", "short", "kurz und bündig", "  spaces around  "):
        assert minilm.windows(text) == [TextWindow(0, len(text), text, len(text) // 3 + 1)]


def test_neighbours_share_the_overlap(minilm: Embedder) -> None:
    text = " ".join(f"word{i}" for i in range(500))
    windows = minilm.windows(text, size=120, overlap=30)
    for before, after in itertools.pairwise(windows):
        assert 20 <= minilm.count_tokens(text[after.start : before.end]) <= 30


@pytest.mark.parametrize("gap", ["", " ", "\u200b" * 50_000, " " * 70_000])
def test_long_texts_are_covered_across_stretches(minilm: Embedder, gap: str) -> None:
    text = ("plum cake, " * 4000 + gap + "glued" * 9000 + gap) * 2
    windows = minilm.windows(text, size=128, overlap=32)
    check_cover(text, windows)
    for window in windows:
        assert minilm.count_tokens(window.text) <= 128


def test_stretches_do_not_show(minilm: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(f"item {n}: {n * n} pears, weighed twice" for n in range(800))
    monkeypatch.setattr("sisf.embedding.tokens._STRETCH", 10**9)
    at_once = minilm.windows(text, size=128, overlap=32)
    monkeypatch.setattr("sisf.embedding.tokens._STRETCH", 3000)
    assert minilm.windows(text, size=128, overlap=32) == at_once


def test_cost_is_linear(minilm: Embedder) -> None:
    short, long = (minilm.windows("one two three four " * n, overlap=32) for n in (500, 5000))
    assert len(long) <= 11 * len(short)


@pytest.mark.parametrize(("size", "overlap"), [(0, 0), (10, 10), (10, -1), (255, 0)])
def test_impossible_windows_are_refused(minilm: Embedder, size: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="windows need"):
        minilm.windows("text", size, overlap)
