"""Games with words: pig latin and its kin, syllables put into each word, words turned round, gaps in wrong places.

Each function takes a text in lower case that does not read and returns it without the game, or None where nothing in
it asks for that. Whether the result reads is for the caller to judge.
"""

import codecs
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import permutations

from sisf.text.mending import Choice, each
from sisf.text.neighbours import likeliest
from sisf.text.once import once
from sisf.text.remembered import remembered
from sisf.text.single_slips import VOWELS, cost, is_voweled
from sisf.text.words import costs, segmented, strangeness

_PIG_HYPHEN = re.compile(r"(?<=[a-z])-[a-z]{1,4}ay(?![a-z])")
_FEWEST_HYPHENS = 3
_ENDING = 0.7
"""Share of the words that must have the same ending, and of the letters that must make other words."""
_ADDED = 0.3
"""Share of the words that have the same letter before it from which that letter is a part of it."""
_FIRST_VOWEL = 4
"""Consonants that may have been moved to the end of a word."""
_WORD = re.compile("[a-z]{2,24}")
_WORD_OF_ANY = re.compile("[a-z]{1,24}")
_TURNED, _UNKNOWN = 1.0, 20.0
"""What a word must be commoner by than itself, and what a word costs that none has the letters of."""
_VOWELS = "aeiou"
_LOOKED_AT, _FEWEST_VOWELED = 6, 2
"""The longest words, which tell what vowels are exchanged for, and how many must be ones with other vowels."""
_LETTERS = re.compile("[a-z]+")
_OTHER_LETTERS = re.compile(r"[^\W\d_a-z]")
_PER_WORD = 0.8
"""How often in a word, on average, a syllable stands that was put in."""
_SHORTEST, _LONGEST = 2, 6
_TOO_SHORT = 3
"""Letters of words to which nothing may have been added."""
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
    found = [lower.replace(syllable, "") for syllable in _syllables([word for word in words if len(word) > _TOO_SHORT])]
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
    """Each word as one that has the same letters in another order, or is it under rot13: first and last letter
    exchanged, pairs swapped, halves, backwards, sorted. What stands beside a word chooses."""
    choices = [_same_letters(match[0]) for match in _WORD_OF_ANY.finditer(lower)]
    letters = sum(len(words[0][0]) for words in choices)
    if sum(len(words[0][0]) for words in choices if words[0][2] < _UNKNOWN) < _ENDING * letters:
        return None
    meant = iter(likeliest(choices))
    return each(_WORD_OF_ANY, lambda _: next(meant), lower)


@remembered
def _same_letters(word: str) -> Sequence[Choice]:
    """The known words that a word may be, the likeliest first; at least itself."""
    found = {other: _TURNED * (other != word) for other in _by_letters().get("".join(sorted(word)), ())}
    if not found and (other := codecs.encode(word, "rot13")) in costs():
        found[other] = _TURNED
    return [(other, cost(other), besides) for other, besides in found.items()] or [(word, 0.0, _UNKNOWN)]


@once
def _by_letters() -> dict[str, list[str]]:
    """The known words by their letters in the order of the alphabet."""
    found: dict[str, list[str]] = {}
    for word in costs():
        found.setdefault("".join(sorted(word)), []).append(word)
    return found


def revoweled(lower: str) -> str | None:
    """The text with its vowels exchanged as makes known words of most."""
    words = sorted({word for word in _WORD.findall(lower) if VOWELS.search(word)}, key=len)[-_LOOKED_AT:]
    likely = [word for word in words if is_voweled(word)]
    if len(likely) < max(_FEWEST_VOWELED, _ENDING * len(words)):
        return None
    said, known = " ".join(likely), costs().__contains__
    best = max(_exchanges(), key=lambda table: sum(map(len, filter(known, said.translate(table).split()))))
    return lower.translate(best)


@once
def _exchanges() -> list[dict[int, int]]:
    """The vowels in all orders."""
    return [str.maketrans(_VOWELS, "".join(order)) for order in permutations(_VOWELS)][1:]


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
