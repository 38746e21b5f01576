"""Error bodies in the shapes that clients understand."""

from typing import Any

from sisf.gateway.texts import dumps

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


def openai_error(status: int, code: str, message: str, param: str | None = None) -> bytes:
    """`{"error": {message, type, param, code}}`; for `content_filter` with the fields that Azure adds."""
    error: dict[str, Any] = {
        "message": message,
        "type": _TYPES.get(status, "server_error"),
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
    kind = kind or {404: "not_found_error"}.get(status) or _TYPES.get(status, "api_error")
    text = f"{message} ({code})" if code else message
    return dumps({"type": "error", "error": {"type": kind, "message": text}})
