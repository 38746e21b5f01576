"""Bytes written as text in other ways than base64 and hexadecimal, and base64 that was cut into pieces.

Base32, base85, ascii85, uuencode, quoted-printable, UTF-7. Each function returns the text with what was encoded
replaced by what it says, or None. All take time linear in the text.
"""

import base64
import binascii
import re
import zlib
from unicodedata import category

from sisf.text.changed import Changed, substitute
from sisf.text.words import costs, strangeness

_PRINTABLE = 0.9
_GZIP = b"\x1f\x8b"
_ZLIB = (b"x\x01", b"x\x5e", b"x\x9c", b"x\xda")
_UNPACKED = 8
"""Times its packed length that packed text may have; the rest is not read."""

_BASE32 = re.compile(r"(?<![A-Za-z0-9])[A-Z2-7]{16,}(?:\s+[A-Z2-7]{2,})*={0,6}(?![A-Za-z0-9])")
_BASE85 = re.compile(r"[!-~]{20,}")
_MIXED85 = re.compile(r"[^A-Za-z]")
_UU = re.compile(r"^begin [0-7]{3,4} [^\n]*\n((?:[ -`]*\n)*?)[` ]?\n?end[ \t]*$", re.MULTILINE)
_UU_LINES = re.compile(r"^[!-M][ -`]{20,61}$(?:\n[!-M][ -`]{4,61}$)*+", re.MULTILINE)
CLUE_UU = r"begin [0-7]{3}|(?:^|\n)[!-M][ -`]{20}"
_QUOTED = re.compile(r"(?:=[0-9A-Fa-f]{2}|=\r?\n){2,}")
_ONE_QUOTED = re.compile(r"=[0-9A-F]{2}")
_ANY_QUOTED = re.compile(r"(?:=[0-9A-F]{2})+|=\r?\n")
_ENCODED_WORD = re.compile(r"=\?[\w-]{2,20}\?[Qq]\?([!->@-~]{1,200})\?=")
_FEWEST_QUOTED, _BETTER = 5, 0.8
CLUE_QUOTED = r"(?i:(?:=[0-9a-f]{2}|=\r?\n){2}|=\?[\w-]{2,20}\?q\?)|(?:=[0-9A-F]{2}[^=\n]{0,40}){5}"
_UTF7 = re.compile(
    r"[+&](A[A-H][A-Za-z0-9+/,]*(?:(?:\r?\n[A-Za-z0-9+/,]{1,200}){1,40}+(?=-))?)-?|[+&]\r?\n(A[A-H][A-Za-z0-9+/,]*)-"
)
"""A run that lines cut ends with its hyphen."""
CLUE_UTF7 = r"[+&]A[A-H][A-Za-z0-9+/,]"
_WORD64 = re.compile(r"(?<![A-Za-z0-9+/=_-])[A-Za-z0-9+/]{2,30}={0,2}(?![A-Za-z0-9+/=_-])")
_SPELT = re.compile(r"[A-Za-z]+(?:['-][A-Za-z]+)*[.,;:?!]?")
_FEWEST_LETTERS = 5
_PIECES = re.compile(
    r"(?<![A-Za-z0-9+/_-])(?:[A-Za-z0-9+/_-]{2,24}(?:[\s\"',;|\[\]{}()<>.:]{1,6}|(?<![+])\+(?=\s))){3,}[A-Za-z0-9+/_-]{1,24}={0,2}"
)
_BETWEEN = re.compile(r"[^A-Za-z0-9+/_-]+")
CLUE_WORDS = r"[a-z][A-Z][a-z0-9]|[a-z][0-9][A-Za-z]|[A-Z][a-z][A-Z0-9]|[A-Za-z0-9]{3}=(?:\s|$)"
CLUE_PIECES = r"(?:[a-z][A-Z][a-z]|[a-z][0-9][A-Za-z]|[A-Z][a-z][A-Z])(?:.|\n)*(?:[a-z][A-Z][a-z]|[a-z][0-9][A-Za-z])"
"""What calls for it (RE2)."""
_LIKE_BASE64 = re.compile(r"[a-z][A-Z][a-z]|[a-z][0-9][A-Za-z]|[A-Z][a-z][A-Z]")
"""Changes of letter case inside a piece, as prose does not have."""


def plausible(raw: bytes) -> str | None:
    """Bytes as text, if they are UTF-8 or UTF-16, packed or not, and nearly all of it can be printed."""
    raw = _unpacked(raw)
    for encoding in _encodings(raw):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        printable = sum(c.isprintable() or c in "\n\r\t" or category(c) == "Cf" for c in text)
        if text and printable >= _PRINTABLE * len(text):
            return text.lstrip("\ufeff")
    return None


