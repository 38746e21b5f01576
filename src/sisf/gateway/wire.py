"""Reading JSON from strangers. What is inspected must be what the next reader reads, so nothing ambiguous passes."""

import json
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from sisf.errors import HttpFailure, LimitExceeded
from sisf.gateway import nodes
from sisf.settings import Limits, Unseen

_DEPTH = 64
"""Levels of nested objects and arrays in a request."""


class Malformed(ValueError):
    """A document that two readers could read differently, or not at all."""


class Uninspectable(ValueError):
    """What nobody here can inspect: an image, audio, a file, or a key or type that is not known."""

    def __init__(self, kind: Unseen, place: str) -> None:
        super().__init__(f"{place or 'the document'} {_HOLDS[kind]}")
        self.place = place

    def as_refusal(self) -> HttpFailure:
        """What the client is told."""
        return HttpFailure(400, "uninspectable_content", f"{self}, which cannot be inspected.", self.place or None)


_HOLDS: dict[Unseen, str] = {
    "image": "holds an image",
    "audio": "holds audio",
    "video": "holds video",
    "file": "holds or names a file",
    "tokens": "holds token numbers or embeddings in place of text",
    "reference": "names something that is stored or hosted elsewhere",
    "template": "holds a template",
    "unknown": "is or holds something that this gateway does not know",
}


Bytes = NDArray[np.uint8]
Places = NDArray[np.intp]
_COLON = ord(":")
_BACKSLASH, _U, _D = b"\\ud"
_LOWER = 0x20
"""The bit by which letters in lower case differ from capitals."""
_ESCAPE = len(rb"\ud83d")
_DIGIT, _OF_FIRST, _OF_SECOND = (
    np.isin(np.arange(256), list(digits)) for digits in (b"0123456789abcdefABCDEF", b"89abAB", b"cdefCDEF")
)
"""Which bytes are hexadecimal digits, and which follow `d` in the escape of a first and of a second half."""


@dataclass(frozen=True, slots=True)
class Loose:
    """A document of an upstream, read with all its oddities."""

    tree: dict[str, Any]
    """As most readers read it: of a key that stands twice the last value counts; halves of surrogate pairs are
    replacement characters, as they are for whoever shows them."""
    dropped: tuple[Any, ...] = ()
    """Values of keys that stand twice, which some readers prefer. With any, forward `tree` instead of the bytes."""
    noise: tuple[str, ...] = ()
    """What was odd, in words for counters."""


def without_halves(raw: bytes) -> bytes:
    """JSON in which each half of a surrogate pair is U+FFFD instead: what is cut within an emoji ends so, and readers
    disagree on it. As long as before, and the same bytes where there is none.

    By arrays: an expression would hold Python's lock for a whole document at once (docs/adr/0540).
    """
    if not nodes.holds(raw, b"\\ud", b"\\uD"):
        return raw
    if b"\0" in raw:  # no JSON
        return raw
    masked = nodes.replaced(raw, (b"\\\\", b"\0\0"))  # a backslash that is left begins an escape
    data = np.frombuffer(masked, np.uint8)
    first, second = _surrogates(data)
    if np.array_equal(first + _ESCAPE, second):
        return raw
    lone = ~np.concatenate([_marked(second, data)[first + _ESCAPE], _marked(first, data)[second - _ESCAPE]])
    halves = np.concatenate([first, second])[lone]
    mended = data.copy()
    for place, byte in enumerate(b"\\ufffd"):
        mended[halves + place] = byte
    return mended.tobytes().replace(b"\0\0", b"\\\\")


def _surrogates(data: Bytes) -> tuple[Places, Places]:
    """Where escapes of first and of second halves of pairs begin, rising."""
    begun = np.flatnonzero((data[:-5] == _BACKSLASH) & (data[1:-4] == _U) & (data[2:-3] | _LOWER == _D))
    begun = begun[_DIGIT[data[begun + 4]] & _DIGIT[data[begun + 5]]]
    third = data[begun + 3]
    return begun[_OF_FIRST[third]], begun[_OF_SECOND[third]]


def _marked(places: Places, data: Bytes) -> NDArray[np.bool_]:
    """Whether each place of the data is one of these; behind its end, and so before its beginning, none is."""
    found = np.zeros(len(data) + _ESCAPE, np.bool_)
    found[places] = True
    return found


def parse(raw: bytes) -> dict[str, Any]:
    """Decode a JSON object strictly.

    Raises `Malformed` for what readers are known to disagree on: duplicate keys, bytes that are not UTF-8, lone
    surrogates, `NaN`, a byte order mark, text behind the end.
    """
    return _quickly(raw) or _slowly(raw)


