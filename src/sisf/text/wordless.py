"""What of a long text tells an encoder nothing: stretches in which no word stands (hashes, keys, base64, dumps, tables
of numbers), and records that say again what others say.

To an encoder such stretches are all alike, and they cost it more than anything else: few of its tokens have more than
two of their characters. What they say once they are decoded, or read as letters, is said in readings of their own
(`sisf.text.views`), which are made from the whole text. As they stand, their middle may be left out.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from sisf.text.remembered import remembered
from sisf.text.spelling import readings_of_leet
from sisf.text.words import costs, runs_together

Span = tuple[int, int]

LONGEST = 16
"""Signs without a word, gaps not counted, of which nothing is left out: a date, the number of a card."""
_WORTH = 0.25
"""Share of a text that must be left out, or nothing is: a date or two cost little, and what stands around them reads
best as it stands."""
_KEPT = 3
"""Characters kept at either end of what is longer."""
_LEFT_OUT, _LINES_LEFT_OUT = "…", "…\n"
"""What stands for the rest of a stretch, and for one that goes over the end of a line."""

_FEWEST_LINES, _WORDS_OF_RECORD = 20, 5
"""Lines of a text of which some may be left out, and words of such a line."""

_LINE = re.compile("\n")
_TOKEN = re.compile(r"(?:[^\W_]|[^\x00-\x7f\s]|[\x00-\x08\x0e-\x1f\x7f])+")
"""Letters and digits, and what tokenisers drop between them: marks, invisible characters, controls."""
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
    """A text of which pieces that tell an encoder nothing are left out."""

    text: str
    said: int
    """Letters that stand in words."""
    _behind: tuple[int, ...] = ()
    """The places in the shortened text behind each gap."""
    _left_out: tuple[int, ...] = ()
    """What was left out up to there."""
    _of: "Shortened | None" = None
    """What was shortened to it, if that was shortened before."""

    def place(self, span: Span) -> Span:
        """Where what stands at `span` stands in the whole text."""
        found = self._place(span[0]), self._place(span[1])
        return found if self._of is None else self._of.place(found)

    def _place(self, at: int) -> int:
        gap = bisect_right(self._behind, at)
        return at + self._left_out[gap - 1] if gap else at


def shortened(text: str) -> Shortened:
    """A text without lines that say what others say, and with `…` for the middle of each stretch of more than `LONGEST`
    signs without a word; the text itself where that makes it little shorter. Linear in it."""
    words = list(_words(text))
    once = _without_repeated_lines(text, words)
    rest, kept = (text, words) if once is None else (once.text, list(_words(once.text)))
    found = _without(rest, _wordless(rest, kept), _letters(kept), once)
    if len(found.text) > (1 - _WORTH) * len(text):
        return Shortened(text, _letters(words))
    return found


def _wordless(text: str, words: Sequence[Span]) -> list[Span]:
    """The middle of each stretch of more than `LONGEST` signs between two words."""
    ends, begins = (0, *(end for _, end in words)), (*(begin for begin, _ in words), len(text))
    return [
        (last + _KEPT, begin - _KEPT)
        for last, begin in zip(ends, begins, strict=True)
        if begin - last > LONGEST and _signs(text[last:begin]) > LONGEST
    ]


def _letters(words: Sequence[Span]) -> int:
    return sum(end - begin for begin, end in words)


def _without(text: str, cuts: Sequence[Span], said: int = 0, of: Shortened | None = None) -> Shortened:
    pieces: list[str] = []
    behind: list[int] = []
    left_out: list[int] = []
    start = length = 0
    for begin, end in cuts:
        mark = _LINES_LEFT_OUT if "\n" in text[begin:end] else _LEFT_OUT
        pieces += (text[start:begin], mark)
        length += begin - start + len(mark)
        start = end
        behind.append(length)
        left_out.append(end - length)
    return Shortened("".join((*pieces, text[start:])), said, tuple(behind), tuple(left_out), of)


def without_repeated_lines(text: str) -> str:
    """See `_without_repeated_lines`."""
    once = _without_repeated_lines(text, list(_words(text)))
    return text if once is None else once.text


def _without_repeated_lines(text: str, spans: Sequence[Span]) -> Shortened | None:
    """The text without lines of which the words stand in the same order elsewhere, as do those of their neighbours with
    them: the records of a log, rows of a table. Short lines stay: they may be words of one sentence. None: nothing is
    left out. `spans`: where its words are."""
    starts = [0, *(end.end() for end in _LINE.finditer(text)), len(text)]
    if len(starts) < _FEWEST_LINES:
        return None
    words: list[list[str]] = [[] for _ in starts[1:]]
    line = 0
    for begin, end in spans:
        while begin >= starts[line + 1]:
            line += 1
        words[line].append(text[begin:end].lower())
    names = ["", "", *map(" ".join, words), "", ""]
    kept = [len(each) < _WORDS_OF_RECORD for each in words]
    seen: set[tuple[str, str, str]] = set()
    for first in range(len(names) - 2):
        near = (names[first], names[first + 1], names[first + 2])
        if near not in seen:
            seen.add(near)
            for line in range(max(0, first - 2), min(first + 1, len(kept))):
                kept[line] = True
    cuts = []
    for keep, run in groupby(range(len(words)), kept.__getitem__):
        if not keep:
            places = list(run)
            cuts.append((starts[places[0]], starts[places[-1] + 1]))
    return _without(text, cuts) if cuts else None


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

    What has letters, and characters other than ASCII, always is. Single letters, numbers and what only looks like a
    word among other such things (`dead`, `cat`) count as none: they matter where others stand beside them.
    """
    if not (token.isascii() and token.isprintable()):
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