def _encodings(raw: bytes) -> tuple[str, ...]:
    if raw.count(0) * 3 <= len(raw):
        return ("utf-8",)
    raw = raw[: len(raw) - len(raw) % 2]
    return ("utf-8", "utf-16-be" if raw[:1] == b"\0" or raw[:2] == b"\xfe\xff" else "utf-16-le")


def _unpacked(raw: bytes) -> bytes:
    if not raw.startswith((_GZIP, *_ZLIB)):
        return raw
    try:
        return zlib.decompressobj(wbits=47).decompress(raw, _UNPACKED * len(raw))
    except zlib.error:
        return raw


def from_base32(text: str) -> Changed | None:
    """Runs of base32, also wrapped."""
    return substitute(_BASE32, lambda m: _base32(m[0]), text)


def _base32(run: str) -> str | None:
    compact = "".join(run.split()).rstrip("=")
    try:
        return plausible(base64.b32decode(compact + "=" * (-len(compact) % 8)))
    except (binascii.Error, ValueError):
        return None


def from_base85(text: str) -> Changed | None:
    """Runs of base85 (as in Git) or ascii85."""
    return substitute(_BASE85, lambda m: _base85(m[0]) if _MIXED85.search(m[0]) else None, text)


def _base85(run: str) -> str | None:
    for decode, bare in ((base64.b85decode, run), (base64.a85decode, run.removeprefix("<~").removesuffix("~>"))):
        try:
            found = plausible(decode(bare))
        except ValueError:
            continue
        if found is not None:
            return found
    return None


def from_uuencode(text: str) -> Changed | None:
    """Files in uuencode, or lines of such."""
    whole = substitute(_UU, lambda m: _uu(m[1]), text)
    return whole or substitute(_UU_LINES, lambda m: _uu(m[0]) if all(map(_is_uu, m[0].split("\n"))) else None, text)


def _is_uu(line: str) -> bool:
    """Whether a line has as many characters as its first one says; blanks at its end may be missing."""
    length = 1 + 4 * -(-(ord(line[0]) - ord(" ")) // 3)
    return length - 3 <= len(line) <= length + 1


def _uu(lines: str) -> str | None:
    try:
        return plausible(b"".join(binascii.a2b_uu(line) for line in lines.splitlines() if line))
    except binascii.Error:
        return None


def from_quoted_printable(text: str) -> Changed | None:
    """`=41=42` decoded as UTF-8; single signs where many are written so, and the text then reads better."""
    worded = substitute(_ENCODED_WORD, lambda m: plausible(binascii.a2b_qp(m[1], header=True)), text)
    if worded is not None:
        return worded
    if len(_ONE_QUOTED.findall(text)) >= _FEWEST_QUOTED:
        sparse = substitute(_ANY_QUOTED, lambda m: plausible(binascii.a2b_qp(m[0])), text)
        if sparse is not None and strangeness(sparse.text) <= _BETTER * strangeness(text):
            return sparse
    return substitute(_QUOTED, lambda m: plausible(binascii.a2b_qp(m[0])), text)


def from_utf7(text: str) -> Changed | None:
    """`+AGgAaQ-`, as UTF-7 writes characters, and `&AGgAaQ-`, as names of mailboxes do."""
    return substitute(_UTF7, lambda m: _utf7(m[1] or m[2]), text)


def _utf7(run: str) -> str | None:
    compact = run.replace(",", "/").replace("\r", "").replace("\n", "")
    units = base64.b64decode(compact + "=" * (-len(compact) % 4) if len(compact) % 4 != 1 else compact[:-1])
    return plausible(units[: len(units) - len(units) % 2])


def from_base64_words(text: str) -> Changed | None:
    """Words in base64, each for itself, among others that are not or are too."""
    found = {run: word for run in set(_WORD64.findall(text)) if (word := _word64(run)) is not None}
    known = [word for word in found.values() if len(word) >= _FEWEST_LETTERS and word.lower() in costs()]
    if not known:
        return None
    kept = found if len(known) > 1 else {run: word for run, word in found.items() if word in known}
    return substitute(_WORD64, lambda m: kept.get(m[0]), text)


def _word64(run: str) -> str | None:
    if len(run) % 4:
        return None
    try:
        word = base64.b64decode(run, validate=True).decode("ascii")
    except ValueError:
        return None
    return word if _SPELT.fullmatch(word) else None


def from_base64_pieces(text: str) -> Changed | None:
    """Base64 in pieces that stand apart, in lists or lines, put together and decoded."""
    return substitute(_PIECES, lambda m: _pieced(m[0]), text)


def _pieced(run: str) -> str | None:
    if _LIKE_BASE64.search(run) is None:
        return None
    compact = _BETWEEN.sub("", run).replace("-", "+").replace("_", "/")
    if len(compact) % 4 == 1:
        return None
    try:
        return plausible(base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True))
    except (binascii.Error, ValueError):
        return None
