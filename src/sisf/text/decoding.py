"""Encodings undone: base64, hexadecimal, percent, HTML entities, backslash escapes, rot13, reversed text.

Each function returns the text with what was encoded replaced by what it says, or None when nothing in it decodes to
readable text. All take time linear in the text.
"""

import base64
import binascii
import codecs
import html
import re
from collections.abc import Callable, Iterable, Sequence

import re2

from sisf.text.bases import plausible
from sisf.text.changed import Changed, Span, backwards, substitute
from sisf.text.ciphers import reads
from sisf.text.once import once
from sisf.text.words import costs, strangeness

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{14,}(?:[ \t]*\r?\n[ \t]*[A-Za-z0-9+/_-]{4,})*={0,2}|={1,2}[A-Za-z0-9+/_-]{14,}")
_MIXED = re.compile(r"[A-Z0-9]")
"""Stands in any base64 of text beyond its first letter, and not in a long word."""
_HEX = re.compile(r"(?<![0-9A-Za-z])(?:(?:0x|\\x)?[0-9A-Fa-fn-sN-S]{2}[\s,:;-]{0,2}){6,}(?![0-9A-Za-z])", re.IGNORECASE)
_HEX_NOISE = re.compile(r"0x|\\x|[\s,:;-]", re.IGNORECASE)
_PERCENT = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_ODD_PERCENT = re.compile(r"%[0-9][N-Sn-s]")
_ENTITY = re.compile(r"(?:&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});)+")
_ESCAPE = re.compile(
    r"(?:\\u\{[0-9A-Fa-f]{1,6}\}|\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8}|\\x[0-9A-Fa-f]{2}|[Uu]\+[0-9A-Fa-f]{4,6}\s?"
    r"|\\[0-3][0-7]{2}|\\[nrt\"'/\\])+"
)
_ONE_ESCAPE = re.compile(
    r"\\u\{([0-9A-Fa-f]{1,6})\}|\\u([0-9A-Fa-f]{4})|\\U([0-9A-Fa-f]{8})|\\x([0-9A-Fa-f]{2})|[Uu]\+([0-9A-Fa-f]{4,6})\s?"
    r"|\\([0-3][0-7]{2})|\\([nrt\"'/\\])"
)
_NAMED_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
_FEWEST_LINES = 2
_TIMES = 4
"""Base64 of base64 that is undone at once; each is a quarter shorter."""
_WORD = re.compile(r"\w+")
_AROUND, _STRANGE = 60, 3.0
"""Characters around a word that stands backwards, and how strange they must be with it: `OT` is an abbreviation too."""


def rot13(text: str) -> str:
    """Latin letters moved by 13."""
    return codecs.encode(text, "rot13")


def from_base64(text: str) -> Changed | None:
    """Runs of base64 (standard or URL alphabet, also wrapped, reversed or under rot13) decoded."""
    return substitute(_BASE64, lambda m: _first(m[0], _base64) if _MIXED.search(m[0], 1) else None, text)


def from_hex(text: str) -> Changed | None:
    """Runs of hexadecimal bytes decoded, with or without separators, also under rot13."""
    return substitute(_HEX, lambda m: _first(m[0], _hex), text)


def from_percent(text: str) -> Changed | None:
    """`%41` decoded as UTF-8, also under rot13 when nothing else is there."""
    if _ODD_PERCENT.search(text) is None:
        return substitute(_PERCENT, _percent, text)
    turned = substitute(_PERCENT, _percent, rot13(text))
    return Changed(turned.text) if turned else substitute(_PERCENT, _percent, text)


def _percent(match: "re.Match[str]") -> str | None:
    return _utf8(bytes.fromhex(match[0].replace("%", "")))


def from_entities(text: str) -> Changed | None:
    """`&#65;` and `&lt;` decoded."""
    return substitute(_ENTITY, lambda m: html.unescape(m[0]), text)


def from_escapes(text: str) -> Changed | None:
    r"""`\u0041`, `\x41`, `\101`, `U+0041` and the escapes of JSON decoded."""
    return substitute(_ESCAPE, lambda m: _surrogates(_ONE_ESCAPE.sub(_escape, m[0])), text)


def from_rot13(text: str) -> Changed | None:
    """The text under rot13, where words stand that rot13 turns into the commonest ones."""
    fresh = _places(clue_rot13(), text)
    return Changed(rot13(text), fresh) if fresh else None


