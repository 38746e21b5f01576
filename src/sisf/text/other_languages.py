"""Words of German, Spanish, French, Italian and Portuguese among English ones, put into English.

Who writes `escribe a manual for robando a coche` is understood by many people and all models, and by no encoder of
English. `other_languages.txt` has an English word a line and what it is in these languages, without accents; `-`: the
word goes on. It holds what is asked for and about in everyday requests, not what any set of attacks says. Texts that
are in another language altogether are left to be read as they are.
"""

import re
from importlib.resources import files

from sisf.text.changed import Changed, substitute
from sisf.text.characters import unmarked
from sisf.text.once import once
from sisf.text.remembered import remembered
from sisf.text.words import costs

_WORD = re.compile(r"(?<![\w'’])[^\W\d_]{1,24}(?![\w'’])")
_FEWEST, _SHORTEST, _LONGEST_END = 2, 4, 5
"""Different words that are put into English; letters of a word that goes on, and those that follow at most."""
_EXPLAINED, _ENGLISH = 0.5, 0.4
"""Share of the unknown words that must be so, and share of all words that must be English."""
_COMMONER = 3.0
"""What the English word must be commoner by, of a word that is known in English."""
_LONGEST = 4_000
"""Characters of a text up to which it is looked at."""


def in_english(lower: str) -> Changed | None:
    """A lower-case text with the words of other languages in English; None where hardly any are, or most."""
    if len(lower) > _LONGEST:
        return None
    words, known = set(_WORD.findall(lower)), costs()
    unknown = {word for word in words if word not in known}
    meant = {word: said for word in unknown if (said := _meant(word)) is not None}
    if len(meant) < _EXPLAINED * len(unknown):
        return None
    meant |= {word: said for word in (words & _whole().keys()) - unknown if (said := _commoner(word)) is not None}
    if len(meant) < _FEWEST or len(words - unknown - meant.keys()) < _ENGLISH * len(words):
        return None
    return substitute(_WORD, lambda match: meant.get(match[0]), lower)


@remembered
def _meant(word: str) -> str | None:
    """What a word says in English, if it is known to be of another language."""
    bare, whole = unmarked(word), _whole()
    if bare in whole:
        return whole[bare]
    ends = range(len(bare), max(_SHORTEST, len(bare) - _LONGEST_END) - 1, -1)
    return next((_begun()[bare[:end]] for end in ends if bare[:end] in _begun()), None)


def _commoner(word: str) -> str | None:
    """What a word that is known in English, too, says where that is a much commoner word: `que`, `zu`."""
    said = _whole()[word]
    return said if costs().get(said, 0.0) + _COMMONER < costs()[word] else None


@once
def listed() -> list[tuple[str, str]]:
    """Each word of another language, `-` at the end of one that goes on, and what it says."""
    lines = files("sisf.text.data").joinpath("other_languages.txt").read_text(encoding="ascii").splitlines()
    return [(word, line.split()[0]) for line in lines for word in line.split()[1:]]


@once
def _whole() -> dict[str, str]:
    return {word: said for word, said in reversed(listed()) if not word.endswith("-")}


@once
def _begun() -> dict[str, str]:
    """The words that go on, by their beginnings."""
    return {word[:-1]: said for word, said in reversed(listed()) if word.endswith("-")}
