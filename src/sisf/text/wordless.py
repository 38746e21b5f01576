"""Stretches of a text in which no word stands: hashes, keys, base64, dumps, tables of numbers.

To an encoder they are all alike, and they cost it more than anything else: few of its tokens have more than two of
their characters. What they say once they are decoded, or read as letters, is said in readings of their own
(`sisf.text.views`), which are made from the whole text. As they stand, their middle may be left out.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from sisf.text.remembered import remembered
from sisf.text.spelling import readings_of_leet
from sisf.text.words import costs, runs_together

Span = tuple[int, int]

LONGEST = 16
"""Signs without a word, gaps not counted, of which nothing is left out: a date, the number of a card."""
_KEPT = 3
"""Characters kept at either end of what is longer."""
_LEFT_OUT, _LINES_LEFT_OUT = "…", "…\n"
"""What stands for the rest of a stretch, and for one that goes over the end of a line."""

_TOKEN = re.compile(r"[^\W_]+")
_LETTERS = re.compile("[A-Za-z]+")
_PART = re.compile("[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_HEX, _BASES = frozenset("abcdefABCDEF"), frozenset("acgtnACGTN")
"""Letters of hexadecimal numbers, and those of nucleotides: words of these alone say nothing without others."""
_FEW_LETTERS = 3
"""Letters of parts of a word that stand in many words by chance."""
_ANY_CASE, _ONE_CASE = 14, 30
"""Letters up to which letters of any case are taken for a word of some language, and those of one case."""
_LEET = 24
"""Characters of a word that is read with digits for letters."""
_READ = 0.7
"""Share of the letters that must stand in known parts."""


@dataclass(frozen=True, slots=True)
class Shortened:
    """A text without the middle of its long stretches without a word."""

    text: str
    said: int
    """Letters that stand in words."""
    _behind: tuple[int, ...] = ()
    """The places in the shortened text behind each gap."""
    _left_out: tuple[int, ...] = ()
    """What was left out up to there."""

    def place(self, span: Span) -> Span:
        """Where what stands at `span` stands in the whole text."""
        return self._place(span[0]), self._place(span[1])

    def _place(self, at: int) -> int:
        gap = bisect_right(self._behind, at)
        return at + self._left_out[gap - 1] if gap else at


def shortened(text: str) -> Shortened:
    """A text with `…` for the middle of each stretch of more than `LONGEST` signs without a word. Linear in it."""
    pieces: list[str] = []
    behind: list[int] = []
    left_out: list[int] = []
    start = length = said = 0
    last = 0
    for begin, end in (*_words(text), (len(text), len(text))):
        if begin - last > LONGEST and _signs(text[last:begin]) > LONGEST:
            mark = _LINES_LEFT_OUT if "\n" in text[last + _KEPT : begin - _KEPT] else _LEFT_OUT
            pieces += (text[start : last + _KEPT], mark)
            length += last + _KEPT - start + len(mark)
            start = begin - _KEPT
            behind.append(length)
            left_out.append(start - length)
        said += end - begin
        last = end
    pieces.append(text[start:])
    return Shortened("".join(pieces), said, tuple(behind), tuple(left_out))


def _words(text: str) -> Iterator[Span]:
    for token in _TOKEN.finditer(text):
        if is_word(token[0]):
            yield token.span()


def _signs(piece: str) -> int:
    return len("".join(piece.split()))


@remembered
def is_word(token: str) -> bool:
    """Whether letters and digits in a row may be a word of some language, or several that run together, with digits
    for letters or without.

    Letters other than ASCII always are. Single letters, numbers and what only looks like a word among other such things
    (`dead`, `cat`) count as none: they matter where others stand beside them.
    """
    if not token.isascii():
        return any(map(str.isalpha, token))
    if token.isdigit() or len(token) == 1 or _HEX.issuperset(token) or _BASES.issuperset(token):
        return False
    if token.isalpha():
        return _letters_are_words(token)
    return _holds_word(token) or (
        len(token) <= _LEET and any(runs_together(read.lower()) for read in readings_of_leet(token))
    )


def _letters_are_words(letters: str) -> bool:
    one_case = letters.islower() or letters.isupper() or letters.istitle()
    return (
        len(letters) <= (_ONE_CASE if one_case else _ANY_CASE) or runs_together(letters.lower()) or _in_parts(letters)
    )


def _holds_word(token: str) -> bool:
    """Whether letters between digits are a known word: `worker3`."""
    parts = (part for run in _LETTERS.findall(token) for part in _PART.findall(run))
    return any(len(part) > _FEW_LETTERS and not _HEX.issuperset(part) and part.lower() in costs() for part in parts)


def _in_parts(letters: str) -> bool:
    """Whether most of what capital letters part are known words: `resolveHostName`."""
    known = (part for part in _PART.findall(letters) if len(part) >= _FEW_LETTERS and part.lower() in costs())
    return sum(map(len, known)) >= _READ * len(letters)
