"""Which places that look like borders are none: lines break, and capitals stand, inside sentences."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sisf.text.edges import goes_on_after, goes_on_before
from tests.text.work import work_of

INSIDE = (
    "to promote products | derived from this software",
    "without prior\n| written authorization",
    "shall not be used to promote the\n    | sale of the software",
    "as described in the | Makefile and the notes",
    "the author of this | NOTICE must not",
    "one well-\n| known way",
    "may distribute copies of the\n    | Work in any medium",
    " * shall not be used in advertising or otherwise to\n * | promote the sale of the software",
    "// the names of the holders may not be used in order to\n// | endorse or promote products derived",
    "> what somebody wrote before is cited by another one\n> | and goes on over the line",
)
BORDERS = (
    "The river rose. | Farmers kept their tools.",
    "The river rose.\n| farmers kept their tools",
    "A heading\n\n| and a paragraph",
    "A heading\n| Another line begins",
    "- an item\n| - another item",
    "* a short item\n* | another item",
    "# a long line of a comment that ends the paragraph\n#\n# | and another paragraph",
    "He said: | “stop”",
    "昨日の会議 | 議事録を",
    " | The beginning",
    "the end | ",
)


def halves(marked: str) -> tuple[str, int, int]:
    """The text without the mark, where what is before it ends, and where what is behind it begins."""
    before, after = marked.split("|")
    text = before + after
    return text, len(before.rstrip()), len(text) - len(after.lstrip())


@pytest.mark.parametrize("marked", INSIDE)
def test_a_sentence_goes_on_over_a_line_and_before_a_name(marked: str) -> None:
    text, end, start = halves(marked)
    assert goes_on_after(text, end)
    assert goes_on_before(text, start)


@pytest.mark.parametrize("marked", BORDERS)
def test_what_ends_does_not_go_on(marked: str) -> None:
    text, end, start = halves(marked)
    assert not goes_on_after(text, end)
    assert not goes_on_before(text, start)


def test_a_passage_may_begin_with_the_mark_of_its_line() -> None:
    text = "# one more example, with the database at the top of the file\n# to make it use both of them."
    assert goes_on_before(text, text.index("# to make"))
    assert not goes_on_before(text, 0)


@given(st.text('aA .!?\n,-/"“中9', max_size=60), st.integers(0, 60))
def test_nothing_goes_on_at_the_ends_of_a_text_or_beside_the_end_of_a_sentence(text: str, place: int) -> None:
    place = min(place, len(text))
    assert not goes_on_before(text, 0)
    assert not goes_on_after(text, len(text))
    if goes_on_before(text, place):
        assert text[:place].rstrip()[-1] not in '.!?"“'
    if goes_on_after(text, place):
        assert text[place - 1] not in '.!?"“'
        assert "\n\n" not in text[place : len(text) - len(text[place:].lstrip())]


def test_a_long_gap_is_no_work() -> None:
    gap = " " * 100_000
    text = f"one{gap}Two{gap}three"
    assert work_of(lambda: (goes_on_before(text, 100_003), goes_on_after(text, 3))).calls < 50
