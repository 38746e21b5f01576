"""Cross-origin requests: which pages may read the gateway's answers."""

from collections.abc import Collection, Sequence
from typing import Any

from sisf.gateway.asgi import Scope, Send
from sisf.gateway.browsers import is_local, name_of

_METHODS = b"GET, POST, OPTIONS"
_SECONDS = b"600"
_EXPOSED = (
    b"x-sisf-decision, x-sisf-revision, x-sisf-exchange, x-sisf-redacted, x-sisf-blocked-at, x-request-id, retry-after"
)
_VARY = (b"vary", b"Origin")


class Cors:
    """Lets pages read answers: those of this machine, those of `hosts`, and those that `origins` names (`*`: all)."""

    def __init__(self, origins: Collection[str], hosts: Sequence[str]) -> None:
        self._origins = frozenset(origins)
        self._hosts = frozenset(hosts)

    def origin(self, scope: Scope) -> bytes | None:
        """The origin of the page that asks; None where no page asks, or none that may read the answer."""
        found: bytes | None = next((value for name, value in scope["headers"] if name == b"origin"), None)
        return found if found is not None and self._allows(found) else None

    def _allows(self, origin: bytes) -> bool:
        if "*" in self._origins or origin.decode("latin-1") in self._origins:
            return True
        name = name_of(origin)
        return bool(name) and (is_local(name) or name in self._hosts)


async def answer_preflight(scope: Scope, send: Send, origin: bytes, known: bool) -> None:
    """Say what a page of `origin` may send."""
    asked = next((value for name, value in scope["headers"] if name == b"access-control-request-headers"), b"*")
    headers = [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-methods", _METHODS),
        (b"access-control-allow-headers", asked),
        (b"access-control-max-age", _SECONDS),
        _VARY,
        (b"content-length", b"0"),
    ]
    await send({"type": "http.response.start", "status": 204 if known else 404, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def readable(send: Send, origin: bytes) -> Send:
    """`send` that lets a page of `origin` read the answer."""
    added = [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", _EXPOSED), _VARY]

    async def sent(message: Any) -> None:
        if message["type"] == "http.response.start":
            theirs = [h for h in message.get("headers", ()) if not h[0].startswith(b"access-control-")]
            message = {**message, "headers": [*theirs, *added]}
        await send(message)

    return sent
