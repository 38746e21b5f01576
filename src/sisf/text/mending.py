"""Words that are misspelt, mended: letters swapped, dropped, doubled, wrong, shuffled, masked; vowels left out or
wrong; words spelt by ear, lisped, or only begun.

A word that is in no list becomes the word that it is likeliest to be meant for: one that is common and, the rarer the
slip, commoner still, and that goes with the words beside it; so may a word that is known, where a common slip makes it
one that goes better. What a text becomes is judged as a whole by its caller; each word costs some hundred look-ups, and
where no single slip is likely a search for two.
"""

import re
from bisect import bisect, bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import combinations
from string import ascii_lowercase

from sisf.text import slips
from sisf.text.changed import substitute
from sisf.text.neighbours import likeliest
from sisf.text.order import VERBS
from sisf.text.remembered import remembered
from sisf.text.words import costs

_WORD = re.compile(r"(?<![a-z0-9<&/.'’])[a-z*_#?]{1,20}(?![a-z0-9])|[a-z]{3,20}")
"""Words, in which letters may be masked (`t*xt`, `*ext`)."""
_MASK = re.compile("[*_#?]")
_VOWELS = re.compile("[aeiou]")
_VOWELS_OR_MASKS = re.compile("[aeiou*_#?]")
_FEWEST = 4
"""Letters of a word that can be told from others although it is misspelt."""
_HEARD = tuple(
    (re.compile(spelt), heard)
    for spelt, heard in (
        ("ph", "f"), ("[ts]ion|shun", "sun"), ("x", "ks"), ("^kn", "n"), ("^wr", "r"), ("wh", "w"), ("qu", "kw"),
        ("gh", ""), ("z|c(?=[eiy])", "s"), ("[cq]", "k"), ("(.)\\1+", "\\1"), ("[aeiouy]+", "a"),
    )
)  # fmt: skip
"""What is told apart by spelling alone."""
_LISPED = tuple((re.compile(spelt), heard) for spelt, heard in (("r|l", "w"), ("th|sh", "s"), ("(.)\\1+", "\\1")))
"""And by lisping, by playing a child, or with the tongue of another language."""
_THICK = re.compile("[dfsvz]|(?<=.)t")
"""What those say who do not say `th`."""
_LOOKING = {"rn": "m", "vv": "w", "cl": "d"}
"""Letters that together look like another one."""
_ASKED = 3.0
"""How much commoner than elsewhere verbs are with which requests begin."""
_UNWRITTEN, _OTHER_LETTER = 0.5, 0.75
"""What a word must be commoner by for each letter that is missing at its end, and that only one of two words has."""
_LONGEST_REST, _MOST = 5, 400
"""Letters that may be missing at the end, and words looked at that begin so."""
_AS_COMMON = 4
"""Words kept of those that look or sound the same: the commonest ones."""
FEWEST_CHANGED = 3
"""Words that must change for a reading to be one."""
_UNKNOWN = 20.0
"""What a word costs that nothing is found for."""
_CHOICES = 8
"""Words looked at for each place in a sentence: the likeliest ones by themselves."""
_BEFORE = ("un", "re", "non", "pre", "over", "mis", "anti", "cyber", "super", "micro")
_BEHIND = ("y", "ish", "ly", "less", "like", "able", "ness", "ful", "er", "est")
"""What words are derived with."""
_RARER = 2.0
"""What a derived word costs more than the one that it is made of."""
_KNOWN_CHOICES, _KNOWN = 5, 2.0
"""The same for a word that is known, and what each costs besides that it was meant for."""
_EACH, _TWO = 1.5, 2.0
"""What a word must be commoner by that is found by its distance, for each unit of it and in any case."""
_MASKED = 1.0
"""What a word must be commoner by in which another letter than a vowel is masked."""
_EXPLAINED = 3.0
"""What a word must be commoner by, from which a word of two slips is looked for instead."""
_UNEXPLAINED, _MOST_SEARCHED = 0.6, 24
"""Share of the words of a text, and their number, up to which two slips are looked for."""

Choice = tuple[str, float, float]
"""A word that may be meant, what it costs, and what it costs besides."""


