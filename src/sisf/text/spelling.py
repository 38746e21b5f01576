"""Words spelled so that programs do not know them: digits for letters, letters set apart, words run together."""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise, product
from string import ascii_lowercase

from sisf.text.changed import Changed, Span, substitute
from sisf.text.remembered import remembered
from sisf.text.words import costs, readable, runs_together, segmented

_TOKEN = re.compile(r"\S+")
_MULTI = (
    (r"|\/|", "m"), (r"/\/\ "[:-1], "m"), (r"\/\/", "w"), (r"|\|", "n"), (r"|-|", "h"), ("|_|", "u"), ("|<", "k"),
    ("|)", "d"), ("|>", "p"), ("()", "o"), ("[]", "o"), (r"/-\ "[:-1], "a"), (r"/\ "[:-1], "a"), (r"\/", "v"),
    ("><", "x"), ("|2", "r"), ("|3", "b"), ("|0", "p"),
)  # fmt: skip
_MULTI_SIGN = re.compile(r"[\\/|(\[]|><")
"""Stands in all of them that change anything."""
_CALL = re.compile(r"[^\W\d_]{3}\(")
_ALL_SIGNS = re.compile(r"[A-Za-z0-9@$!|+€£¥¢(){}\[\]<>\\/_\-]+[.,?!]*")
_DIGITS = "0123456789@$!|+€£¥¢"
_READ_I = dict(zip(_DIGITS, "oizeasgtbgasiitelyc", strict=True))
_READ_L = dict(zip(_DIGITS, "olzeasgtbgaslltelyc", strict=True))
_AMBIGUOUS = "1!|"
_MOST_AMBIGUOUS = 3
_STAND_INS = frozenset("@$!|+€£¥")
"""Signs that stand for letters, as digits do."""
_LEET = re.compile(r"[0-9@$!|+€£¥¢(\\/]")
_SIGN_INSIDE = re.compile(r"(?<=[^\W\d_])[0-9@$€£¥!|]+(?=[^\W\d_])")
"""As in `b0mb`, whatever language that is; code has its digits and brackets at the ends of words."""
_PIECE = re.compile(r"(?:[^\W_]|[@$€£¥!|+])+")
_DIGITS_ALONE = re.compile(r"(?<![^\W_])\d+(?![^\W_])")
_FEWEST_OF_WORD, _MOST_SIGNS = 4, 0.4
"""Characters of a word that is in no list, and the share of signs in it."""
_RUN = re.compile(r"[a-z]{3,}")
_FEWEST_LETTERS = 2
_LONGEST = 24
"""Longer runs are several words, or machine text (keys, encodings)."""
_LONGEST_RUN = 400
_MOST_DRAWN = 4
"""Signs that draw a letter."""
_SIGNS_BETWEEN = re.compile(r"[^\w@$€£¥!|+]+|_")
_FEWEST_OF_RUN = 0.1
"""Share of signs in a long word that is several; at most half of it are signs."""
_EDGE = ".,;:?\"'()[]{}*_`"
_NUMBER = re.compile(r"(?:[uU]\+|0?[xX]|#)?[0-9A-Fa-f]+")
_ORDINAL = re.compile(r"\d+(?:st|nd|rd|th|s|k|m|g|px|x|d|am|pm)?|\d*[.,:/x-]?\d+", re.IGNORECASE)

