"""Words that are misspelt, mended: letters swapped, dropped, doubled, wrong, shuffled, vowels left out or masked.

A word that is in no list becomes the commonest word that is one such slip away. What a text becomes is judged as a
whole by its caller; here words are mended one by one, and each costs some hundred look-ups.
"""

import re
from bisect import bisect
from collections.abc import Callable, Iterator
from functools import cache
from string import ascii_lowercase

from sisf.text.changed import substitute
from sisf.text.order import VERBS
from sisf.text.remembered import remembered
from sisf.text.words import costs

_WORD = re.compile(r"[a-z]{3,20}")
_MASKED = re.compile(r"(?<![a-z0-9<&/.])[a-z][a-z*_#?]{0,19}(?![a-z0-9])")
_VOWELS = re.compile("[aeiou]")
_MASK = re.compile("[aeiou*_#?]")
_FEWEST = 4
"""Letters of a word that can be told from others although it is misspelt."""
_HEARD = tuple(
    (re.compile(spelt), heard)
    for spelt, heard in (
        ("ph", "f"), ("[ts]ion|shun", "sun"), ("x", "ks"), ("^kn", "n"), ("^wr|wh|r|l", "w"), ("qu", "kw"), ("gh", ""),
        ("th|sh|z|c(?=[eiy])", "s"), ("[cq]", "k"), ("(.)\\1+", "\\1"), ("[aeiouy]+", "a"),
    )
)  # fmt: skip
"""What is told apart by spelling alone, or by lisping and playing a child."""
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_BESIDE = {key: row[max(0, at - 1) : at] + row[at + 1 : at + 2] for row in _ROWS for at, key in enumerate(row)}
"""The keys on either side of each."""
_RARER = (0.0, 0.5, 1.5, 3.0)
"""What a word must be commoner by when it takes a rarer slip, in units of the words' cost."""
_ASKED = 2.0
"""How much commoner than elsewhere verbs are with which requests begin."""
_FEWEST_CHANGED = 3


def mended(lower: str) -> str | None:
    """Each unknown word of a lower-case text as the commonest word that it may be a slip of. None: hardly any is."""
    return each(_WORD, _corrected, lower)


def voweled(lower: str) -> str | None:
    """Each unknown word of a lower-case text with the vowels that were left out or masked (`t*xt`, `t_xt`, `txt`)."""
    return each(_MASKED, _with_vowels, lower)


def sounded(lower: str) -> str | None:
    """Each unknown word as the commonest that sounds like it to those who write by ear, lisp or play a child."""
    return each(_WORD, _by_sound, lower)


@remembered
def _by_sound(word: str) -> str:
    return word if word in costs() else _sounds().get(_sound(word), word)


@cache
def _sounds() -> dict[str, str]:
    """The commonest word of each sound."""
    found: dict[str, str] = {}
    for word in sorted(costs(), key=_cost):
        found.setdefault(_sound(word), word)
    return found


def _sound(word: str) -> str:
    for spelt, heard in _HEARD:
        word = spelt.sub(heard, word)
    return word


def each(pattern: "re.Pattern[str]", mend: Callable[[str], str], text: str) -> str | None:
    """The text with each match mended; None where fewer than three change."""
    changed = substitute(pattern, lambda m: mend(m[0]), text)
    return changed.text if changed is not None and len(changed.fresh or ()) >= _FEWEST_CHANGED else None


@remembered
def _corrected(word: str) -> str:
    known = costs()
    if word in known:
        return word
    best, least = word, float("inf")
    long = len(word) > _FEWEST - 1
    shuffled = _shuffles().get(_signature(word), ())
    kinds = (_usual(word), _beside(word) if long else (), shuffled, _unusual(word) if long else ())
    for penalty, candidates in zip(_RARER, kinds, strict=True):
        for candidate in candidates:
            if candidate in known and len(candidate) >= _FEWEST - 1:
                cost = _cost(candidate) + penalty
                if cost < least:
                    best, least = candidate, cost
    return best


def _usual(word: str) -> Iterator[str]:
    """One slip: two letters swapped, one doubled, one missing."""
    for i in range(len(word) - 1):
        if word[i] == word[i + 1]:
            yield word[:i] + word[i + 1 :]
        else:
            yield word[:i] + word[i + 1] + word[i] + word[i + 2 :]
    for before, letters, after in _going_on(word):
        for letter in letters:
            yield before + letter + after


