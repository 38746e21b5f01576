"""Pictures of letters: words drawn with `#`, `*` or blocks over several lines, as programs for banners draw them.

A letter is held against three small fonts; which one it is meant to be is settled by the words of its length, and by
the words in which the same drawing stands elsewhere. Outlines (`_ / | \\`) in which letters touch are not read.
Time: linear in the text, for a bounded number of words.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain, islice, pairwise
from string import ascii_lowercase as letters

import numpy as np
from numpy.typing import NDArray

from sisf.text.changed import Changed
from sisf.text.ciphers import reads_word_by_word
from sisf.text.known_words import known_words
from sisf.text.once import once
from sisf.text.remembered import remembered
from sisf.text.words import costs, unevenness

_INK = r"#*@%$&+=█▓▒■●⬛🟥🟦⚫_|/\\!:,'\"`~^8dPbYDVXxOo0"
"""What letters are drawn with, capitals and digits among them that look like a stroke."""
CLUE_BANNERS = rf"(?:[ \t]*[{_INK}]+(?:[ \t]+[{_INK}]+){{2,}}[ \t]*\n){{3}}"
_ROW = re.compile(rf"[\s{_INK}.]+")
_LEAST, _MOST = 4, 12
"""Lines of a letter."""
_WIDEST = 14
_MOST_WORDS, _LONGEST = 40, 24
_WIDTH, _HEIGHT = 5, 7
_LIKELY = 15.0
"""How far a letter may be from the nearest one and be told from the words it stands in; in fields of a font."""
_COST = 0.25
"""What a commoner word is worth, in fields."""
_ROUNDS, _AGREED = 3, 8.0
"""How often words are read anew with what the others say of the same drawings; and how far away, in fields, a letter is
that none of them says."""
_GAPS = (0.0, 0.8)
"""Gaps between words that are tried, by the width of the widest letter: where all letters have the same room, those
around a narrow one are wide."""
_FARTHEST = 7.5
"""Fields that drawn letters may be away from what they are read as, in the mean; those of fonts are 1 to 7, of other
drawings 8 to 12."""
_DOUBT = 0.05
"""What speaks for each letter before any word is read, in words."""
_LARGE_LETTERS = (
    "7c1211127c 7f49494936 3e41414122 7f4141413e 7f49494941 7f09090901 3e41415173 7f0808087f 00417f4100 2040413f01 "
    "7f08142241 7f40404040 7f021c027f 7f0408107f 3e4141413e 7f09090906 3e4151215e 7f09192946 2649494932 03017f0103 "
    "3f4040403f 1f2040201f 3f4038403f 6314081463 0304780403 6159494d43"
).split()
"""A to Z in 5 × 7 fields: a column each two digits, the topmost field last."""
_ROWS = (
    "25755 65656 34443 65556 74647 74644 74557 55755 72227 11157 55655 44447 57755 75555 75557 75744 75571 65655 74717 "
    "72222 55557 55552 55775 55255 55222 71247"
).split()
"""A to Z in 3 × 5 fields: a row each digit."""
_SMALL_LETTERS = (
    "e1fhf gguhhhu fgggf 11fhhhf ehvge 68s8888 fhhf1e gguhhhh 80o888s 40444k8 ggikoki o88888s qllll uhhhh ehhhe uhhugg "
    "fhhf11 moggg fge1u 88u8886 hhhhf hhha4 hllla ha4ah hhhf1e v248v"
).split()
"""a to z: a row of five fields each digit, to base 32."""

Glyph = tuple[str, ...]
"""Rows of one letter, all of the same width; a blank is a field without ink."""


def from_banners(text: str) -> Changed | None:
    """The words that are drawn, block by block; None where those do not read."""
    blocks = list(islice(_blocks(text), _MOST_WORDS))
    said = filter(None, (_said(blocks, gap) for gap in _GAPS))
    best = min(said, key=unevenness, default=None)
    return Changed(best) if best is not None else None


def _said(blocks: Sequence[Sequence[str]], gap: float) -> str | None:
    """What blocks say where words are parted by gaps of so many letters' width; None where that does not read."""
    words = list(islice((word for block in blocks for word in _words(block, gap)), _MOST_WORDS))
    if len(words) < 2 or any(len(word) > _LONGEST for word in words):
        return None
    read, far = _read(words)
    said = " ".join(read)
    return said if far <= _FARTHEST and reads_word_by_word(said) else None


def _blocks(text: str) -> Iterator[list[str]]:
    """Neighbouring lines of ink and blanks."""
    block: list[str] = []
    for line in [*text.split("\n"), ""]:
        if line.strip() and _ROW.fullmatch(line):
            block.append(line.replace(".", " ").expandtabs(4))
            continue
        if _LEAST <= len(block) <= _MOST:
            yield block
        block = []