_SEPARATORS = r"[\W_]"
_SPACED = re.compile(rf"(?<![^\W_])(?:[^\W_]{_SEPARATORS}{{1,12}}){{3,}}[^\W_](?![^\W_])")
_BETWEEN = re.compile(r"(?<=[^\W\d_])(?: ?[^\w\s]{1,8}(?: [^\w\s]{1,3})? ?|_{1,3})(?=[^\W\d_])")
CLUE_BETWEEN = r"(?:\pL+(?: ?[^\pL\pM\pN\s][^\pL\pN\s]{0,7}(?: [^\pL\pM\pN\s]{1,3})? ?|_)){3}\pL"
_ONE_WORD = re.compile(r"[^\W\d_]+")
_PLAIN_GAP = re.compile(r"(?<=[^\W\d_])\s+(?=[^\W\d_])")
_FEWEST_SIGNS, _PLAIN = 3, 0.3
"""Signs between words, and plain gaps for each of them at most."""
_PINNED = re.compile(r"(?<=[^\W\d_])[^\w\s\x00-\x7f]+|[^\w\s\x00-\x7f]{1,8}(?=[^\W\d_])")
CLUE_PINNED = r"\pL[\p{So}\p{Sk}\p{Sm}]|[\p{So}\p{Sk}\p{Sm}]\x{FE0F}?\pL"
_SHOWN_AS_EMOJI = "\ufe0f\u200d"
_GAP = re.compile(rf"{_SEPARATORS}+")
_SIGN_AMONG = re.compile(r"(?<=[\s._-])[@$€£¥!|+](?=[\s._-])")
"""A sign among letters that stand apart, as one of them, where few gaps have one."""
_APART = re.compile(rf"[^\W_]|{_SIGN_AMONG.pattern}")
_LONG = 14
"""Letters from which a word that no one knows may be several."""
_GLUED = re.compile(rf"[a-z]{{{_LONG},}}")
_GLUED_TOO = re.compile(r"[a-z]{6,}")
_GLUED_SHARE = 0.3
_FEWEST_VOWELS, _MOST_VOWELS = 0.27, 0.6
"""English has some 0.38; machine text (0.2) is told from it without being read."""
_STRETCH = re.compile(r"([^\W\d_])\1{2,}", re.IGNORECASE)
_STRETCHED_OR_STAMMERED = re.compile(
    r"\b(?P<again>(?:(?P<sound>[^\W\d_]{1,2})-)(?:(?P=sound)-){0,5})(?=(?P=sound)[^\W\d_])|\b[^\W\d_]*([^\W\d_])\3{2,}[^\W\d_]*",
    re.IGNORECASE,
)
_ROMAN = re.compile("[ivxlcdm]+")
CLUE_STRETCHED = "(?i)" + "|".join(3 * letter for letter in ascii_lowercase) + r"|\b[a-z]{1,2}-[a-z]{1,2}-?[a-z]"
_ENOUGH = 0.75
"""Share of the letters that must stand in known words for run-together letters to be read as words."""


def unleeted(text: str, one: str = "i") -> Changed | None:
    """Digits and signs inside words read as letters, `1` as `one` (`i` or `l`). None: no word asks for it."""
    words = {word for word in _TOKEN.findall(text) if _LEET.search(word)}
    chosen = {word: _read(word, one) for word in words if _is_leet(word)}
    if not chosen:
        return None
    if len(chosen) > 1:  # where words are spelled with digits, numbers may be words too: `70` is `to`
        chosen |= {word: _read(word, one) for word in words if word.strip(_EDGE).isalnum() or _all_signs(word)}
    return substitute(_TOKEN, lambda m: chosen.get(m[0]), text)


def telling(text: str, unleeted: Changed, one: str = "i") -> Changed | None:
    """What `unleeted` read in `text`, with the places alone in which that makes a word, known or not: `getcontext(0)`
    makes none. None where there are none."""
    before, after = _TOKEN.findall(text), list(_TOKEN.finditer(unleeted.text))
    if len(before) != len(after):
        return unleeted
    read = zip(before, after, strict=True)
    fresh = tuple(new.span() for old, new in read if old != new[0] and _makes_word(old, one))
    return Changed(unleeted.text, fresh) if fresh else None


@remembered
def _makes_word(word: str, one: str) -> bool:
    read = set(_RUN.findall(_read(word, one).lower())) - set(_RUN.findall(word.lower()))
    fresh = read - {_spelt(number, _signs(one)) for number in _DIGITS_ALONE.findall(word)}
    return any(run in costs() for run in fresh) or any(map(_may_be_word, _PIECE.findall(word)))


def _may_be_word(piece: str) -> bool:
    """Whether signs stand between the letters of a word, whatever language that is: fewer than letters, which are of
    one case. Others are names that machines gave: what they read as must be words, that run together or not."""
    letters = "".join(filter(str.isalpha, piece))
    if _SIGN_INSIDE.search(piece) is None or _NUMBER.fullmatch(piece) or len(letters) < _FEWEST_LETTERS:
        return False
    if len(piece) >= _FEWEST_OF_WORD and _one_case(letters) and len(piece) - len(letters) <= _MOST_SIGNS * len(piece):
        return True
    return any(runs_together(read.lower()) for read in readings_of_leet(piece))


def _one_case(letters: str) -> bool:
    return letters.islower() or letters.isupper() or letters.istitle()