def mended(lower: str, *, fewest: int = FEWEST_CHANGED) -> str | None:
    """Each unknown word of a lower-case text as the word that it is likeliest to be meant for. None: fewer are."""
    words = [match[0] for match in _WORD.finditer(lower)]
    meant = iter(likeliest(_choices(words)))
    return each(_WORD, lambda _: next(meant), lower, fewest=fewest)


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
    """The words that one may be meant for by a single slip, the likeliest first; at least itself."""
    if not word.isalpha():
        return _first(_unmasked(word), _CHOICES) or (_unknown(word),)
    has_vowels = _VOWELS.search(word) is not None
    if word in costs() and has_vowels:
        return _known(word)
    derived = _derived(word)
    more, most = (_KNOWN, _KNOWN_CHOICES) if derived else (0.0, _CHOICES)
    found: dict[str, float] = {}
    kinds = _KINDS if len(word) >= _FEWEST else _KINDS_OF_SHORT if len(word) == _FEWEST - 1 else ()
    for penalty, for_letter, meant_by in kinds if has_vowels else (_WITHOUT_VOWELS, *kinds):
        for candidate in meant_by(word):
            if candidate in costs() and len(candidate) >= min(len(word), _FEWEST - 1):
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
    likely = [_cost(stem) for stem in stems if len(stem) >= _FEWEST - 1 and stem in costs()]
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
    itself = (word, _cost(word), 0.0)
    if len(word) < _FEWEST - 1:
        return (itself,)
    found = {candidate: _KNOWN for candidate in _usual(word) if candidate in costs()}
    for candidate in _other_vowels(word):
        found.setdefault(candidate, _KNOWN + _OTHER_LETTER)
    found.pop(word, None)
    return (itself, *_first(found, _KNOWN_CHOICES))


def _first(found: Mapping[str, float], most: int) -> tuple[Choice, ...]:
    choices = [(word, _cost(word), besides) for word, besides in found.items()]
    return tuple(sorted(choices, key=lambda choice: choice[1] + choice[2])[:most])


def _unknown(word: str) -> Choice:
    return word, 0.0, _UNKNOWN


def _differing(word: str, other: str) -> int:
    """How many letters of two words only one of them has."""
    return len(word) + len(other) - 2 * sum(min(word.count(letter), other.count(letter)) for letter in set(word))


def _voweled(word: str) -> Iterator[str]:
    """Vowels left out, all or some."""
    return (bare for bare in _bare().get(_without_vowels(word), ()) if _within(word, bare))


def _thick(word: str) -> Iterator[str]:
    """Another sound for `th`."""
    return (word[: at.start()] + "th" + word[at.end() :] for at in _THICK.finditer(word))


def _sounding(word: str) -> Iterable[str]:
    """Spelt by ear."""
    return _of_sound().get(_sound(word), ())


def _lisped(word: str) -> Iterable[str]:
    """Lisped, or spoken as children do."""
    return _of_lisp().get(_lisp(word), ())


def _other_vowels(word: str) -> Iterable[str]:
    """Other vowels between the same consonants."""
    return _starred().get(_VOWELS.sub("*", word), ())


def _shuffled(word: str) -> Iterable[str]:
    """The middle in another order."""
    return _shuffles().get(_signature(word), ())


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
        for letter in slips.BESIDE[key]:
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


def _looking(word: str) -> Iterator[str]:
    """Two letters that look like one."""
    there = [pair for pair in _LOOKING if pair in word]
    for count in range(1, len(there) + 1):
        for pairs in combinations(there, count):
            read = word
            for pair in pairs:
                read = read.replace(pair, _LOOKING[pair])
            yield read


def _begun(word: str) -> Iterator[str]:
    """The words that begin so."""
    first = bisect_left(known := _sorted(), word)
    for longer in known[first : first + _MOST]:
        if not longer.startswith(word):
            return
        if len(longer) - len(word) <= _LONGEST_REST:
            yield longer


@cache
def _sorted() -> list[str]:
    return sorted(costs())


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
    for word in _sorted():
        for end, letter in enumerate(word):
            before = word[:end]
            if not found[before].endswith(letter):
                found[before] += letter
                found[word[: end + 1]] = ""
    return found


