"""Common English words, most frequent first: to see whether letters without spaces, or decoded ones, read as words.

The list is written by `scripts/words.py`: the plain English words of the vocabulary of BERT (uncased; Apache-2.0),
which is sorted by frequency, and the words of the texts that SISF ships.
"""

import re
from functools import cache
from importlib.resources import files
from math import log

_LETTERS = re.compile(r"[a-z]+")
_LONGEST = 16
_UNKNOWN = 14.0
"""Cost of one letter that belongs to no known word: more than a rare word."""


@cache
def costs() -> dict[str, float]:
    """Each word and its cost: the logarithm of its rank, by Zipf's law about that of its improbability."""
    lines = files("sisf.text.data").joinpath("words.txt").read_text(encoding="ascii").split()
    scale = log(len(lines))
    return {word: log((rank + 1) * scale) for rank, word in enumerate(lines)}


def readable(text: str) -> float:
    """Share of the letters of `text` (any case) that stand in known words of two letters or more; 0.0 without any."""
    known = costs()
    words = _LETTERS.findall(text.lower())
    letters = sum(map(len, words))
    return sum(len(w) for w in words if len(w) > 1 and w in known) / letters if letters else 0.0


def segmented(letters: str) -> str:
    """Lower-case letters without spaces, cut into words as cheaply as possible. Time: linear in their number."""
    known = costs()
    best = [0.0]
    cut = [0]
    for end in range(1, len(letters) + 1):
        choices = [
            (best[start] + known.get(letters[start:end], _UNKNOWN * (end - start)), start)
            for start in range(max(0, end - _LONGEST), end)
        ]
        cost, start = min(choices)
        best.append(cost)
        cut.append(start)
    words = []
    end = len(letters)
    while end:
        words.append(letters[cut[end] : end])
        end = cut[end]
    return " ".join(reversed(words))
