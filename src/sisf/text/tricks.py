"""Ways to spell a text so that programs do not know it and models still read it.

The twelve tricks on characters are those with which Hackett et al. 2025 (arXiv 2504.11168) walked past every guard
they tested. Written independently of the code that undoes them.
"""

import base64
import codecs
from collections.abc import Callable

Trick = Callable[[str], str]

_TURNED = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ɐqɔpǝɟƃɥᴉɾʞlɯuodbɹsʇnʌʍxʎz")
_LOOK_ALIKE = str.maketrans("aeiopcxyABEHKMOPCTX", "аеіорсхуАВЕНКМОРСТХ")
_ACCENTED = str.maketrans("aeiouncy", "áéíóúñçý")
_DIGITS = str.maketrans("aeiost", "431057")


def _tags(text: str) -> str:
    return "hello 😀" + "".join(chr(0xE0000 + ord(c)) if c.isascii() else c for c in text)


def _selectors(text: str) -> str:
    return "😀" + "".join(chr(0xFE00 + b) if b < 16 else chr(0xE0100 + b - 16) for b in text.encode())


CHARACTERS: dict[str, Trick] = {
    "diacritics": lambda t: t.translate(_ACCENTED),
    "upside-down": lambda t: t.lower().translate(_TURNED)[::-1],
    "underline": lambda t: "".join(c + "\u0332" for c in t),
    "numbers": lambda t: t.lower().translate(_DIGITS),
    "full-width": lambda t: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else "\u3000" for c in t),
    "homoglyphs": lambda t: t.translate(_LOOK_ALIKE),
    "zero-width": "\u200b".join,
    "bidirectional": lambda t: "\u202e" + t[::-1] + "\u202c",
    "deletion": lambda t: "".join(c + "q\b" for c in t),
    "emoji-smuggling": _selectors,
    "unicode-tags": _tags,
    "spaces": " ".join,
}
"""The twelve."""

ENCODINGS: dict[str, Trick] = {
    "base64": lambda t: base64.b64encode(t.encode()).decode(),
    "hex": lambda t: t.encode().hex(),
    "percent": lambda t: "".join(f"%{b:02X}" for b in t.encode()),
    "rot13": lambda t: codecs.encode(t, "rot13"),
}


def _nested(inner: Trick, outer: Trick) -> Trick:
    return lambda text: outer(inner(text))


NESTED: dict[str, Trick] = {
    f"{outer}({inner})": _nested(ENCODINGS[inner], ENCODINGS[outer])
    for outer in ENCODINGS
    for inner in ENCODINGS
    if (outer, inner) != ("rot13", "rot13")
}
"""Every encoding inside every other; rot13 twice is the clear text."""

TRICKS: dict[str, Trick] = CHARACTERS | ENCODINGS | NESTED
