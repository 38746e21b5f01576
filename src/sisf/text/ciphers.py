"""Pieces of a text that do not read as English, and what else they may be read as.

A piece gets another reading only when that one reads as English clearly better: other languages, names and machine
text keep their own. The work on a text is bounded: so many pieces are looked at, and more the longer it is.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from string import ascii_lowercase as letters

from sisf.text import games
from sisf.text.mending import FEWEST_CHANGED, mended, retyped
from sisf.text.once import once
from sisf.text.words import at_most, costs, foreign, readable, spoken, strangeness, unevenness, unknown_letters

_STRANGE = 3.2
"""`strangeness` from which a piece is looked at, if it looks foreign too. The median of honest English is 1.8."""
_READS = 3.6
"""What another reading must at most have."""
_BETTER = 0.72
"""And at most this part of what the piece has."""
_EVEN, _KNOWN = 2.4, 0.7
"""What another reading word by word may at most have (`unevenness`), and the least share of its letters in known words:
one name or rare word among them is none of what hides them, and does not tell against the others."""
_GUESSED = 1.3
"""What the unevenness of words counts that are guessed: those make something that reads of much, other ways do not."""
_FEWEST_LETTERS = 12
_FEWEST_OF_SHORT = 2
"""Words that must be mended in a piece of a short text without names."""
_NAME = re.compile(r"\S\s+[^\w\s]*[A-Z]")
"""A capitalised word that does not open the piece: what is in no list may be a name as well."""
_LONGEST = 600
_SAMPLE = 160
"""Characters on which ciphers are tried; one that reads is then undone in all of the piece."""
_PIECES, _CHARS_A_PIECE = 6, 12_000
"""Pieces looked at in any text, and the characters of a text for each one more."""

_BORDER = re.compile(r"[\n.!?:](?:(?<=\n)|(?=\s))")
"""A line break, or the end of a sentence or of a label; as one class of characters first, which is found more than
twice as fast."""
_MARKS = re.compile(r"[.!?:]{0,3}")
_SPACE = re.compile(r"\s+")
_SIGNS = re.compile(r"\S")
_FEWEST_SIGNS = 20
_MANY = re.compile(rf"(?:[A-Za-z][^A-Za-z]*){{{_FEWEST_LETTERS}}}")
_ANY = re.compile(rf"(?:[A-Za-z][^A-Za-z]*){{{_FEWEST_LETTERS // 2}}}")
_INSIDE = re.compile(r"(?<=[^\W\d_])[^\w\s]{1,3}(?=[^\W\d_])")
_MASKS = re.compile(r"[A-Za-z][*#?_]{1,3}[A-Za-z]")
_RUN = re.compile("[A-Za-z]{2,}")
_SHIFTS = tuple(f"shift {k}" for k in range(1, 26))
_SIGNS_TOO = "shift 47"
"""The cipher that makes letters of signs."""
_BECOMES_ASCII = re.compile("[\u0130\u212a]")
"""The foreign letters that are ASCII in lower case."""
_KEYS = "qwertyuiopasdfghjklzxcvbnm"


def pieces(text: str) -> Iterator[str]:
    """Sentences and lines, cut where they are long; together they are the text."""
    start = border = 0
    while start < len(text):
        if border <= start:
            found = _BORDER.search(text, start)
            border = found.start() if found else len(text)
        end = min(border, start + _LONGEST)
        space = _SPACE.match(text, start) if end == start else None
        end = space.end() if space else _MARKS.match(text, end).end()  # type: ignore[union-attr]
        yield text[start:end]
        start = end


def readings(text: str, *, long: bool = False, typed: bool = False) -> dict[str, str]:
    """By the name of a reading what it makes of the pieces that do not read, a line each. `long`: it is a piece of a
    long one, in which much stands that is no English. `typed`: single words are mended in what reads, too."""
    found: dict[str, list[str]] = {}
    if _ANY.search(text) is None:
        return {}
    for piece in strange_pieces(text):
        for name, read in _read(piece, long=long):
            found.setdefault(name, []).append(read.strip())
    if typed and not long and len(text) <= _LONGEST and not found:
        found[_MENDED] = [
            made.strip() for made in map(retyped, pieces(text)) if made is not None and reads_word_by_word(made)
        ]
    return {name: "\n".join(lines) for name, lines in found.items() if lines}


def reads(text: str, instead_of: str = "") -> bool:
    """Whether a text reads as English, and better than another one."""
    return 0 < strangeness(text) <= (_limit(instead_of) if instead_of else _READS)


def reads_word_by_word(text: str) -> bool:
    """Whether most words of a text are English, whatever the others are."""
    return 0 < unevenness(text) <= _EVEN and readable(text) >= _KNOWN


def _limit(piece: str) -> float:
    """What another reading of a piece must at most have."""
    return min(_READS, _BETTER * strangeness(piece))


@lru_cache(maxsize=4)
def strange_pieces(text: str) -> Sequence[str]:
    """Neighbouring pieces that do not read, as one; the first ones of a text, more of a longer one. Remembered for a
    moment: several readings begin with them."""
    return tuple(islice(_strange(text), _PIECES + len(text) // _CHARS_A_PIECE))


def _strange(text: str) -> Iterator[str]:
    block: list[str] = []
    size = 0
    for piece in pieces(text):
        plain = _enough(piece) and not _odd(piece)
        if plain or size + len(piece) > _LONGEST:
            yield from _worth(block)
            block, size = [], 0
        if plain:
            continue
        block.append(piece)
        size += len(piece)
    yield from _worth(block)


def _worth(block: list[str]) -> Iterator[str]:
    piece = "".join(block)
    if _enough(piece) and _odd(piece):
        yield piece


def _enough(piece: str) -> bool:
    if _MANY.search(piece) is not None:
        return True
    return _ANY.search(piece) is not None and len(_SIGNS.findall(piece)) >= _FEWEST_SIGNS


def _odd(piece: str) -> bool:
    return strangeness(piece) >= _STRANGE and foreign(piece)


def _read(piece: str, *, long: bool) -> Iterator[tuple[str, str]]:
    """Other readings of a piece. The first that reads is enough, slips apart: those may be what hides another one."""
    lower = piece.lower()
    most = _BETTER * strangeness(piece)
    best: tuple[float, str, str] | None = None
    fewest = FEWEST_CHANGED if long or _NAME.search(piece) else _FEWEST_OF_SHORT
    made_so = [(_MENDED, _mended(lower, fewest)), *((name, make(lower)) for name, make in _WAYS.items())]
    for name, made in made_so:
        if made is None or not 0 < (strange := strangeness(made)) <= most:
            continue
        uneven, guessed = unevenness(made), name in _GUESSES
        if reads_word_by_word(made) or (strange <= _READS and not guessed):
            score = uneven * (_GUESSED if guessed else 1.0)
            best = (score, name, made) if best is None or score < best[0] else best
    cipher = _cipher(piece)
    if cipher is not None and (best is None or unevenness(cipher[1]) < best[0]):
        yield cipher
    elif best is not None:
        yield best[1], best[2]


def _cipher(piece: str) -> tuple[str, str] | None:
    """The substitution of letters that makes the piece read, if one does."""
    sample = piece[:_SAMPLE]
    limit = _limit(sample)
    for turned, suffix in ((sample, ""), (sample[::-1], " reversed")):
        tables = _likely(turned, limit)
        if not tables:
            continue
        name, table = min(tables.items(), key=lambda item: strangeness(turned.translate(item[1])))
        if 0 < strangeness(turned.translate(table)) <= limit:
            return name + suffix, (piece[::-1] if suffix else piece).translate(table)
    return None


def _likely(text: str, limit: float) -> dict[str, dict[int, int]]:
    """The ciphers that may leave a text no stranger than `limit`, and those that leave it without a letter.

    A table of letters keeps the words apart, so it is enough to count what its longest words cost until that is too
    much already."""
    tables = _tables()
    if _BECOMES_ASCII.search(text):
        return tables
    words = _longest_first(text)
    other = _longest_first(text.translate(tables[_SIGNS_TOO]))
    shifted = _may_be_shifted(words, limit)
    found = {}
    for name, table in tables.items():
        if name == _SIGNS_TOO:
            likely = at_most(limit, other, {})
        else:
            likely = (shifted or name not in _SHIFTS) and at_most(limit, words, table)
        if likely:
            found[name] = table
    return found


def _longest_first(text: str) -> list[str]:
    return sorted(spoken(text.lower()), key=len, reverse=True)


def _may_be_shifted(words: list[str], limit: float) -> bool:
    """Whether words may be no stranger than `limit` in some shift: those that are none in any cost too much already
    where this is False."""
    known, most = _unshifted(), unknown_letters(limit, words)
    for word in words:
        if _from_a(word) not in known:
            most -= len(word)
            if most < 0:
                return False
    return True


@once
def _unshifted() -> frozenset[str]:
    """All words, shifted so that they begin with `a`."""
    return frozenset(map(_from_a, costs()))


def _from_a(word: str) -> str:
    return word if word[0] == "a" else word.translate(_tables()[_SHIFTS[ord("z") - ord(word[0])]])


@once
def _tables() -> dict[str, dict[int, int]]:
    """Ciphers by name, as tables that undo them."""
    tables = {name: _table(letters, letters[k:] + letters[:k]) for k, name in enumerate(_SHIFTS, 1)}
    tables["mirror"] = _table(letters, letters[::-1])
    tables["keys right"] = _table(_KEYS[1:] + _KEYS[:1], _KEYS)
    tables["keys left"] = _table(_KEYS, _KEYS[1:] + _KEYS[:1])
    tables[_SIGNS_TOO] = {33 + i: 33 + (i + 47) % 94 for i in range(94)}
    tables["as it stands"] = {}
    return tables


def _table(coded: str, clear: str) -> dict[int, int]:
    return str.maketrans(coded + coded.upper(), clear + clear.upper())


def _tightened(lower: str) -> str | None:
    """Words without the signs inside them."""
    tight = _INSIDE.sub("", lower)
    return tight if tight != lower else None


def _every_other(lower: str) -> str | None:
    """Every second letter of each word, the first included."""
    return _RUN.sub(lambda m: m[0][::2], lower)


def _mended(lower: str, fewest: int) -> str | None:
    """Words mended; without the signs inside them where that reads better, unless they mask letters and so read."""
    made, tight = mended(lower, fewest=fewest), _tightened(lower)
    if tight is None or (made is not None and _MASKS.search(lower) and reads_word_by_word(made)):
        return made
    both = [each for each in (made, mended(tight, fewest=fewest)) if each is not None]
    return min(both, key=unevenness, default=None)


_MENDED, _REJOINED, _TURNED = "mended", "rejoined", "words turned"
_GUESSES = (_MENDED, _REJOINED, _TURNED)
_WAYS: dict[str, Callable[[str], str | None]] = {
    "tightened": _tightened,
    _REJOINED: games.respaced,
    "every other letter": _every_other,
    "pig latin": games.pig_latin,
    "syllables taken out": games.without_syllable,
    _TURNED: games.turned,
    "vowels exchanged": games.revoweled,
}
"""The ways to read a piece in lower case; None: nothing in it asks for this one."""