def _cost(word: str) -> float:
    return costs()[word] - (_ASKED if word in VERBS else 0.0)


@cache
def _commonest_first() -> tuple[str, ...]:
    return tuple(sorted(costs(), key=_cost))


def _by(key: Callable[[str], str], *, most: int = _AS_COMMON, fewest: int = 1) -> dict[str, tuple[str, ...]]:
    """The commonest words of each key, at most so many; of words of at least `fewest` letters."""
    found: dict[str, list[str]] = {}
    for word in _commonest_first():
        if len(word) < fewest:
            continue
        known = found.setdefault(key(word), [])
        if len(known) < most:
            known.append(word)
    return {same: tuple(known) for same, known in found.items()}


def _signature(word: str) -> str:
    return word[0] + "".join(sorted(word[1:-1])) + word[-1]


@cache
def _shuffles() -> dict[str, tuple[str, ...]]:
    """The words by their first and last letters and what stands between, in any order."""
    return _by(_signature, fewest=_FEWEST)


def _sound(word: str) -> str:
    for spelt, heard in _HEARD:
        word = spelt.sub(heard, word)
    return word


def _lisp(word: str) -> str:
    word = _sound(word)
    for spelt, heard in _LISPED:
        word = spelt.sub(heard, word)
    return word


@cache
def _of_sound() -> dict[str, tuple[str, ...]]:
    return _by(_sound)


@cache
def _of_lisp() -> dict[str, tuple[str, ...]]:
    return _by(_lisp)


@cache
def _starred() -> dict[str, tuple[str, ...]]:
    """The words by what they look like with all vowels masked."""
    return _by(lambda word: _VOWELS.sub("*", word), most=len(costs()))


def _without_vowels(word: str) -> str:
    return word[0] + _VOWELS.sub("", word[1:])


@cache
def _bare() -> dict[str, tuple[str, ...]]:
    """The words by what they look like without vowels behind their first letter."""
    return _by(_without_vowels, most=len(costs()))


def _within(word: str, longer: str) -> bool:
    """Whether the letters of a word stand in a longer one, in their order."""
    letters = iter(longer)
    return all(letter in letters for letter in word)


def _unmasked(word: str) -> dict[str, float]:
    """The words in which vowels, or any letters, may stand for those that were masked; what a word must be commoner by
    that has others than vowels there."""
    if len(word) > 2 and len(_MASK.sub("", word)) < 2:
        return {}
    pattern = re.compile(_MASK.sub(".", word))
    found = dict.fromkeys(filter(pattern.fullmatch, _shaped().get(_shape(word), ())), _MASKED)
    return found | dict.fromkeys(filter(pattern.fullmatch, _starred().get(_VOWELS_OR_MASKS.sub("*", word), ())), 0.0)


def _shape(word: str) -> str:
    """The first letter, where it is none that is masked, and a point for each other."""
    return (word[0] if word[0].isalpha() else "") + "." * (len(word) - 1)


@cache
def _shaped() -> dict[str, tuple[str, ...]]:
    """The words by their shape, as they are and with the first letter masked."""
    known = len(costs())
    return _by(_shape, most=known) | _by(lambda word: "." * (len(word) - 1), most=known)


_KINDS: tuple[tuple[float, float, Callable[[str], Iterable[str]]], ...] = (
    (0.0, 0.0, _usual),
    (0.5, _UNWRITTEN, _begun),
    (0.5, 0.0, _looking),
    (0.75, _OTHER_LETTER, _other_vowels),
    (1.0, 0.0, _thick),
    (1.25, 0.0, _beside),
    (1.5, _OTHER_LETTER, _sounding),
    (2.5, _OTHER_LETTER, _lisped),
    (3.0, 0.0, _voweled),
    (3.0, 0.0, _shuffled),
    (5.0, 0.0, _unusual),
)
"""Kinds of slips: what a word must be commoner by, in units of the words' cost, in any case and for each letter that
only one of the two words has; and what it may be meant for. The likelier kinds first."""
_KINDS_OF_SHORT = tuple(kind for kind in _KINDS if kind[2] in (_usual, _looking, _thick, _sounding))
_WITHOUT_VOWELS = (0.0, 0.0, _voweled)