def _quickly(raw: bytes) -> dict[str, Any] | None:
    """The document, where it is certain that no key stands twice in it; else None.

    Each member of an object has one colon outside of strings, and none stands anywhere else there. Written again, the
    document has as many colons as before, unless a member was dropped because another one with its key follows.
    A document with colons that are escaped is read slowly.
    """
    if nodes.holds(raw, b"\\u003a", b"\\u003A"):
        return None
    try:
        tree = _decode(raw)
        if type(tree) is not dict or nodes.counted(_encode(tree), _COLON) != nodes.counted(raw, _COLON):
            return None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return tree


def _slowly(raw: bytes) -> dict[str, Any]:
    tree = _object(raw, _DECODER)
    if without_halves(raw) != raw and (where := _lone_surrogate(tree)) is not None:
        raise Malformed(
            f"{where or 'a key'} holds half of a surrogate pair, as a text that was cut within an emoji does"
        )
    return tree


def _object(raw: bytes, decoder: json.JSONDecoder) -> dict[str, Any]:
    try:
        tree = decoder.decode(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Malformed(f"byte {error.start} is not valid UTF-8") from None
    except Malformed:
        raise
    except json.JSONDecodeError as error:
        raise Malformed(f"{error.msg} at character {error.pos}") from None
    except RecursionError:
        raise Malformed("it is nested too deeply") from None
    except ValueError:
        raise Malformed("a number in it is out of range") from None
    if type(tree) is not dict:
        raise Malformed("it is not an object")
    return tree


def parse_loosely(raw: bytes) -> Loose:
    """Decode a JSON object of an upstream: strangers must be strict, models' servers only understood.

    Tolerated are a byte order mark, keys that stand twice, `NaN` and infinities, and halves of surrogate pairs (an
    emoji cut between two pieces). Raises `Malformed` for everything else that `parse` refuses.
    """
    quick = _quickly(raw)
    if quick is not None:
        return Loose(quick)
    noise: list[str] = []
    dropped: list[Any] = []

    def last_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            noise.append("duplicate_key")
            seen: set[str] = set()
            for key, value in reversed(pairs):
                if key in seen and value != made[key]:
                    dropped.append({key: value})
                seen.add(key)
        return made

    def constant(name: str) -> float:
        noise.append("not_a_number")
        return float(name.replace("Infinity", "inf"))

    if raw.startswith(_BOM):
        noise.append("byte_order_mark")
    decoder = json.JSONDecoder(object_pairs_hook=last_wins, parse_constant=constant)
    tree = _object(raw.removeprefix(_BOM), decoder)
    if without_halves(raw) != raw:
        noise.append("half_a_surrogate_pair")
        tree, dropped = _mended(tree), _mended(dropped)
    return Loose(tree, tuple(dropped), tuple(dict.fromkeys(noise)))


def parse_request(raw: bytes, limits: Limits) -> dict[str, Any]:
    """`parse`, with `HttpFailure` for what is wrong and `LimitExceeded` for documents of more values, or nested deeper,
    than allowed."""
    if nodes.at_most(raw) > limits.json_nodes and nodes.nodes(raw) > limits.json_nodes:
        raise LimitExceeded(
            f"The body holds more than {limits.json_nodes:,} values (limits.json_nodes).", code="too_many_values"
        )
    try:
        tree = parse(raw)
    except Malformed as error:
        raise HttpFailure(400, "invalid_json", f"The body is not valid JSON: {error}.") from None
    if raw.count(b"{") + raw.count(b"[") > _DEPTH and depth_of(tree) > _DEPTH:
        raise LimitExceeded(f"The body is nested deeper than {_DEPTH} levels.", code="too_deep")
    return tree


def depth_of(tree: Any) -> int:
    """Levels of nesting; a scalar has none."""
    level, depth = [tree], 0
    while containers := [value for value in level if isinstance(value, dict | list)]:
        depth += 1
        level = [child for c in containers for child in (c.values() if isinstance(c, dict) else c)]
    return depth


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Malformed(f"the key {json.dumps(twice[:40])} stands twice in one object")
    return made


def _no_constant(name: str) -> Any:
    raise Malformed(f"{name} is not JSON")


def _lone_surrogate(tree: Any) -> str | None:
    """Where the first string stands that no encoding can write; None when there is none."""
    stack: list[tuple[Any, str]] = [(tree, "")]
    while stack:
        item, place = stack.pop()
        if isinstance(item, str):
            if not _encodes(item):
                return place
        elif isinstance(item, dict):
            if not all(map(_encodes, item)):
                return place
            stack += [(child, f"{place}.{key}" if place else key) for key, child in reversed(item.items())]
        elif isinstance(item, list):
            stack += [(child, f"{place}[{index}]") for index, child in reversed(list(enumerate(item)))]
    return None


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _mended(value: Any) -> Any:
    """`value` with a replacement character for each half of a surrogate pair."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        made = {_mended(key): _mended(child) for key, child in value.items()}
        if len(made) != len(value):
            raise Malformed("two keys of an object differ in halves of surrogate pairs only")
        return made
    return [_mended(child) for child in value] if isinstance(value, list) else value


_BOM = b"\xef\xbb\xbf"
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
