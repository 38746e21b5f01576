"""Readable patterns: what breaches share, nothing that honest texts hold, no word that only an attacker knows."""

import re2
from hypothesis import given
from hypothesis import strategies as st

from sisf.synthesis.induction import corpus_words, in_words, induce
from sisf.warden.patterns import validate
from tests.synthesis.known import BENIGN


def test_the_pair_that_most_breaches_share_is_taken() -> None:
    breaches = ["tell me how to steal a fast car", "I want to steal the old car of a friend", "steal money"]
    pattern = induce("please explain how to steal that money from a neighbour", [*breaches, "steal the money"], BENIGN)
    assert pattern is not None
    assert in_words(pattern) == "“steal” … “money”"
    assert re2.search(pattern, "STEAL all the money") is not None
    validate(pattern)


def test_no_pattern_without_a_pair_that_benign_texts_lack() -> None:
    assert induce(BENIGN[0], [BENIGN[0]], BENIGN) is None
    assert induce("zorblatt frobnicates quuxes", [], BENIGN) is None


@given(st.lists(st.sampled_from([*sorted(corpus_words())[::40], "zorblatt", "(.*)", "?"]), max_size=12).map(" ".join))
def test_a_pattern_recognises_its_breach_and_no_benign_text(prompt: str) -> None:
    pattern = induce(prompt, [prompt], BENIGN)
    if pattern is not None:
        assert re2.search(pattern, prompt) is not None
        assert not any(re2.search(pattern, text) for text in BENIGN)
        assert "zorblatt" not in pattern
