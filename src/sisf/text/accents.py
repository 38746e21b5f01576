"""Words written as somebody speaks them who has an accent, lisps, or plays a child: `zat`, `fowwest`, `estop`.

Whoever writes so changes the same sounds everywhere. So a change of sounds is one where it makes known words of several
that are not; only such changes are undone, then in all words, and only where they explain most of the unknown ones.
That tells them from names and from other languages, however few the changed words are.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from string import ascii_lowercase

from sisf.text.changed import Changed, substitute
from sisf.text.once import once
from sisf.text.remembered import remembered
from sisf.text.words import beginnings, costs

ANYWHERE, FIRST, LAST, BEHIND_CONSONANT = "", "first", "last", "behind a consonant"
"""Where in a word a sound may stand for another one."""


@dataclass(frozen=True, slots=True)
class Sound:
    """Letters that are written for others."""

    written: str
    meant: str
    where: str = ANYWHERE

    def at(self, word: str, place: int) -> bool:
        """Whether it may be undone at this place."""
        if not word.startswith(self.written, place):
            return False
        if self.where == LAST:
            return place > 0 and place + len(self.written) == len(word)
        if self.where == FIRST:
            return place == 0
        return self.where != BEHIND_CONSONANT or (place > 0 and word[place - 1] not in "aeiouwy")


SOUNDS: tuple[Sound, ...] = (
    *(Sound(*pair.split(":")) for pair in "w:r w:l r:l l:r v:w w:v b:v v:b y:j j:y d:t t:d p:b".split()),
    *(Sound(said, "th") for said in "dzsftv"),
    *(Sound(*pair.split(":")) for pair in "th:s s:sh sh:s sh:ch ch:sh ny:n ee:i i:ee oo:ou oo:ow u:o uv:ove".split()),
    *(Sound(*pair.split(":")) for pair in "z:s k:c f:ph kw:qu shun:tion".split()),
    Sound("es", "s", FIRST),
    Sound("", "h", FIRST),
    *(Sound(written, "", BEHIND_CONSONANT) for written in "wuo"),
    *(
        Sound(written, meant, LAST)
        for written, meant in (("a", ""), ("a", "er"), ("ah", "er"), ("in", "ing"), ("ae", "o"))
    ),
)
"""What is written for what."""
_WORD = re.compile(r"(?<![\w'’])[a-z]{2,20}(?![\w])")
_MOST_CHANGES, _EACH = 5, 1.0
"""Changes in a word, and what a word must be commoner by for each of them."""
_FEWEST, _EXPLAINED = 2, 0.5
"""Words for which a change must be made to be one, and the share of the unknown words that must be explained."""
_FEWEST_OF_HALF = 5
"""Letters of each of two words that are written as one."""
_COMMONER = 2.0
"""What a word must be commoner by that is meant by another known one."""
_LONGEST, _MOST_WORDS = 4_000, 80
"""Characters of a text, and different unknown words, up to which it is looked at."""

Reading = tuple[float, str, int]
"""What a word may be meant for: what that costs, the word, and which of `SOUNDS` are undone, a bit for each."""
_ALL = (1 << len(SOUNDS)) - 1


def heard(lower: str) -> Changed | None:
    """A lower-case text with the sounds undone that are changed all over it; None where there are none."""
    if len(lower) > _LONGEST:
        return None
    known, words = costs(), set(_WORD.findall(lower))
    unknown = {word for word in words if word not in known}
    if not 0 < len(unknown) <= _MOST_WORDS:
        return None
    likely = _changed(unknown, _ALL)
    if len(likely) < _EXPLAINED * len(unknown):
        return None
    likely |= _changed(words - unknown, _ALL)
    times = Counter(place for _, _, used in likely.values() for place in range(len(SOUNDS)) if used >> place & 1)
    usual = sum(1 << place for place, count in times.items() if count >= _FEWEST)
    explained = _changed(unknown, usual)
    if len(explained) < max(1, _EXPLAINED * len(unknown)):
        return None
    changed = _changed(unknown, _ALL) | explained | _changed(words - unknown, usual)
    if len(changed) < _FEWEST:
        return None
    return substitute(_WORD, lambda match: changed[match[0]][1] if match[0] in changed else None, lower)


def _changed(words: Iterable[str], sounds: int) -> dict[str, Reading]:
    """The words that are likelier meant for others, if such sounds may be undone."""
    return {word: reading for word in words if (reading := _meant(word, sounds))[1] != word}


@remembered
def _meant(word: str, sounds: int) -> Reading:
    """What a word is likeliest meant for, if such sounds may be undone. A known word is meant for another one where
    that is much commoner."""
    as_it_stands = costs().get(word, float("inf")), word, 0
    found = min(_readings(word, sounds), default=as_it_stands)
    return found if found[0] + _COMMONER < as_it_stands[0] else as_it_stands


def _readings(word: str, sounds: int) -> Iterator[Reading]:
    """The known words, or two that are written as one, that a word becomes."""
    begun, known = beginnings(), costs()
    places = [_at(word, place, sounds) for place in range(len(word))]
    left = [(0, "", "", 0, 0)]
    while left:
        place, first, said, changes, used = left.pop()
        if place == len(word):
            if used and said in known:
                yield known[said] + (known[first] if first else 0.0) + _EACH * changes, first + said, used
            continue
        if not first and said in known and min(len(said), len(word) - place) >= _FEWEST_OF_HALF:
            left.append((place, said, "", changes, used))
        if said + word[place] in begun:
            left.append((place + 1, first, said + word[place], changes, used))
        if changes < _MOST_CHANGES:
            left += [
                (end, first, said + meant, changes + 1, used | sound)
                for end, meant, sound in places[place]
                if not said + meant or said + meant in begun
            ]


def _at(word: str, place: int, sounds: int) -> list[tuple[int, str, int]]:
    """What sounds may be undone at a place in a word: where what was written ends, what is meant, which one it is."""
    found = []
    for number, sound in _by_first().get(word[place], ()):
        if sounds >> number & 1 and sound.at(word, place):
            end = place + max(1, len(sound.written))
            found.append((end, sound.meant if sound.written else sound.meant + word[place], 1 << number))
    return found


@once
def _by_first() -> dict[str, list[tuple[int, Sound]]]:
    """The sounds by the letter with which what is written begins, each with its number; those of which nothing is
    written, by any."""
    return {
        letter: [(number, sound) for number, sound in enumerate(SOUNDS) if sound.written[:1] in ("", letter)]
        for letter in ascii_lowercase
    }