def _words(block: Sequence[str], wide: float) -> Iterator[tuple[Glyph, ...]]:
    """Letters of each word: columns without ink part letters; more of them, for so much of the widest letter, words."""
    width = max(map(len, block))
    columns = list(zip(*(line.ljust(width) for line in block), strict=True))
    runs: list[tuple[int, int]] = []
    for place, column in enumerate(columns):
        if all(map(str.isspace, column)):
            continue
        if runs and runs[-1][1] == place:
            runs[-1] = runs[-1][0], place + 1
        else:
            runs.append((place, place + 1))
    gaps = [later[0] - earlier[1] for earlier, later in pairwise(runs)]
    usual = min(gaps, default=1)
    most = usual + max(1.0, wide * max(end - start for start, end in runs))
    word: list[Glyph] = []
    for (start, end), gap in zip(runs, [*gaps, usual], strict=True):
        word.append(tuple("".join(row) for row in zip(*columns[start:end], strict=True)))
        if gap > most:
            yield tuple(word)
            word = []
    if word:
        yield tuple(word)


def _read(words: Sequence[Sequence[Glyph]]) -> tuple[list[str], float]:
    """Each word as the one of its length whose letters are nearest, the commoner of two that are as near; and how many
    fields letters are away from what they are read as, in the mean.

    The same drawing is the same letter: what the other words make of it counts as well as what it looks like.
    """
    drawn = list(dict.fromkeys(glyph for word in words for glyph in word))
    number = {glyph: place for place, glyph in enumerate(drawn)}
    looks = np.array([_distances(glyph) for glyph in drawn])
    places = [[number[glyph] for glyph in word] for word in words]
    far = looks
    read: list[str] = []
    said: list[list[int]] = []
    for _ in range(_ROUNDS):
        read = [_nearest(far[word]) for word in places]
        said = [_numbers(word) for word in read]
        votes = np.full_like(looks, _DOUBT)
        for word, meant, numbers in zip(places, read, said, strict=True):
            if meant in costs():
                np.add.at(votes, (word, numbers), 1.0)
        far = looks + _AGREED * (1.0 - votes / votes.sum(axis=1, keepdims=True))
    return read, float(looks[_flat(places), _flat(said)].mean())


def _flat(lists: Sequence[Sequence[int]]) -> list[int]:
    return list(chain.from_iterable(lists))


def _numbers(word: str) -> list[int]:
    return [ord(letter) - ord("a") for letter in word]


def _nearest(far: NDArray[np.float64]) -> str:
    """The word for letters that are so far from each of the alphabet; the nearest letters where no word is near."""
    least = far.min(axis=1).sum() + _LIKELY
    known = known_words()
    if len(far) < len(known.first) - 1:
        first, end = known.first[[len(far), len(far) + 1]]
        sums = _COST * known.costs[first:end] + far[np.arange(len(far)), known.letters[first:end, : len(far)]].sum(
            axis=1
        )
        if len(sums) and sums.min() < least:
            place = int(first) + int(sums.argmin())
            return known.words[place]
    return "".join(letters[place] for place in far.argmin(axis=1).tolist())


@remembered
def _distances_of(drawn: str) -> list[float]:
    rows = drawn.split("\n")
    fields = _fields([row for row in rows if row.strip()] or rows)
    return [
        min(sum(abs(a - b) for a, b in zip(fields, known, strict=True)) for known in _fonts()[letter])
        for letter in letters
    ]


def _distances(glyph: Glyph) -> list[float]:
    """How many fields a drawn letter is away from each letter of the alphabet."""
    return _distances_of("\n".join(row[:_WIDEST] for row in glyph))


def _fields(rows: Sequence[str]) -> list[float]:
    """A drawing in `_WIDTH` × `_HEIGHT` fields: how much ink each has."""
    height, width = len(rows), len(rows[0])
    return [
        sum(
            share * other * (rows[y][x] not in " \t\u3000")
            for y, share in _covered(row, _HEIGHT, height)
            for x, other in _covered(column, _WIDTH, width)
        )
        for row in range(_HEIGHT)
        for column in range(_WIDTH)
    ]


@cache
def _covered(field: int, fields: int, size: int) -> tuple[tuple[int, float], ...]:
    """The places of a side of `size` that one of its `fields` covers, each with the share of the field that it is."""
    first, last = field * size / fields, (field + 1) * size / fields
    found = []
    for place in range(int(first), min(size, int(last) + 1)):
        share = (min(last, place + 1) - max(first, place)) * fields / size
        if share > 0:
            found.append((place, share))
    return tuple(found)


@once
def _fonts() -> dict[str, tuple[list[float], ...]]:
    found: dict[str, tuple[list[float], ...]] = {}
    for letter, columns, rows, written in zip(letters, _LARGE_LETTERS, _ROWS, _SMALL_LETTERS, strict=True):
        sides = [int(columns[at : at + 2], 16) for at in range(0, 10, 2)]
        large = ["".join(" #"[side >> row & 1] for side in sides) for row in range(_HEIGHT)]
        small = ["".join(" #"[int(row) >> bit & 1] for bit in (2, 1, 0)) for row in rows]
        lower = ["".join(" #"[int(row, 32) >> bit & 1] for bit in range(4, -1, -1)) for row in written]
        found[letter] = tuple(_fields(_trimmed(font)) for font in (large, small, lower))
    found["i"] = (*found["i"], [1.0] * _WIDTH * _HEIGHT)  # a bar
    return found


def _trimmed(rows: Sequence[str]) -> list[str]:
    """Without columns at the sides that have no ink."""
    inked = [place for place in range(len(rows[0])) if any(row[place] != " " for row in rows)]
    return [row[inked[0] : inked[-1] + 1] for row in rows]
