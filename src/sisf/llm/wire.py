"""What all endpoints of the small server read and write in the same way."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

from sisf.exchange import Message, Role

_ROLES = {"system": Role.SYSTEM, "developer": Role.SYSTEM, "assistant": Role.ASSISTANT, "tool": Role.TOOL}


class BadRequest(Exception):
    """The client's mistake, in words."""


def parsed(raw: bytes) -> Mapping[str, Any]:
    """The JSON object of a request. Raises `BadRequest`."""
    try:
        body = json.loads(raw)
    except ValueError:
        raise BadRequest("the body is not valid JSON") from None
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object")
    return body


def messages_of(given: object) -> list[Message]:
    """The messages of a request. Raises `BadRequest`."""
    if not isinstance(given, list) or not given:
        raise BadRequest("`messages` must be a non-empty array")
    messages = []
    for index, item in enumerate(given):
        if not isinstance(item, dict):
            raise BadRequest(f"messages[{index}] must be an object")
        role = _ROLES.get(str(item.get("role")), Role.USER)
        messages.append(Message(role, _text(item.get("content")), f"messages[{index}]"))
    return messages


def _text(content: object) -> str:
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def pieces(text: str) -> list[str]:
    """A text in words, as a model streams it."""
    words = text.split(" ")
    return [word if i == 0 else " " + word for i, word in enumerate(words) if word or i]


def error_response(status: int, kind: str, message: str) -> JSONResponse:
    """An error in OpenAI's shape."""
    return JSONResponse({"error": {"message": message, "type": kind, "param": None, "code": None}}, status_code=status)
