"""Reading JSON from strangers. What is inspected must be what the next reader reads, so nothing ambiguous passes."""

import json
from typing import Any

import msgspec

from sisf.errors import HttpFailure, LimitExceeded
from sisf.gateway import nodes
from sisf.settings import Limits


class Malformed(ValueError):
    """A document that two readers could read differently, or not at all."""


class Uninspectable(ValueError):
    """A part that holds no text to inspect (an image, audio, a file)."""


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
    Escapes (`\\u003a`) could hide colons: documents that have such are read slowly.
    """
    if b"\\u" in raw:
        return None
    try:
        tree = _decode(raw)
        if type(tree) is not dict or _encode(tree).count(b":") != raw.count(b":"):
            return None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return tree


def _slowly(raw: bytes) -> dict[str, Any]:
    try:
        text = raw.decode("utf-8")
        tree = _DECODER.decode(text)
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
    if b"\\u" in raw and _has_lone_surrogate(text, tree):
        raise Malformed("it holds a lone surrogate")
    return tree


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
    if raw.count(b"{") + raw.count(b"[") > limits.json_depth and depth_of(tree) > limits.json_depth:
        raise LimitExceeded(f"The body is nested deeper than {limits.json_depth} levels.", code="too_deep")
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


def _has_lone_surrogate(text: str, tree: dict[str, Any]) -> bool:
    if "\\ud" not in text and "\\uD" not in text:
        return False
    try:
        json.dumps(tree, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
