"""Error bodies in the shapes that clients understand."""

from dataclasses import dataclass
from typing import Any

from sisf.exchange import Message, Role
from sisf.gateway.shapes import Anything, Number, Reader, Record, Text, keys
from sisf.gateway.texts import dumps
from sisf.gateway.wire import Malformed, parse_loosely

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}
BLOCKED = "The prompt was blocked by a safety policy of this service. Change it and try again."


def blocked_at(place: str) -> str:
    """`BLOCKED`, and which text of the request it is about: a place, never what a policy looks for."""
    return f"{BLOCKED} It is about {place}." if place else BLOCKED


def _type(status: int, ours: str) -> str:
    """The type of an error by its status; `ours` where the client is not to blame."""
    return _TYPES.get(status) or ("invalid_request_error" if 400 <= status < 500 else ours)


def openai_error(status: int, code: str, message: str, param: str | None = None) -> bytes:
    """`{"error": {message, type, param, code}}`; for `content_filter` with the fields that Azure adds."""
    error: dict[str, Any] = {
        "message": message,
        "type": _type(status, "server_error"),
        "param": param,
        "code": code,
    }
    if code == "content_filter":
        error["status"] = status
        error["innererror"] = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {}}
    return dumps({"error": error})


def anthropic_error(status: int, code: str, message: str) -> bytes:
    """`{"type": "error", "error": {type, message}}`."""
    kind = {413: "request_too_large", 502: "api_error", 503: "overloaded_error", 504: "timeout_error"}.get(status)
    kind = kind or {404: "not_found_error"}.get(status) or _type(status, "api_error")
    text = f"{message} ({code})" if code else message
    return dumps({"type": "error", "error": {"type": kind, "message": text}})


_ERROR = Record({**keys(Text(short=True), "type code param"), "message": Text(), "status": Number()})
_BODY = Record({"error": _ERROR, **keys(Text(), "message detail"), "type": Text(short=True)})


@dataclass(frozen=True, slots=True)
class UpstreamError:
    """What the model's server said in place of an answer."""

    body: bytes
    """What may be passed on."""
    messages: tuple[Message, ...] = ()
    """All its texts."""
    code: str = ""
    """Its code, where it is one of the words that APIs use."""
    inspectable: bool = True


def read_error(body: bytes) -> UpstreamError:
    """Every text of an error's body, whatever its form."""
    try:
        read = parse_loosely(body)
    except Malformed:
        try:
            text = body.decode()
        except UnicodeDecodeError:
            return UpstreamError(b"", inspectable=False)
        return UpstreamError(body, (Message(Role.ASSISTANT, text, "error"),) if text.strip() else ())
    reader = Reader(lenient=True)
    with reader.collected(Role.ASSISTANT, "error"):
        reader.read(_BODY, read.tree, Role.ASSISTANT, "")
        reader.read(Anything(), list(read.dropped), Role.ASSISTANT, "error")
    error = read.tree.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    known = isinstance(code, str) and code in _CODES
    passed = dumps(read.tree) if read.dropped else body
    return UpstreamError(passed, (*reader.messages, *reader.aside), str(code) if known else "")


_CODES = frozenset(
    """
    context_length_exceeded rate_limit_exceeded insufficient_quota invalid_api_key model_not_found content_filter
    invalid_request invalid_request_error server_error tool_use_failed unsupported_parameter unsupported_value
    invalid_value missing_required_parameter string_above_max_length invalid_type billing_hard_limit_reached
    engine_overloaded account_deactivated content_policy_violation json_validate_failed moderation_blocked
    """.split()
)
