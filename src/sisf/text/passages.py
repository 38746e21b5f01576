"""Passages of a long text: what a person would take out of it as something said.

A passage begins where a sentence, a line, a quotation or a capitalised word begins, and ends where one of these ends
or the next begins. What is inspected inside a long text, and what policies are calibrated on, are these passages.
"""

import re
from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import Any

Span = tuple[int, int]

LONGEST = 320
"""Characters of a passage; longer sentences are seen through the windows besides."""
FEWEST_LETTERS = 12
"""Letters of a passage that says something."""
_ENDS = 3
"""Ends tried for each beginning, and beginnings for each end of a sentence: so their number is linear in the text."""

_BORDER = re.compile(
    r"[.!?…]+[\"'”’»)\]]*(?=\s|$)|[。！？]+"  # the end of a sentence, what closes it included
    r"|[:;•–—|>*#\"“”«»()\[\]{}](?=\s|\w)|\n+"  # a clause, a quotation, an item, a line
    r"|,(?=[^\W\d_])|(?=</)"  # a cell of a row; the end of an element
    r"|(?<=\s)(?=[^\W\d_a-zà-öø-ÿа-яα-ω])\b"  # a word in capitals or of a script that has none
)


def passages(text: str) -> list[Span]:
    """The passages of a text as spans of characters, in the order of their beginnings. Linear in the text."""
    starts, ends = borders(text)
    if len(starts) == 1:
        return _whole(text)
    found: dict[Span, None] = {}
    for start in starts:
        first = bisect_right(ends, start)
        for end in ends[first : first + _ENDS]:
            found[start, end] = None
    for end in ends:
        last = bisect_left(starts, end)
        for start in starts[max(0, last - _ENDS) : last]:
            found[start, end] = None
    letters = letters_before(text)
    return sorted({span for start, end in found if worth(letters, *(span := _trimmed(text, start, end)))})


def _whole(text: str) -> list[Span]:
    """A text without borders inside is one passage, if it is worth to be one."""
    start, end = _trimmed(text, 0, len(text))
    enough = FEWEST_LETTERS <= end - start <= LONGEST and sum(map(str.isalpha, text)) >= FEWEST_LETTERS
    return [(start, end)] if enough else []


def borders(text: str) -> tuple[list[int], list[int]]:
    """Where passages may begin and where they may end, rising; the text's own ends are among them."""
    borders = [0]
    for match in _BORDER.finditer(text):
        if not text[borders[-1] : match.end()].isspace():  # more than a gap since the last one
            borders.append(match.end())
    return borders, [*borders[1:], len(text)]


def letters_before(text: str) -> list[int]:
    """How many letters stand before each place of a text, and behind its last character."""
    return list(accumulate(map(str.isalpha, text), initial=0))


def says_little(text: str) -> bool:
    """Whether a text has fewer letters than any passage: numbers, rows of signs."""
    return sum(map(str.isalpha, text)) < FEWEST_LETTERS


def worth(letters: Any, start: Any, end: Any) -> Any:
    """Whether a passage is long enough to say something and short enough to be one; `letters`: `letters_before`.

    Of one passage, or of each of many: then all three are arrays.
    """
    length = end - start
    return (length >= FEWEST_LETTERS) & (length <= LONGEST) & (letters[end] - letters[start] >= FEWEST_LETTERS)


def _trimmed(text: str, start: int, end: int) -> Span:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), end - (len(piece) - len(piece.rstrip()))