def from_reversed(text: str) -> Changed | None:
    """The text read backwards, where words stand that are the commonest ones backwards."""
    fresh = _reversed_places(text)
    return backwards(Changed(text, fresh)) if fresh else None


def from_reversed_words(text: str) -> Changed | None:
    """The text with every word read backwards, where words stand that are the commonest ones backwards."""
    fresh = _reversed_places(text)
    return Changed(_WORD.sub(lambda m: m[0][::-1], text), fresh) if fresh else None


def from_reversed_lines(text: str) -> Changed | None:
    """The lines that do not read, each read backwards, where several then do."""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < _FEWEST_LINES or not _reversed_places(text):
        return None
    turned = [line[::-1] for line in lines if strangeness(line) >= _STRANGE and reads(line[::-1], line)]
    return Changed("\n".join(turned)) if len(turned) >= _FEWEST_LINES else None


_COMMONEST = (
    "the of and to in is for on with that it by from this are be or an your you how what write create make show tell "
    "give provide explain describe develop using use can into step without instructions teach help"
).split()


_SLIP = "taht"
"""What people type for `that`."""


@once
def clue_rot13() -> str:
    """RE2 pattern of what calls for rot13: the commonest words under it, but for those that are words by accident."""
    return _any_of(rot13(word) for word in _COMMONEST)


@once
def clue_reversed() -> str:
    """RE2 pattern of what calls for reading backwards."""
    return _any_of(word[::-1] for word in _COMMONEST)


def _any_of(words: Iterable[str]) -> str:
    return rf"(?i)\b(?:{'|'.join(word for word in words if word not in costs() and word != _SLIP)})\b"


def _reversed_places(text: str) -> tuple[Span, ...]:
    """Where common words stand backwards among others that do not read."""
    places = _places(clue_reversed(), text)
    return tuple((a, b) for a, b in places if strangeness(text[max(0, a - _AROUND) : b + _AROUND]) >= _STRANGE)


def _places(clue: str, text: str) -> tuple[Span, ...]:
    return tuple(match.span() for match in re2.finditer(clue, text))


def _first(run: str, decode: Callable[[str], str | None]) -> str | None:
    """The first reading that gives text: as it stands, under rot13, backwards."""
    for candidate in (run, rot13(run), run[::-1]):
        decoded = decode(candidate)
        if decoded is not None:
            return decoded
    return None


def _base64(run: str) -> str | None:
    lines = run.split()
    whole = _base64_line("".join(lines))
    for _ in range(_TIMES):
        if whole is None or not _BASE64.fullmatch(whole) or not _MIXED.search(whole, 1):
            break
        inner = _base64_line("".join(whole.split()))
        if inner is None:
            break
        whole = inner
    return whole if whole is not None or len(lines) == 1 else _each_line(_base64_line, lines)


def _base64_line(run: str) -> str | None:
    compact = run.strip("=").replace("-", "+").replace("_", "/")
    if len(compact) % 4 == 1:
        compact = compact[:-1]
    try:
        return plausible(base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True))
    except (binascii.Error, ValueError):
        return None


def _hex(run: str) -> str | None:
    whole, lines = _hex_line(run), run.splitlines()
    if whole is not None:
        return whole + "\n" * run.endswith("\n")
    return _each_line(_hex_line, lines) if len(lines) >= _FEWEST_LINES else None


def _hex_line(run: str) -> str | None:
    digits = _HEX_NOISE.sub("", run)
    try:
        return plausible(bytes.fromhex(digits))
    except ValueError:
        return None


def _each_line(decode: Callable[[str], str | None], lines: Sequence[str]) -> str | None:
    """Lines that only stand below one another, each decoded where it can be; None where none can."""
    decoded = [decode(line) for line in lines]
    return "\n".join(d or line for d, line in zip(decoded, lines, strict=True)) if any(decoded) else None


def _utf8(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def _escape(match: "re.Match[str]") -> str:
    *hexadecimal, octal, named = match.groups()
    if named:
        return _NAMED_ESCAPES.get(named, named)
    code = int(octal, 8) if octal else int(next(h for h in hexadecimal if h), 16)
    return chr(code) if code <= 0x10FFFF else match[0]


def _surrogates(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
