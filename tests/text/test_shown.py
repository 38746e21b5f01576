"""Nothing hides in what people are shown."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from sisf.text.characters import has_invisible
from sisf.text.shown import escaped, full_name, name_of, pieces

HIDDEN = "\0\x1b\x7f\x85\xa0\xad\u034f\u061c\u115f\u180e"
HIDDEN += "\u200b\u200d\u202e\u2066\u2028\u2800\u3164\ufe0f\ufeff\U000e0041\ud800"
TEXTS = st.text(st.one_of(st.characters(), st.sampled_from(HIDDEN), st.just("a"), st.just("\u0301")))


@given(TEXTS)
def test_runs_put_together_are_the_text_and_hide_nothing(text: str) -> None:
    runs = list(pieces(text))
    assert "".join(run for _, run in runs) == text
    for hidden, run in runs:
        if hidden:
            assert len(set(run)) == 1
            assert name_of(run)
            assert full_name(run[0])
        else:
            assert run.replace("\n", "").replace("\t", "").isprintable()
            assert not has_invisible(run)


@given(TEXTS)
def test_a_terminal_gets_nothing_but_what_it_shows(text: str) -> None:
    said = escaped(text)
    assert said.replace("\n", "").isprintable()
    assert said.count("\n") == text.count("\n")


def test_every_hidden_character_is_named() -> None:
    for character in HIDDEN:
        ((hidden, run),) = pieces(character)
        assert (hidden, run) == (True, character)


def test_writing_stays_as_it_is() -> None:
    for text in ("Été naïve Straße", "שלום עולם", "مرحبا", "こんにちは", "n\u0303 a\u0301\u0302", "line\n\ttab"):
        assert list(pieces(text)) == [(False, text)]
    pile = "a" + "\u0301" * 500
    assert name_of(list(pieces(pile))[1][1]) == "U+0301 ×497"
    assert unicodedata.combining("\u0301")
