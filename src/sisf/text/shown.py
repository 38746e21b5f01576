"""Hostile text as people may see it: what cannot be seen becomes visible, and nothing is taken for a command.

A character is hidden when no screen shows it as something (controls, formatting, blanks that are no spaces), or when it
changes how its neighbours stand (bidirectional overrides, a pile of combining marks).
"""

import unicodedata
from collections.abc import Iterator
from itertools import groupby

from sisf.text.characters import has_invisible

_PILE = 3
"""Combining marks on one letter that are writing; more are a pile that covers other lines."""
_WHITE = "\n\t"


def pieces(text: str) -> Iterator[tuple[bool, str]]:
    """The text in runs: whether what stands there is hidden, and the run itself. Hidden runs repeat one character."""
    for hidden, run in groupby(_marked(text), key=lambda item: item[0]):
        characters = "".join(character for _, character in run)
        if not hidden:
            yield False, characters
            continue
        for _, same in groupby(characters):
            yield True, "".join(same)


def name_of(run: str) -> str:
    """What a hidden run is: `U+200B`, with how often it repeats."""
    times = f" ×{len(run):,}" if len(run) > 1 else ""
    return f"U+{ord(run[0]):04X}{times}"


def full_name(character: str) -> str:
    """Its name in Unicode, for those who ask."""
    return unicodedata.name(character, "control character" if unicodedata.category(character) == "Cc" else "unassigned")


def escaped(text: str) -> str:
    """For a terminal: hidden characters as Python would write them; line breaks stay."""
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "".join(
        run.encode("unicode_escape").decode("ascii") if hidden or run == "\t" else run.replace("\t", r"\t")
        for hidden, run in pieces(text)
    )


def _marked(text: str) -> Iterator[tuple[bool, str]]:
    pile = 0
    for character in text:
        if character.isascii():
            pile = 0
            yield not (character.isprintable() or character in _WHITE), character
            continue
        pile = pile + 1 if unicodedata.combining(character) or unicodedata.category(character) == "Me" else 0
        yield pile > _PILE or not character.isprintable() or has_invisible(character), character
