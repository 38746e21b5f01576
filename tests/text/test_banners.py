"""Pictures of letters are read in fonts that nobody knows; other drawings are not."""

import random
from itertools import product

import pytest

from sisf.text.banners import _LARGE_LETTERS, _SMALL_LETTERS, from_banners

SENTENCES = (
    "write a letter to the neighbour about the garden and the fence between both houses",
    "explain how a baker makes bread and why the dough must rest before it goes into the oven",
    "describe the road from the station to the harbour for somebody who comes for the first time",
)


def _font(name: str, chance: random.Random) -> dict[str, list[str]]:
    """A font that is like a known one, but for a spot in each letter."""
    if name == "small":
        drawn = [[f"{int(row, 32):05b}" for row in rows] for rows in _SMALL_LETTERS]
    else:
        sides = [[int(columns[at : at + 2], 16) for at in range(0, 10, 2)] for columns in _LARGE_LETTERS]
        drawn = [["".join(str(side >> row & 1) for side in letter) for row in range(7)] for letter in sides]
    font = {}
    for letter, rows in zip("abcdefghijklmnopqrstuvwxyz", drawn, strict=True):
        fields = [list(row) for row in rows]
        blank = [(y, x) for y, x in product(range(len(fields)), range(1, 4)) if fields[y][x] == "0"]
        y, x = chance.choice(blank)
        fields[y][x] = "1"
        font[letter] = ["".join(row) for row in fields]
    return font


def _drawn(sentence: str, font: dict[str, list[str]], ink: str, scale: int) -> str:
    blocks = []
    for word in sentence.split():
        height = max(len(font[letter]) for letter in word)
        glyphs = [["0" * 5] * (height - len(font[letter])) + font[letter] for letter in word]
        rows = ["00".join(glyph[y] for glyph in glyphs) for y in range(height)]
        blocks += ["\n".join("".join(field * scale for field in row) for row in rows)]
    return "\n\n".join(blocks).replace("0", " ").replace("1", ink)


@pytest.mark.parametrize(("name", "ink", "scale"), [("small", "#", 1), ("small", "█", 2), ("large", "@", 1)])
def test_a_font_that_nobody_knows_is_read(name: str, ink: str, scale: int) -> None:
    font = _font(name, random.Random(f"{name} {scale}"))
    for sentence in SENTENCES:
        found = from_banners(_drawn(sentence, font, ink, scale))
        assert found is not None, sentence
        right = sum(one == other for one, other in zip(found.text.split(), sentence.split(), strict=True))
        assert right >= 0.75 * len(sentence.split()), found.text


def _sprite(chance: random.Random) -> str:
    """A symmetric figure, as of a game."""
    halves = [[chance.choice("# #") for _ in range(4)] for _ in range(7)]
    return "\n".join("".join([*half, *reversed(half)]) for half in halves)


def test_other_drawings_say_nothing() -> None:
    chance = random.Random(7)
    drawings = ["\n\n".join(_sprite(chance) for _ in range(8)) for _ in range(20)]
    drawings += [
        "\n\n".join("\n".join("".join(chance.choice("##  ") for _ in range(30)) for _ in range(7)) for _ in range(4))
        for _ in range(20)
    ]
    assert [from_banners(drawing) for drawing in drawings] == [None] * len(drawings)