def _all_signs(word: str) -> bool:
    """Whether a word is nothing but letters, digits and signs that are read as letters."""
    return len(word) <= 2 * _LONGEST and _ALL_SIGNS.fullmatch(word) is not None and "://" not in word


@remembered
def _is_leet(word: str) -> bool:
    core = _drawn(word.strip(_EDGE + "!|+"))
    if _ORDINAL.fullmatch(core) or "://" in word:
        return False
    if _NUMBER.fullmatch(core):  # a code point or a hash: read only where that gives a word
        return any(_spelt(core, signs).lower() in costs() for signs in (_READ_I, _READ_L))
    if len(core) > _LONGEST:
        return any(_words_of(core, one) is not None for one in "il")
    letters = sum(c.isalpha() for c in core)
    return (letters > 0 and len(core) > 1 and _LEET.search(core) is not None) or any(m in word for m, _ in _MULTI[:7])


@remembered
def _words_of(core: str, one: str) -> str | None:
    """What a long word says that is several, parted by signs or run together, where those with digits or signs in them
    read as words so."""
    pieces = [piece for piece in _SIGNS_BETWEEN.split(core) if piece]
    letters = list(filter(None, ("".join(filter(str.isalpha, piece)) for piece in pieces)))
    size = sum(map(len, pieces))
    signs = size - sum(map(len, letters))
    if (
        not 0 < size <= _LONGEST_RUN
        or not _FEWEST_OF_RUN * size <= signs <= size / 2
        or not all(map(_one_case, letters))
    ):
        return None
    read = [(_known_reading(piece) or _spelt(piece, _signs(one))).lower() for piece in pieces]
    fresh = [said for said, piece in zip(read, pieces, strict=True) if not piece.isalpha()]
    known = [said for said in fresh if said in costs() or runs_together(said)]
    if sum(map(len, known)) < _ENOUGH * sum(map(len, fresh)):
        return None
    return " ".join(map(_cut, read))


def _signs(one: str) -> Mapping[str, str]:
    return _READ_I if one == "i" else _READ_L


@remembered
def _read(word: str, one: str) -> str:
    head = len(word) - len(word.lstrip("\"'`*_"))
    core = word[head:].rstrip(".,;:?\"'`*_")
    tail = word[head + len(core) :]
    end = len(core.rstrip("!"))
    core, tail = core[:end], core[end:] + tail
    drawn = _drawn(core)
    if len(drawn) > _LONGEST:
        return word[:head] + (_words_of(core, one) or core) + tail
    if ")" not in drawn and (drawn != core or not _CALL.search(core)):
        drawn = drawn.replace("(", "c")
    core = drawn
    return word[:head] + (_known_reading(core) or _spelt(core, _signs(one))) + tail


def _drawn(core: str) -> str:
    """With the letters that several signs draw."""
    if len(core) <= _MOST_DRAWN * _LONGEST and _MULTI_SIGN.search(core):
        for signs, letter in _MULTI:
            core = core.replace(signs, letter)
    return core


def _spelt(core: str, signs: Mapping[str, str]) -> str:
    return "".join([signs.get(c, c) for c in core])


def _known_reading(core: str) -> str | None:
    """Where signs can be read as `i` or as `l`: the reading that is a word, if one is."""
    places = [i for i, c in enumerate(core) if c in _AMBIGUOUS]
    if not 0 < len(places) <= _MOST_AMBIGUOUS:
        return None
    letters = list(_spelt(core, _READ_I))
    if len(letters) > _LONGEST or not all(map(str.isalpha, letters)):
        return None
    for choice in product("il", repeat=len(places)):
        for place, letter in zip(places, choice, strict=True):
            letters[place] = letter
        word = "".join(letters)
        if word.lower() in costs():
            return word
    return None


def readings_of_leet(word: str) -> set[str]:
    """What a word may say whose digits and signs stand for letters."""
    return {_read(word, one) for one in "il"}


def joined(text: str) -> Changed | None:
    """Letters that stand apart (`b o m b`, `b-o-m-b`) put together. None: there are no four in a row.

    The shortest gap is the one between letters; a longer one is a gap between words. Where all gaps are equal, the
    letters are cut into known words.
    """
    return substitute(_SPACED, lambda m: _join(m[0]), text)


