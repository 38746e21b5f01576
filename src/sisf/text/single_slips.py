"""Words that a misspelt one may be meant for by a single slip, kind by kind.

Letters swapped, dropped, doubled, wrong, shuffled, masked; vowels left out or wrong; words spelt by ear, lisped, or
only begun. What each kind yields may be no word; `sisf.text.mending` chooses among those that are.
"""

import re
from bisect import bisect, bisect_left
from collections.abc import Callable, Iterable, Iterator
from itertools import combinations
from string import ascii_lowercase

from sisf.text import slips
from sisf.text.once import once
from sisf.text.order import VERBS
from sisf.text.words import costs

_MASK = re.compile("[*_#?]")
_VOWELS = "aeiou"
VOWELS = re.compile(f"[{_VOWELS}]")
_VOWELS_OR_MASKS = re.compile("[aeiou*_#?]")
FEWEST = 4
"""Letters of a word that can be told from others although it is misspelt."""
_HEARD = tuple(
    (re.compile(spelt, re.MULTILINE), heard)
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
_UNWRITTEN, OTHER_LETTER = 0.5, 0.75
"""What a word must be commoner by for each letter that is missing at its end, and that only one of two words has."""
_LONGEST_REST, _MOST = 5, 400
"""Letters that may be missing at the end, and words looked at that begin so."""
_AS_COMMON = 4
"""Words kept of those that look or sound the same: the commonest ones."""
_MASKED = 1.0
"""What a word must be commoner by in which another letter than a vowel is masked."""


def _voweled(word: str) -> Iterator[str]:
    """Vowels left out, all or some, the first letter too."""
    bare = _without_vowels(word)
    beginnings = (bare, *(vowel + bare for vowel in _VOWELS if word[0] not in _VOWELS))
    return (longer for begun in beginnings for longer in _bare().get(begun, ()) if _within(word, longer))


def _thick(word: str) -> Iterator[str]:
    """Another sound for `th`."""
    return (word[: at.start()] + "th" + word[at.end() :] for at in _THICK.finditer(word))


def _sounding(word: str) -> Iterable[str]:
    """Spelt by ear."""
    return _of_sound().get(_sound(word), ())


def _lisped(word: str) -> Iterable[str]:
    """Lisped, or spoken as children do."""
    return _of_lisp().get(_lisp(word), ())


def other_vowels(word: str) -> Iterable[str]:
    """Other vowels between the same consonants."""
    return _starred().get(VOWELS.sub("*", word), ())


def is_voweled(word: str) -> bool:
    """Whether a known word has the same consonants in the same places."""
    return VOWELS.sub("*", word) in _starred()


def _shuffled(word: str) -> Iterable[str]:
    """The middle in another order."""
    return _shuffles().get(_signature(word), ())


def usual(word: str) -> Iterator[str]:
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


@once
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


@once
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


def cost(word: str) -> float:
    """What a known word costs: the commoner it is, the less, and verbs with which requests begin less still."""
    return costs()[word] - (_ASKED if word in VERBS else 0.0)


@once
def _commonest_first() -> tuple[str, ...]:
    return tuple(sorted(costs(), key=cost))


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


@once
def _shuffles() -> dict[str, tuple[str, ...]]:
    """The words by their first and last letters and what stands between, in any order."""
    return _by(_signature, fewest=FEWEST)


def _sound(word: str) -> str:
    """What a word sounds like, or each of several, a line each."""
    for spelt, heard in _HEARD:
        word = spelt.sub(heard, word)
    return word


def _lisp(word: str) -> str:
    """The same, lisped."""
    word = _sound(word)
    for spelt, heard in _LISPED:
        word = spelt.sub(heard, word)
    return word


@once
def _of_sound() -> dict[str, tuple[str, ...]]:
    return _by(_of_lines(_sound))


@once
def _of_lisp() -> dict[str, tuple[str, ...]]:
    return _by(_of_lines(_lisp))


def _of_lines(say: Callable[[str], str]) -> Callable[[str], str]:
    """The same as `say`, which takes several lines, for known words: said all at once, which is three times as fast."""
    words = _commonest_first()
    return dict(zip(words, say("\n".join(words)).split("\n"), strict=True)).__getitem__


@once
def _starred() -> dict[str, tuple[str, ...]]:
    """The words by what they look like with all vowels masked."""
    return _by(lambda word: VOWELS.sub("*", word), most=len(costs()))


def _without_vowels(word: str) -> str:
    return word[0] + VOWELS.sub("", word[1:])


@once
def _bare() -> dict[str, tuple[str, ...]]:
    """The words by what they look like without vowels behind their first letter."""
    return _by(_without_vowels, most=len(costs()))


def _within(word: str, longer: str) -> bool:
    """Whether the letters of a word stand in a longer one, in their order."""
    letters = iter(longer)
    return all(letter in letters for letter in word)


def unmasked(word: str) -> dict[str, float]:
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


@once
def _shaped() -> dict[str, tuple[str, ...]]:
    """The words by their shape, as they are and with the first letter masked."""
    known = len(costs())
    return _by(_shape, most=known) | _by(lambda word: "." * (len(word) - 1), most=known)


KINDS: tuple[tuple[float, float, Callable[[str], Iterable[str]]], ...] = (
    (0.0, 0.0, usual),
    (0.5, _UNWRITTEN, _begun),
    (0.5, 0.0, _looking),
    (0.75, OTHER_LETTER, other_vowels),
    (1.0, 0.0, _thick),
    (1.25, 0.0, _beside),
    (1.5, OTHER_LETTER, _sounding),
    (2.5, OTHER_LETTER, _lisped),
    (3.0, 0.0, _voweled),
    (3.0, 0.0, _shuffled),
    (5.0, 0.0, _unusual),
)
"""Kinds of slips: what a word must be commoner by, in units of the words' cost, in any case and for each letter that
only one of the two words has; and what it may be meant for. The likelier kinds first."""
KINDS_OF_SHORT = tuple(kind for kind in KINDS if kind[2] in (usual, _looking, _thick, _sounding))
WITHOUT_VOWELS = (0.0, 0.0, _voweled)
