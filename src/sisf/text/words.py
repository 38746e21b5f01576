"""Common English words, most frequent first: to see whether letters without spaces, or decoded ones, read as words.

The list is written by `scripts/words.py`: the plain English words of the vocabulary of BERT (uncased; Apache-2.0),
which is sorted by frequency, the words of the texts that SISF ships, rarer ones that neither has, and regular forms.
"""

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from math import log

from sisf.text.once import once

_LETTERS = re.compile(r"[a-z]+")
_SPOKEN = re.compile(r"(?<!['’])[a-z]+")
"""Words without what stands behind an apostrophe."""
_HIDDEN = re.compile("'[a-z]?")
_APART = str.maketrans({code: " " for code in range(128) if not chr(code).islower()})
_MANY_UNKNOWN = 0.25
_SCRAPS = 3.3
"""Letters of a word: English has 4.5."""
_UNKNOWN = 14.0
"""Cost of one letter that belongs to no known word: more than a rare word."""
_UNKNOWN_WORD, _ITS_LETTER = 30.0, 1.0
"""Cost of a word that is not known where most are: as much as three or four others, and its letters."""
_NO_WORD = 1e9
_FEW_LETTERS, _TOGETHER = 3, 0.7
"""Letters of the shortest word that tells anything among letters without gaps, and the share of such."""
_FEWEST_VOWELS, _MOST_VOWELS = 0.27, 0.6
"""English has some 0.38: what is told from machine text by them need not be cut into words."""
_ROUNDED = 1e-6
"""More than what sums in another order differ by, for each letter."""


@once
def costs() -> dict[str, float]:
    """Each word and its cost: the logarithm of its rank, by Zipf's law about that of its improbability."""
    lines = files("sisf.text.data").joinpath("words.txt").read_text(encoding="ascii").split()
    scale = log(len(lines))
    return {word: log((rank + 1) * scale) for rank, word in enumerate(lines)}


class _Priced(dict[str, float]):
    """What each word costs; one that is not known as much as its letters do."""

    def __missing__(self, word: str) -> float:
        return _UNKNOWN * len(word)


@once
def _priced() -> _Priced:
    return _Priced(costs())


def spoken(text: str) -> list[str]:
    """The words of a text in lower case, `_SPOKEN`; in ASCII faster than an expression can."""
    if not text.isascii():
        return _SPOKEN.findall(text)
    return _HIDDEN.sub(" ", text).translate(_APART).split()


def readable(text: str) -> float:
    """Share of the letters of `text` (any case) that stand in known words of two letters or more; 0.0 without any."""
    known = costs()
    words = _LETTERS.findall(text.lower())
    letters = sum(map(len, words))
    return sum(len(w) for w in words if len(w) > 1 and w in known) / letters if letters else 0.0


def strangeness(text: str) -> float:
    """How little a text reads as English: the cost of its words for each of its letters.

    Honest English has 1 to 2, letters at random some 12. 0.0 without Latin letters.
    """
    words = spoken(text.lower())
    letters = len("".join(words))
    return sum(map(_priced().__getitem__, words)) / letters if letters else 0.0


def unevenness(text: str) -> float:
    """As `strangeness`, but that a word that is not known counts as one: how little most words of a text read."""
    words = spoken(text.lower())
    known, letters = costs(), len("".join(words))
    each = (known[word] if word in known else _UNKNOWN_WORD + _ITS_LETTER * len(word) for word in words)
    return sum(each) / letters if letters else 0.0


def at_most(limit: float, words: Sequence[str], table: Mapping[int, int]) -> bool:
    """Whether words, translated, may have this `strangeness`: False only where they have more. Quick where the longest
    words come first."""
    priced, left = _priced(), (limit + _ROUNDED) * sum(map(len, words))
    for word in words:
        left -= priced[word.translate(table)]
        if left < 0:
            return False
    return True


def unknown_letters(limit: float, words: Sequence[str]) -> float:
    """So many letters may at most stand in unknown words where words have this `strangeness`."""
    return (limit + _ROUNDED) * sum(map(len, words)) / _UNKNOWN


def foreign(text: str) -> bool:
    """Whether a text looks like no English: a quarter of its letters are in unknown words, or its words are scraps."""
    words = spoken(text.lower())
    letters = len("".join(words))
    unknown = sum(len(word) for word in words if word not in costs())
    return unknown >= _MANY_UNKNOWN * letters or letters <= _SCRAPS * len(words)


@once
def beginnings() -> dict[str, float]:
    """Everything that a word begins with: the cost where it is a word itself, else more than any word costs."""
    found: dict[str, float] = {}
    for word, cost in costs().items():
        for end in range(1, len(word)):
            found.setdefault(word[:end], _NO_WORD)
        found[word] = cost
    return found


def segmented(letters: str) -> str:
    """Lower-case letters without spaces, cut into words as cheaply as possible. Time: linear in their number."""
    begun = beginnings()
    count = len(letters)
    best = [0.0] + [_NO_WORD * (count + 1)] * count
    cut = [0] * (count + 1)
    unknown = bytearray(count + 1)
    for start in range(count):
        before = best[start]
        if before + _UNKNOWN < best[start + 1]:
            best[start + 1], cut[start + 1], unknown[start + 1] = before + _UNKNOWN, start, True
        for end in range(start + 1, count + 1):
            cost = begun.get(letters[start:end])
            if cost is None:  # no word goes on like this
                break
            if before + cost < best[end]:
                best[end], cut[end], unknown[end] = before + cost, start, False
    words: list[str] = []
    end = count
    while end:
        start = cut[end]
        while unknown[end] and unknown[start]:
            start = cut[start]
        words.append(letters[start:end])
        end = start
    return " ".join(reversed(words))


def runs_together(letters: str) -> bool:
    """Whether lower-case ASCII letters are a known word, or known words that run together: of letters at random, short
    words are found in many."""
    if letters in costs():
        return len(letters) >= _FEW_LETTERS
    if len(letters) <= 2 * _FEW_LETTERS or not (letters.isascii() and letters.isalpha()):
        return False
    if not _FEWEST_VOWELS < sum(map(letters.count, "aeiou")) / len(letters) < _MOST_VOWELS:
        return False
    known = (word for word in segmented(letters).split() if len(word) >= _FEW_LETTERS and word in costs())
    return sum(map(len, known)) >= _TOGETHER * len(letters)
