"""Pictures of letters: words drawn with `#`, `*` or blocks over several lines, as programs for banners draw them.

A letter is held against two small fonts; which one it is meant to be is settled by the words of its length. Fonts drawn
with outlines (`_ / | \\`) are not read. Time: linear in the text, for a bounded number of words.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice, pairwise
from string import ascii_lowercase as letters

from sisf.text.changed import Changed
from sisf.text.ciphers import reads
from sisf.text.remembered import remembered
from sisf.text.words import costs

CLUE_BANNERS = r"(?:[ \t]*[#*@%$&+=Xo█▓▒■●⬛🟥🟦⚫]+(?:[ \t]+[#*@%$&+=Xo█▓▒■●⬛🟥🟦⚫]+){2,}[ \t]*\n){3}"
_ROW = re.compile(r"[\s#*@%$&+=Xo█▓▒■●⬛🟥🟦⚫.]+")
_LEAST, _MOST = 4, 9
"""Lines of a letter."""
_WIDEST = 14
_MOST_WORDS, _LONGEST = 40, 24
_WIDTH, _HEIGHT = 5, 7
_LIKELY = 7.0
"""How far a letter may be from the nearest one and be told from the words it stands in; in fields of a font."""
_COST = 0.25
"""What a commoner word is worth, in fields."""
_COLUMNS = (
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

Glyph = tuple[str, ...]
"""Rows of one letter, all of the same width; a blank is a field without ink."""


def from_banners(text: str) -> Changed | None:
    """The words that are drawn, block by block; None where those do not read."""
    words = list(islice((word for block in _blocks(text) for word in _words(block)), _MOST_WORDS))
    if any(len(word) > _LONGEST for word in words):
        return None
    said = " ".join(_read(word) for word in words)
    return Changed(said) if len(words) > 1 and reads(said) else None


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


def _words(block: Sequence[str]) -> Iterator[tuple[Glyph, ...]]:
    """Letters of each word: columns without ink part letters, more of them words."""
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
    word: list[Glyph] = []
    for (start, end), gap in zip(runs, [*gaps, usual], strict=True):
        word.append(tuple("".join(row) for row in zip(*columns[start:end], strict=True)))
        if gap > usual + 1:
            yield tuple(word)
            word = []
    if word:
        yield tuple(word)


def _read(word: Sequence[Glyph]) -> str:
    """The word of this length whose letters are nearest, the commoner of two that are as near."""
    far = [_distances(glyph) for glyph in word]
    best = "".join(min(each, key=each.__getitem__) for each in far)
    limit = sum(min(each.values()) for each in far) + _LIKELY
    for known, cost in _of_length().get(len(word), ()):
        if far[0][known[0]] > limit:
            continue
        total = _COST * cost
        for each, letter in zip(far, known, strict=True):
            total += each[letter]
            if total >= limit:
                break
        else:
            best, limit = known, total
    return best


@remembered
def _distances_of(drawn: str) -> dict[str, float]:
    rows = drawn.split("\n")
    fields = _fields([row for row in rows if row.strip()] or rows)
    return {
        letter: min(sum(abs(a - b) for a, b in zip(fields, known, strict=True)) for known in fonts)
        for letter, fonts in _fonts().items()
    }


def _distances(glyph: Glyph) -> dict[str, float]:
    """How many fields a drawn letter is away from each letter."""
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


@cache
def _fonts() -> dict[str, tuple[list[float], ...]]:
    found: dict[str, tuple[list[float], ...]] = {}
    for letter, columns, rows in zip(letters, _COLUMNS, _ROWS, strict=True):
        sides = [int(columns[at : at + 2], 16) for at in range(0, 10, 2)]
        large = ["".join(" #"[side >> row & 1] for side in sides) for row in range(_HEIGHT)]
        small = ["".join(" #"[int(row) >> bit & 1] for bit in (2, 1, 0)) for row in rows]
        found[letter] = (_fields(_trimmed(large)), _fields(_trimmed(small)))
    found["i"] = (*found["i"], [1.0] * _WIDTH * _HEIGHT)  # a bar
    return found


def _trimmed(rows: Sequence[str]) -> list[str]:
    """Without columns at the sides that have no ink."""
    inked = [place for place in range(len(rows[0])) if any(row[place] != " " for row in rows)]
    return [row[inked[0] : inked[-1] + 1] for row in rows]


@cache
def _of_length() -> dict[int, tuple[tuple[str, float], ...]]:
    found: dict[int, list[tuple[str, float]]] = {}
    for word, cost in costs().items():
        found.setdefault(len(word), []).append((word, cost))
    return {length: tuple(words) for length, words in found.items()}