def _beside(word: str) -> Iterator[str]:
    """The key beside the right one."""
    for i, key in enumerate(word):
        for letter in _BESIDE[key]:
            yield word[:i] + letter + word[i + 1 :]


def _unusual(word: str) -> Iterator[str]:
    """A wrong letter, one too many, or two slips: the middle in another order with a letter missing or too many."""
    for before, letters, after in _going_on(word):
        if not after:
            break
        yield before + after[1:]
        for letter in letters:
            yield before + letter + after[1:]
    shuffles, first, middle, last = _shuffles(), word[0], sorted(word[1:-1]), word[-1]
    for letter in ascii_lowercase:
        at = bisect(middle, letter)
        yield from shuffles.get(first + "".join(middle[:at]) + letter + "".join(middle[at:]) + last, ())
    for letter in word[1:-1]:
        at = bisect(middle, letter)
        yield from shuffles.get(first + "".join(middle[: at - 1]) + "".join(middle[at:]) + last, ())


def _going_on(word: str) -> Iterator[tuple[str, str, str]]:
    """The places in a word up to which a known one begins as it does: what stands before, the letters with which known
    words go on from there, what stands behind."""
    following = _following()
    for i in range(len(word) + 1):
        letters = following.get(word[:i])
        if letters is None:
            return
        yield word[:i], letters, word[i:]


@cache
def _following() -> dict[str, str]:
    """Each beginning of known words, whole words included, and the letters that follow it in some, in their order."""
    found: dict[str, str] = {"": ""}
    for word in sorted(costs()):
        for end, letter in enumerate(word):
            before = word[:end]
            if not found[before].endswith(letter):
                found[before] += letter
                found[word[: end + 1]] = ""
    return found


def _cost(word: str) -> float:
    return costs()[word] - (_ASKED if word in VERBS else 0.0)


def _signature(word: str) -> str:
    return word[0] + "".join(sorted(word[1:-1])) + word[-1]


@cache
def _shuffles() -> dict[str, tuple[str, ...]]:
    """The words by their first and last letters and what stands between, in any order; commonest first."""
    found: dict[str, tuple[str, ...]] = {}
    for word in costs():
        if len(word) >= _FEWEST:
            key = _signature(word)
            found[key] = (*found.get(key, ()), word)
    return found


@remembered
def _with_vowels(word: str) -> str:
    bare, masked = _skeletons()
    if not word.isalpha():
        return masked.get(word[0] + _MASK.sub("*", word[1:])) or _unmasked(word)
    if word in costs() and _VOWELS.search(word):
        return word
    candidates = bare.get(word[0] + _VOWELS.sub("", word[1:]), ())
    return next((candidate for candidate in candidates if _within(word, candidate)), word)


def _unmasked(word: str) -> str:
    """The commonest word in which any letters may stand for those that were masked."""
    pattern = re.compile("".join(re.escape(c) if c.isalpha() else "." for c in word))
    return next((known for known in _of_length().get((word[0], len(word)), ()) if pattern.fullmatch(known)), word)


@cache
def _of_length() -> dict[tuple[str, int], tuple[str, ...]]:
    """The words by first letter and length, commonest first."""
    found: dict[tuple[str, int], tuple[str, ...]] = {}
    for word in sorted(costs(), key=_cost):
        found[word[0], len(word)] = (*found.get((word[0], len(word)), ()), word)
    return found


def _within(word: str, longer: str) -> bool:
    """Whether the letters of a word stand in a longer one, in their order."""
    letters = iter(longer)
    return all(letter in letters for letter in word)


@cache
def _skeletons() -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """The words that look so without vowels behind their first letter, commonest first; the commonest of each that
    looks so with its vowels masked."""
    bare: dict[str, tuple[str, ...]] = {}
    masked: dict[str, str] = {}
    for word in sorted(costs(), key=_cost):
        key = word[0] + _VOWELS.sub("", word[1:])
        bare[key] = (*bare.get(key, ()), word)
        masked.setdefault(word[0] + _VOWELS.sub("*", word[1:]), word)
    return bare, masked
