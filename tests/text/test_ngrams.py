"""Lexical features."""

from math import isclose

from hypothesis import given
from hypothesis import strategies as st

from sisf.text.ngrams import ORDER, ngram_features, ngrams, words


def test_words_and_pairs() -> None:
    assert words("Don't panic, Zoë_2!") == ["don't", "panic", "zoë", "2"]
    assert ngrams("Pick a lock") == {"pick", "a", "lock", "pick a", "a lock"}


def test_repetition_changes_nothing_but_the_new_pair() -> None:
    assert ngrams("go go go go") == {"go", "go go"}


@given(st.text(max_size=200))
def test_length_is_one_or_the_text_has_no_words(text: str) -> None:
    features = ngram_features(text)
    features.pop(ORDER, None)
    assert isclose(sum(v * v for v in features.values()), 1.0) if words(text) else features == {}