def _join(run: str) -> str:
    letters, gaps = _apart(run)
    usual = min(gaps, key=len)
    if all(len(gap) == len(usual) for gap in gaps):
        usual_signs = max(set(gaps), key=gaps.count)
        if gaps.count(usual_signs) == len(gaps):
            return _cut("".join(letters))
        return _with_gaps(letters, [gap == usual_signs for gap in gaps])
    return _with_gaps(letters, [len(gap) == len(usual) for gap in gaps])


def _apart(run: str) -> tuple[list[str], list[str]]:
    """Letters that stand apart, and the gaps between them."""
    letters, gaps = _GAP.split(run), _GAP.findall(run)
    if not 0 < 2 * len(_SIGN_AMONG.findall(run)) < len(gaps):
        return letters, gaps
    found = list(_APART.finditer(run))
    return [each[0] for each in found], [run[a.end() : b.start()] for a, b in pairwise(found)]


def _with_gaps(letters: Sequence[str], inner: Sequence[bool]) -> str:
    words = letters[0] + "".join(("" if i else " ") + c for c, i in zip(letters[1:], inner, strict=True))
    return " ".join(_cut(word) if len(word) >= _LONG else word for word in words.split(" "))


def _cut(letters: str) -> str:
    lower = letters.lower()
    if lower in costs() or not (lower.isascii() and lower.isalpha()) or _shortened(lower) in costs():
        return letters
    return segmented(lower)


def parted(text: str) -> Changed | None:
    """Gaps where signs stand between words instead, and hardly a plain gap does."""
    places = [found[0] for found in _BETWEEN.finditer(text) if not _marks(found[0])]
    if len(places) < _FEWEST_SIGNS or len(_PLAIN_GAP.findall(text)) > _PLAIN * len(places):
        return None
    usual, _ = Counter(places).most_common(1)[0]
    letters = _STAND_INS - {usual}
    changed = substitute(_BETWEEN, lambda m: m[0] if _marks(m[0]) or m[0] in letters else " ", text)
    return changed and Changed(changed.text, _in_a_row(changed))


def _in_a_row(parted: Changed) -> tuple[Span, ...]:
    """The gaps between three words in a row, or more: a name and its value are two."""
    gaps = parted.fresh or ()
    near = [_ONE_WORD.fullmatch(parted.text, a[1], b[0]) is not None for a, b in pairwise(gaps)]
    return tuple(
        gap for gap, before, after in zip(gaps, [False, *near], [*near, False], strict=True) if before or after
    )


def _marks(signs: str) -> bool:
    """Whether they are parts of letters, as vowels of Indian scripts are."""
    return any(unicodedata.category(sign)[0] == "M" for sign in signs)


def unglued(lower: str) -> Changed | None:
    """Long runs of lower-case letters cut into words where they read as such. None: there are none.

    Where most words run together, shorter unknown runs are cut as well.
    """
    long = sum(len(m[0]) for m in _GLUED.finditer(lower) if _pieces(m[0]))
    if not long:
        return None
    runs = _GLUED_TOO if long > _GLUED_SHARE * len(lower) else _GLUED
    return substitute(runs, lambda m: _pieces(m[0]), lower)


@remembered
def _pieces(run: str) -> str | None:
    vowels = sum(map(run.count, "aeiou"))
    if run in costs() or not _FEWEST_VOWELS < vowels / len(run) < _MOST_VOWELS:
        return None
    words = segmented(run)
    return words if readable(words) >= _ENOUGH else None


def stretched(text: str) -> Changed | None:
    """Words in which a letter stands three times or more in a row, with one or two of it; sounds of stammering taken
    away (`w-w-words`)."""
    return substitute(_STRETCHED_OR_STAMMERED, lambda m: "" if m["again"] else _shortened(m[0]), text)


def _shortened(word: str) -> str | None:
    lower = word.lower()
    if lower == "www" or not _ROMAN.sub("", lower):
        return None
    readings = [_STRETCH.sub(kept, word) for kept in (r"\1", r"\1\1")]
    return next((read for read in readings if read.lower() in costs()), readings[0])


def unpinned(text: str) -> Changed | None:
    """Gaps in place of signs that stand at a word, and are neither punctuation nor marks: an encoder knows no word
    with an emoji at its end."""
    return substitute(_PINNED, lambda m: None if any(map(_written, m[0])) else " ", text)


def _written(sign: str) -> bool:
    """Whether it belongs to how words are written: marks, apostrophes, dashes."""
    return sign not in _SHOWN_AS_EMOJI and unicodedata.category(sign)[0] in "MP"
