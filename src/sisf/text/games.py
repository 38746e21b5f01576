"""Games with words: pig latin and its kin, syllables put into each word, words turned round, gaps in wrong places.

Each function takes a text in lower case that does not read and returns it without the game, or None where nothing in
it asks for that. Whether the result reads is for the caller to judge.
"""

import codecs
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from sisf.text.mending import each
from sisf.text.remembered import remembered
from sisf.text.words import costs, segmented, strangeness

_PIG_HYPHEN = re.compile(r"(?<=[a-z])-[a-z]{1,4}ay(?![a-z])")
_FEWEST_HYPHENS = 3
_ENDING = 0.7
"""Share of the words that must have the same ending."""
_ADDED = 0.3
"""Share of the words that have the same letter before it from which that letter is a part of it."""
_FIRST_VOWEL = 4
"""Consonants that may have been moved to the end of a word."""
_WORD = re.compile("[a-z]{2,24}")
_LETTERS = re.compile("[a-z]+")
_OTHER_LETTERS = re.compile(r"[^\W\d_a-z]")
_PER_WORD = 0.8
"""How often in a word, on average, a syllable stands that was put in."""
_SHORTEST, _LONGEST = 2, 5
_TRIED = 3
_ECHOES = (re.compile(r"([aeiou]{1,3})[b-df-hj-np-tv-z]{1,2}\1"), re.compile(r"([b-df-hj-np-tv-z])o\1"))
"""A vowel said again behind a consonant, a consonant said again behind `o`."""
_SCRAPS = 3.6
"""Letters of a run up to which words may be broken; English has 4.5."""
_MISPLACED, _LONGEST_WORD, _SIGNS = 0.5, 14.0, 0.1
"""Share of the runs that are no words where gaps stand in wrong places; their letters and signs at most."""


def pig_latin(lower: str) -> str | None:
    """Words whose beginning was moved to their end, with `ay` or another ending behind it that most have."""
    words = _LETTERS.findall(lower)
    hyphens = len(_PIG_HYPHEN.findall(lower))
    usual = hyphens >= _FEWEST_HYPHENS or lower.count("ay") * 2 >= len(lower.split())
    end = _ending(words) or ("ay" if usual else None)
    if end is None:
        return None
    moved = re.compile(rf"(?<![^\s-])([a-z']+)([^\sa-z-]{{0,2}})([a-z]*){end}(?![a-z])")
    lower = re.sub(rf"(?<=[a-z])-(?=[a-z]{{0,4}}{end}(?![a-z]))", "", lower)
    words = [match[1] + match[3] for match in moved.finditer(lower)]
    if not words or (hyphens < _FEWEST_HYPHENS and len(words) * 2 < len(lower.split())):
        return None
    letter, count = Counter(word[-1] for word in words).most_common(1)[0]
    added = letter if count >= _ADDED * len(words) else ""
    return moved.sub(lambda match: _unpig(match[1] + match[3], added) + match[2], lower)


def _ending(words: Sequence[str]) -> str | None:
    """The ending that nearly all words have, the longest of those that do."""
    counts = Counter(word[-size:] for word in words for size in range(_SHORTEST, _LONGEST + 1) if len(word) > size)
    often = [part for part, count in counts.items() if count >= max(3, _ENDING * len(words))]
    return max(often, key=len, default=None)


def _unpig(stem: str, added: str) -> str:
    """What stood before the first vowel, from the end to the beginning. Behind words that begin with a vowel stands
    `w`, `y`, or what is added to many."""
    turned = [stem[-k:] + stem[:-k] for k in range(1, min(_FIRST_VOWEL, len(stem)))]
    turned += [stem[:-1]] if stem[-1] in "wy" else [stem, *([stem[:-1]] if stem[-1] == added else [])]
    known = [word for word in turned if word in costs()] or [word for word in (stem[:-1],) if word in costs()]
    return min(known, key=costs().__getitem__, default=turned[0])


def without_syllable(lower: str) -> str | None:
    """Without what was put into each word: a syllable that is always the same, or an echo of the letter before."""
    words = _LETTERS.findall(lower)
    found = [lower.replace(syllable, "") for syllable in _syllables(words)]
    found += [echo.sub(r"\1", lower) for echo in _ECHOES if len(echo.findall(lower)) >= _PER_WORD * len(words)]
    return min(found, key=strangeness, default=None)


def _syllables(words: list[str]) -> Iterator[str]:
    """What stands in nearly every word, the longest of what is equally frequent first."""
    counts = Counter(
        word[start : start + size]
        for word in words
        for size in range(_SHORTEST, _LONGEST + 1)
        for start in range(len(word) - size + 1)
    )
    often = [(count * len(part), part) for part, count in counts.items() if count >= max(3, _PER_WORD * len(words))]
    yield from (part for _, part in sorted(often, reverse=True)[:_TRIED])


def turned(lower: str) -> str | None:
    """Each unknown word as the commonest that it is when read backwards, from another letter on, or under rot13."""
    return each(_WORD, _turned, lower)


@remembered
def _turned(word: str) -> str:
    known = costs()
    if word in known:
        return word
    others = [word[::-1], codecs.encode(word, "rot13"), *(word[k:] + word[:k] for k in range(1, len(word)))]
    return min((other for other in others if other in known), key=known.__getitem__, default=word)


def respaced(lower: str) -> str | None:
    """The letters alone, cut into words anew, where words are broken into pieces or gaps stand in wrong places."""
    if _OTHER_LETTERS.search(lower):
        return None
    runs = _LETTERS.findall(lower)
    letters = sum(map(len, runs))
    if letters > _SCRAPS * len(runs):
        unknown = sum(run not in costs() for run in runs)
        signs = len(lower) - letters - sum(map(str.isspace, lower))
        if unknown < _MISPLACED * len(runs) or letters > _LONGEST_WORD * len(runs) or signs > _SIGNS * letters:
            return None
    return segmented("".join(runs))
