"""Tricks to undo: those that the laboratory applies, and more."""

from sisf.text.tricks import CHARACTERS as TWELVE
from sisf.text.tricks import ENCODINGS as ENCODINGS  # noqa: PLC0414 - for the tests beside this file
from sisf.text.tricks import Trick as Trick  # noqa: PLC0414

CHARACTERS: dict[str, Trick] = TWELVE | {
    "dashed": "-".join,
    "soft hyphens": "\u00ad".join,
    "mathematical": lambda t: "".join(chr(0x1D41A + ord(c) - 97) if "a" <= c <= "z" else c for c in t),
    "glued": lambda t: t.replace(" ", ""),
    "no word gaps": lambda t: " ".join(t.replace(" ", "")),
}

OTHER_ENCODINGS: dict[str, Trick] = {
    "entities": lambda t: "".join(f"&#{ord(c)};" for c in t),
    "escapes": lambda t: "".join(f"\\u{ord(c):04x}" for c in t),
    "backwards": lambda t: t[::-1],
    "words backwards": lambda t: " ".join(w[::-1] for w in t.split(" ")),
}
