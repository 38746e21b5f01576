"""Words that are misspelt, mended: letters swapped, dropped, doubled, wrong, shuffled, masked; vowels left out or
wrong; words spelt by ear, lisped, or only begun.

A word that is in no list becomes the word that it is likeliest to be meant for: one that is common and, the rarer the
slip, commoner still, and that goes with the words beside it; so may a word that is known, where a common slip makes it
one that goes better. What a text becomes is judged as a whole by its caller; each word costs some hundred look-ups, and
where no single slip is likely a search for two.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from sisf.text import slips
from sisf.text.changed import substitute
from sisf.text.neighbours import likeliest
from sisf.text.remembered import remembered
from sisf.text.single_slips import (
    FEWEST,
    KINDS,
    KINDS_OF_SHORT,
    OTHER_LETTER,
    VOWELS,
    WITHOUT_VOWELS,
    cost,
    other_vowels,
    unmasked,
    usual,
)
from sisf.text.texting import MEANT
from sisf.text.words import costs

_WORD = re.compile(r"(?<![a-z0-9<&/.'’])[a-z*_#?]{1,20}(?![a-z0-9])|[a-z]{3,20}")
"""Words, in which letters may be masked (`t*xt`, `*ext`)."""
_MASKS = re.compile("(?<=[a-z])[•●○◦∙■□▪▫█▇∗✱]+")
"""Other signs that mask letters, as `*` does."""
_TYPED_WORD = re.compile(r"(?<![\w<&/.'’@#-])[A-Za-z]{1,20}(?![\w/@])")
_FEW_SLIPS = 0.34
"""Share of the words of a piece that may be misspelt, so that the others tell what they were meant for."""
_COMMON = 0.25
"""What a word must be commoner by, up to which a slip is a common one: letters swapped, dropped, doubled."""
FEWEST_CHANGED = 3
"""Words that must change for a reading to be one."""
_UNKNOWN = 20.0
"""What a word costs that nothing is found for."""
_CHOICES = 8
"""Words looked at for each place in a sentence: the likeliest ones by themselves."""
_KNOWN_CHOICES, _KNOWN = 5, 2.0
"""The same for a word that is known, and what each costs besides that it was meant for."""
_BEFORE = ("un", "re", "non", "pre", "over", "mis", "anti", "cyber", "super", "micro")
_BEHIND = ("y", "ish", "ly", "less", "like", "able", "ness", "ful", "er", "est")
"""What words are derived with."""
_RARER = 2.0
"""What a derived word costs more than the one that it is made of."""
_TYPED = 0.5
"""What a word costs besides that chats write so."""
_EACH, _TWO = 1.5, 2.0
"""What a word must be commoner by that is found by its distance, for each unit of it and in any case."""
_EXPLAINED = 3.0
"""What a word must be commoner by, from which a word of two slips is looked for instead."""
_UNEXPLAINED, _MOST_SEARCHED = 0.6, 24
"""Share of the words of a text, and their number, up to which two slips are looked for."""

Choice = tuple[str, float, float]
"""A word that may be meant, what it costs, and what it costs besides."""


def mended(lower: str, *, fewest: int = FEWEST_CHANGED) -> str | None:
    """Each unknown word of a lower-case text as the word that it is likeliest to be meant for. None: fewer are."""
    lower = _MASKS.sub(lambda masks: "*" * len(masks[0]), lower)
    words = [match[0] for match in _WORD.finditer(lower)]
    meant = iter(likeliest(_choices(words)))
    return each(_WORD, lambda _: next(meant), lower, fewest=fewest)


def retyped(piece: str) -> str | None:
    """A piece of which most reads, in lower case, with the few words mended that a likely slip explains. None: there
    are none. Words that begin with a capital may be names, and so may those that are made of others."""
    words = [match[0] for match in _TYPED_WORD.finditer(piece)]
    slipped = [len(w) >= FEWEST and w.islower() and w not in costs() and _meant(w)[0][2] < _COMMON for w in words]
    if not 0 < sum(slipped) <= _FEW_SLIPS * len(words):
        return None
    choices = [
        [c for c in _meant(w) if c[2] < _COMMON] if slip else [(w.lower(), costs().get(w.lower(), 0.0), 0.0)]
        for w, slip in zip(words, slipped, strict=True)
    ]
    meant = iter(likeliest(choices))
    changed = substitute(_TYPED_WORD, lambda _: next(meant), piece)
    return changed.text if changed is not None and changed.text != piece.lower() else None


def each(
    pattern: "re.Pattern[str]", mend: Callable[[str], str], text: str, *, fewest: int = FEWEST_CHANGED
) -> str | None:
    """The text with each match mended; None where fewer change."""
    changed = substitute(pattern, lambda m: mend(m[0]), text)
    return changed.text if changed is not None and len(changed.fresh or ()) >= fewest else None


def _choices(words: Sequence[str]) -> list[Sequence[Choice]]:
    """What each word may be meant for. Two slips are looked for where most words are known or have one at most."""
    found = [_meant(word) for word in words]
    searched = [place for place, choices in enumerate(found) if _unexplained(choices)]
    if len(searched) <= _UNEXPLAINED * len(found):
        for place in searched[:_MOST_SEARCHED]:
            found[place] = _with_two_slips(words[place])
    return found


def _unexplained(choices: Sequence[Choice]) -> bool:
    return choices[0][2] >= _EXPLAINED


@remembered
def _meant(word: str) -> Sequence[Choice]:
    """The words that one may be meant for by a single slip, or that chats write so, the likeliest first; at least
    itself."""
    typed = MEANT.get(word, "")
    if typed not in costs():
        return _slipped(word)
    others = [choice for choice in _slipped(word) if choice[0] != typed and choice[2] < _UNKNOWN]
    return (typed, cost(typed), _TYPED), *others


def _slipped(word: str) -> Sequence[Choice]:
    """The same without what chats write."""
    if not word.isalpha():
        return _first(unmasked(word), _CHOICES) or (_unknown(word),)
    has_vowels = VOWELS.search(word) is not None
    if word in costs() and has_vowels:
        return _known(word)
    derived = _derived(word)
    more, most = (_KNOWN, _KNOWN_CHOICES) if derived else (0.0, _CHOICES)
    found: dict[str, float] = {}
    known, shortest = costs(), min(len(word), FEWEST - 1)
    kinds = KINDS if len(word) >= FEWEST else KINDS_OF_SHORT if len(word) == FEWEST - 1 else ()
    for penalty, for_letter, meant_by in kinds if has_vowels else (WITHOUT_VOWELS, *kinds):
        for candidate in meant_by(word):
            if candidate in known and len(candidate) >= shortest:
                besides = more + penalty + for_letter * (for_letter and _differing(word, candidate))
                found[candidate] = min(besides, found.get(candidate, besides))
    return (*derived, *_first(found, most)) or (_unknown(word),)


def _derived(word: str) -> tuple[Choice, ...]:
    """A word that is made of a known one (`cheesy`, `unread`), as itself; else nothing."""
    stems = [word.removeprefix(each) for each in _BEFORE if word.startswith(each)]
    for end in _BEHIND:
        if word.endswith(end):
            stem = word.removesuffix(end)
            stems += [stem, f"{stem}e", stem[:-1] if stem[-1:] == stem[-2:-1] else stem]
    likely = [cost(stem) for stem in stems if len(stem) >= FEWEST - 1 and stem in costs()]
    return ((word, min(likely) + _RARER, 0.0),) if likely else ()


@remembered
def _with_two_slips(word: str) -> Sequence[Choice]:
    """The same by two slips as well."""
    found = {candidate: besides for candidate, _, besides in _meant(word)}
    for candidate, distance in slips.near(word) if word.isalpha() else ():
        besides = _TWO + _EACH * distance
        found[candidate] = min(besides, found.get(candidate, besides))
    if len(found) > 1:
        found.pop(word, None)
    return _first(found, _CHOICES) if word not in found else (_unknown(word),)


def _known(word: str) -> Sequence[Choice]:
    """A known word, and the words that commonly become it by a slip."""
    itself = (word, cost(word), 0.0)
    if len(word) < FEWEST - 1:
        return (itself,)
    found = {candidate: _KNOWN for candidate in usual(word) if candidate in costs()}
    for candidate in other_vowels(word):
        found.setdefault(candidate, _KNOWN + OTHER_LETTER)
    found.pop(word, None)
    return (itself, *_first(found, _KNOWN_CHOICES))


def _first(found: Mapping[str, float], most: int) -> tuple[Choice, ...]:
    choices = [(word, cost(word), besides) for word, besides in found.items()]
    return tuple(sorted(choices, key=lambda choice: choice[1] + choice[2])[:most])


def _unknown(word: str) -> Choice:
    return word, 0.0, _UNKNOWN


def _differing(word: str, other: str) -> int:
    """How many letters of two words only one of them has."""
    return len(word) + len(other) - 2 * sum(min(word.count(letter), other.count(letter)) for letter in set(word))
