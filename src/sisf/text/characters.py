"""What stands in a text but is not seen, and what is seen but stands otherwise: characters, one by one.

Sources: Unicode Default_Ignorable_Code_Point and UAX #9; tag characters and variation selectors as carriers of hidden
text: Hackett et al. 2025, arXiv 2504.11168.
"""

import re
import unicodedata
from collections.abc import Callable
from itertools import chain

from sisf.text.changed import Changed, translated

_INVISIBLE_RANGES = (
    (0x00, 0x08), (0x0E, 0x1F), (0x7F, 0x84), (0x86, 0x9F),  # controls, but for white space
    (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x2800, 0x2800), (0x3164, 0x3164), (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFF), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
    (0xE000, 0xF8FF), (0xFDD0, 0xFDEF), (0xF0000, 0x10FFFF),  # private use, and what is no character
)  # fmt: skip
_INVISIBLE_CLASS = "".join(f"{chr(a)}-{chr(b)}" for a, b in _INVISIBLE_RANGES)
_INVISIBLE = re.compile(f"[{_INVISIBLE_CLASS}]+")
_BRAILLE_BLANK = "\u2800"
"""As wide as the letters of Braille: it stands where words part."""
_TERMINAL = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[()*+][0-9A-Za-z]")
"""What a terminal is told (ECMA-48): colours, links, where to go on writing."""

_TAGS = re.compile("[\U000e0020-\U000e007e]")
_NO_TAG = re.compile("[^\U000e0020-\U000e007e\n]+")
_SELECTORS = re.compile("[\ufe00-\ufe0f]{2}|[\U000e0100-\U000e01ef]")
_NO_SELECTOR = re.compile("[^\ufe00-\ufe0f\U000e0100-\U000e01ef\n]+")
_BINARY = re.compile("[\u200b\u200c\u200d\u2060\u2062\u2063\u2064\ufeff]{16,}")
_MARKS = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+")
_SPACES = re.compile(r"[^\S \n]")
_SURROGATE = re.compile("[\ud800-\udfff]")

_OVERRIDE = re.compile("[\u202e\u2067\u202b]([^\u202a-\u202e\u2066-\u2069\n]*)[\u202c\u2069]?")
_TURNED = dict(
    zip("ɐqɔpǝɟƃɥᴉɾʞlɯuodbɹsʇnʌʍxʎz∀ƎℲפHſ⅂ԀᴚSΛ⅄ᵷıɓ", "abcdefghijklmnopqrstuvwxyzaefghjlprsvygig", strict=True)
)
_UPRIGHT = str.maketrans({**_TURNED, "¿": "?", "¡": "!", "˙": ".", "‘": ",", "„": '"', "⅋": "&"})
_FEW_TURNED = 3
"""Fewer stand in phonetic spelling and in the orthographies of some languages."""
_TURNED_LETTERS = re.compile("[ɐɔǝɟƃɥᴉɾʞɯɹʇʌʍʎᴚᵷ∀ƎℲԀ⅄]+")


def scalar(text: str) -> str:
    """Lone surrogates (JSON may carry them) become U+FFFD, so that the text can be encoded; offsets stay."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def visible(text: str) -> str:
    """Without invisible and formatting characters, controls and what a terminal is told; the blank of Braille is a
    space."""
    if _INVISIBLE.search(text) is None:
        return text
    return _INVISIBLE.sub("", _TERMINAL.sub("", text).replace(_BRAILLE_BLANK, " "))


def has_invisible(text: str) -> bool:
    """Whether `visible` would change the text."""
    return not (text.isascii() and text.isprintable()) and _INVISIBLE.search(text) is not None


def folded(text: str) -> str:
    """NFKC and case folding until nothing changes, every white space but the line break as a space.

    The form in which letter case and compatibility forms (full width, mathematical, circled letters) disappear.
    """
    if text.isascii():
        return _lines(text.lower())
    for _ in range(4):  # at most three rounds for any character of Unicode 15
        before, text = text, unicodedata.normalize("NFKC", text).casefold()
        if text == before:
            break
    return _lines(text)


def composed(text: str) -> str:
    """NFKC with plain spaces, letter case kept."""
    return _lines(unicodedata.normalize("NFKC", text))


def _lines(text: str) -> str:
    if text.isprintable() or _SPACES.search(text) is None:
        return text
    return _SPACES.sub(" ", text.replace("\r\n", "\n").replace("\u2028", "\n").replace("\u2029", "\n"))


def unmarked(text: str) -> str:
    """Without general combining marks: accents on Latin letters, underlines, piles of them.

    What is a letter of its own script stays: vowel signs of Indic scripts, points of Hebrew and Arabic, Cyrillic and
    Greek letters that have a mark by nature.
    """
    if text.isascii():
        return text
    composed = _MARKS.sub("", unicodedata.normalize("NFC", text))
    bases = {ord(c): unicodedata.normalize("NFD", c)[0] for c in set(composed) if not c.isascii()}
    bare = translated(composed, {code: base for code, base in bases.items() if base.isascii()})
    return unicodedata.normalize("NFC", bare)  # what is left may stand in another order


def erased(text: str) -> str:
    """As a terminal shows it: backspace and delete take the character before them away."""
    if "\b" not in text and "\x7f" not in text:
        return text
    shown: list[str] = []
    for char in text:
        if char not in "\b\x7f":
            shown.append(char)
        elif shown and shown[-1] != "\n":
            shown.pop()
    return "".join(shown)


def reordered(text: str) -> str:
    """As a screen shows it: runs under a right-to-left override stand reversed."""
    return _OVERRIDE.sub(lambda run: run[1][::-1], text)


def upright(text: str) -> Changed | None:
    """Letters that were turned upside down, turned back; the order of characters stays. None: hardly any are."""
    fresh = tuple(m.span() for m in _TURNED_LETTERS.finditer(text))
    turned = sum(end - start for start, end in fresh)
    return Changed(translated(text, _UPRIGHT), fresh) if turned >= _FEW_TURNED else None


def hidden(text: str) -> list[str]:
    """What invisible characters spell: tag characters, bytes in variation selectors, bits in zero-width characters.

    Pieces between which the line does not end are one: what is spread behind many letters is read as a whole.
    """
    found = []
    if _TAGS.search(text):
        found.append(_lines_of(_NO_TAG.sub("", text), lambda line: "".join(chr(ord(c) - 0xE0000) for c in line)))
    if _SELECTORS.search(text):
        found.append(_lines_of(_NO_SELECTOR.sub("", text), _selector_bytes))
    found += chain.from_iterable(_bits(run) for run in _BINARY.findall(text))
    return [piece for piece in found if piece]


def _lines_of(carriers: str, read: Callable[[str], str]) -> str:
    return "\n".join(filter(None, map(read, carriers.split("\n"))))


def _selector_bytes(run: str) -> str:
    values = [ord(c) - 0xFE00 if ord(c) < 0xE0000 else ord(c) - 0xE0100 + 16 for c in run]
    return bytes(values).decode("utf-8", "ignore")


def _bits(run: str) -> list[str]:
    """Two symbols are the bits of bytes, whichever is the one; a third one separates."""
    symbols = sorted(set(run))
    if not 2 <= len(symbols) <= 3:
        return []
    readings = []
    for zero in symbols:
        for one in symbols:
            if zero != one:
                bits = "".join("0" if c == zero else "1" for c in run if c in (zero, one))
                raw = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits) - 7, 8))
                readings.append(raw.decode("utf-8", "ignore"))
    return [r for r in readings if len(r) > 1 and r.isprintable()]
