"""Characters with others between them: a mark behind each, every third one only, signs anywhere."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import compress, cycle
from operator import add

_LONGEST_PERIOD = 8
_FEWEST = 12
_MARKS = 3
_MARK_SHARE = 0.2
"""The commonest character of English, the blank, is rarer."""
_PAIRS = frozenset(
    """
    th in an er es he te at st re or ea nd on it en ri to nt ou se ho ti ha et de ro ar ra le ta ne ng sa is ed fo al ow
    as ac ve ch co la ic ec wh si rs ts ur na li me el ma ss ns lo om rt ai so pl ce of hi tt wi cr sc ca sh ll io tr us
    da ut
    """.split()
)
"""The commonest pairs of letters in English. Of its pairs 61 % are among them, of those of every second letter 33 %, of
pairs at random 12 %."""
_ENGLISH, _BETTER = 0.4, 1.25


def without_marks(characters: Sequence[str]) -> Iterator[str]:
    """What `characters` (empty for what is none) may say when others between them are left out: each second one, each
    third one …, all but those places of a period where the same ones stand again and again, all but the commonest, all
    that are letters. Only what looks more like English than they all do.

    Time: linear in their number.
    """
    whole = "".join(characters)
    letters = [char.lower() if char.isalpha() else "" for char in characters]
    before = _english("".join(letters))
    for period in range(2, _LONGEST_PERIOD + 1):
        parts = [characters[start::period] for start in range(period)]
        for start, part in enumerate(parts):
            if _english("".join(letters[start::period])) >= max(_ENGLISH, _BETTER * before):
                yield "".join(part)
        told = [len(set(part)) > min(_MARKS, len(part) // 2) for part in parts]
        if not all(told) and _english("".join(compress(letters, cycle(told)))) > max(_ENGLISH, before):
            yield "".join(compress(characters, cycle(told)))
    if before >= _ENGLISH and 2 * sum(map(bool, letters)) + 2 * whole.count(" ") <= len(whole):
        yield "".join(char for char in whole if char.isalpha() or char.isspace())
    elif whole:
        mark, times = Counter(whole).most_common(1)[0]
        said = whole.replace(mark, "")
        if times >= _MARK_SHARE * len(whole) and _english("".join(letters).replace(mark.lower(), "")) >= _ENGLISH:
            yield said


def _english(letters: str) -> float:
    """The share of common pairs among lower-case letters; 0.0 of a few."""
    if len(letters) < _FEWEST:
        return 0.0
    return sum(map(_PAIRS.__contains__, map(add, letters, letters[1:]))) / len(letters)
