"""Ways to spell a text so that programs do not know it, written independently of the code that undoes them."""

import base64
import codecs
from collections.abc import Callable

Trick = Callable[[str], str]

_TURNED = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ɐqɔpǝɟƃɥᴉɾʞlɯuodbɹsʇnʌʍxʎz")
_LOOK_ALIKE = str.maketrans("aeiopcxyABEHKMOPCTX", "аеіорсхуАВЕНКМОРСТХ")
_ACCENTED = str.maketrans("aeiouncy", "áéíóúñçý")


def _tags(text: str) -> str:
    return "hello 😀" + "".join(chr(0xE0000 + ord(c)) for c in text)


def _selectors(text: str) -> str:
    return "😀" + "".join(chr(0xFE00 + b) if b < 16 else chr(0xE0100 + b - 16) for b in text.encode())


CHARACTERS: dict[str, Trick] = {
    "diacritics": lambda t: t.translate(_ACCENTED),
    "upside down": lambda t: t.lower().translate(_TURNED)[::-1],
    "underlined": lambda t: "".join(c + "\u0332" for c in t),
    "digits": lambda t: t.lower().translate(str.maketrans("aeiost", "431057")),
    "full width": lambda t: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else "\u3000" for c in t),
    "look-alikes": lambda t: t.translate(_LOOK_ALIKE),
    "zero width": "\u200b".join,
    "right to left": lambda t: "\u202e" + t[::-1] + "\u202c",
    "deleted": lambda t: "".join(c + "q\b" for c in t),
    "emoji": _selectors,
    "tags": _tags,
    "spaced": " ".join,
    "dashed": "-".join,
    "soft hyphens": "\u00ad".join,
    "mathematical": lambda t: "".join(chr(0x1D41A + ord(c) - 97) if "a" <= c <= "z" else c for c in t),
    "glued": lambda t: t.replace(" ", ""),
    "no word gaps": lambda t: " ".join(t.replace(" ", "")),
}

ENCODINGS: dict[str, Trick] = {
    "base64": lambda t: base64.b64encode(t.encode()).decode(),
    "hex": lambda t: t.encode().hex(),
    "percent": lambda t: "".join(f"%{b:02X}" for b in t.encode()),
    "rot13": lambda t: codecs.encode(t, "rot13"),
}

OTHER_ENCODINGS: dict[str, Trick] = {
    "entities": lambda t: "".join(f"&#{ord(c)};" for c in t),
    "escapes": lambda t: "".join(f"\\u{ord(c):04x}" for c in t),
    "backwards": lambda t: t[::-1],
    "words backwards": lambda t: " ".join(w[::-1] for w in t.split(" ")),
}
