"""What all endpoints of the small servers read and write in the same way."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from starlette.responses import JSONResponse

from sisf.errors import quoted
from sisf.exchange import Message, Role

_ROLES = {"system": Role.SYSTEM, "developer": Role.SYSTEM, "assistant": Role.ASSISTANT, "tool": Role.TOOL}
_PLACE = re.compile(r" - at `(?:key in )?\$\.?(.*)`$")
_MISSING = re.compile(r"Object missing required field `(.*)`$")
_EXPECTED = re.compile(r"Expected `(.*?)`([^,]*)(?:, got `(.*)`)?$")
_DEEPEST = 100
_TOO_DEEP = f"the body is nested more than {_DEEPEST} deep"
_LENGTH = " of length >= 1"
_KINDS = {
    "array": "an array",
    "bool": "true or false",
    "float": "a number",
    "int": "a whole number",
    "object": "an object",
    "str": "a text",
}


class BadRequest(Exception):
    """The client's mistake, in words."""


def parsed(raw: bytes, shape: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON object of a request, of which each field that `shape` names is as it says. Raises `BadRequest`."""
    try:
        body = msgspec.json.decode(raw)
    except RecursionError:
        raise BadRequest(_TOO_DEEP) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"the body is not valid JSON: {error}") from None
    if _deep(body):
        raise BadRequest(_TOO_DEEP)
    try:
        msgspec.convert(body, shape)
    except msgspec.ValidationError as error:
        raise BadRequest(_objection(str(error))) from None
    return body  # type: ignore[no-any-return]


def _deep(value: object) -> bool:
    """Whether more is nested in each other than could be written again."""
    inner = [value]
    for _ in range(_DEEPEST):
        inner = [each for one in inner for each in _children(one)]
    return bool(inner)


def _children(value: object) -> Iterable[object]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _objection(said: str) -> str:
    """Which field is wrong and what is expected there, in the words of JSON."""
    found = _PLACE.search(said)
    place, said = (found[1], said[: found.start()]) if found else ("", said)
    if missing := _MISSING.match(said):
        return f"`{f'{place}.' if place else ''}{missing[1]}` is missing"
    where = quoted(place) if place else "the body"
    expected = _EXPECTED.match(said)
    if expected is None:
        return f"{where}: {said}"
    kinds, limit, got = expected.groups()
    if limit == _LENGTH:
        return f"{where} must be a non-empty array"
    return f"{where} must be {_kinds(kinds)}{limit}" + (f", not {_kinds(got)}" if got else "")


def _kinds(names: str) -> str:
    return " or ".join(_KINDS.get(name, name) for name in names.split(" | "))


def messages_of(said: Sequence[Mapping[str, Any]]) -> list[Message]:
    """The messages of a request, of the shape `Said`."""
    return [
        Message(_ROLES.get(item["role"], Role.USER), _text(item.get("content")), f"messages[{index}]")
        for index, item in enumerate(said)
    ]


def _text(content: object) -> str:
    if isinstance(content, list):
        return "\n".join(part.get("text") or "" for part in content)
    return content if isinstance(content, str) else ""


def pieces(text: str) -> list[str]:
    """A text in words, as a model streams it."""
    words = text.split(" ")
    return [word if i == 0 else " " + word for i, word in enumerate(words) if word or i]


def error_response(status: int, kind: str, message: str) -> JSONResponse:
    """An error in OpenAI's shape."""
    return JSONResponse({"error": {"message": message, "type": kind, "param": None, "code": None}}, status_code=status)
