"""The door of the console: who is asking, security headers, and protection against requests that others forge."""

import hmac
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from sisf.console.roles import Role, Who
from sisf.console.sessions import Sessions
from sisf.gateway.identity import KeyFile
from sisf.latest import Latest

COOKIE = "sisf_console"
HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # with `no-referrer` browsers say `Origin: null` even to our own pages
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}
FOLLOWING = f"{HEADERS['content-security-policy']}; script-src 'self'; connect-src 'self'"
"""The policy of the one page that runs a script: a file of ours that loads the page again."""
OPEN = ("/login", "/oidc/", "/static/")
_FAILURES = 10
"""Wrong tokens of one address before it must wait: they are forgotten at one every six seconds."""
_SHORT = 16
"""Characters of a token that somebody could guess before an address has to wait."""
_FORGIVEN_SECONDS = 6.0
_ADDRESSES = 10_000

Denied = Callable[[Request, int, str], Awaitable[Response]]


class Credentials:
    """Checks what a caller shows: the console's token, an API key with a role, or a session."""

    def __init__(self, token: str, keys: KeyFile | None, sessions: Sessions) -> None:
        self.sessions = sessions
        self._token = token
        self._keys = keys
        self._failures: Latest[str, tuple[float, float]] = Latest(_ADDRESSES)

    @property
    def takes_secrets(self) -> bool:
        """Whether anybody can sign in with a token or key."""
        return bool(self._token) or self._keys is not None

    def by_secret(self, secret: str, address: str) -> Who | None:
        """Who a token or key belongs to. Raises `HTTPException` (429) for an address that keeps guessing.

        What nobody guesses opens the door from any address: many people may share one, and somebody who guesses there
        shuts nobody out. A token that is short enough to be guessed waits with the guesses.
        """
        who = self._who(secret)
        if who is not None and (who.key_id or len(self._token) >= _SHORT):
            return who
        count = self._count(address)
        if count > _FAILURES - 0.5:
            wait = str(math.ceil((count - _FAILURES + 1) * _FORGIVEN_SECONDS))
            raise HTTPException(429, "Too many wrong tokens from this address; wait a minute.", {"retry-after": wait})
        if who is None:
            self._failures[address] = (count + 1, time.monotonic())
        return who

    def by_link(self, code: str, address: str) -> Who | None:
        """Who a sign-in link belongs to: it works once. Raises `HTTPException` (429) as `by_secret` does."""
        who = self.sessions.redeem(code)
        return who if who is not None else self.by_secret("", address)

    def by_request(self, request: Request) -> Who | None:
        """Who a request comes from."""
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and secret:
            return self.by_secret(secret.strip(), address_of(request))
        session = request.cookies.get(COOKIE)
        return self.sessions.find(session) if session else None

    def _who(self, secret: str) -> Who | None:
        if not secret:
            return None
        if self._token and hmac.compare_digest(secret.encode(), self._token.encode()):
            return Who("console", Role.ADMIN)
        key = self._keys.find(secret) if self._keys else None
        known = key is not None and key.role in set(Role)
        if key is None or not known:
            return None
        return Who(key.principal, Role(key.role), key_id=key.id, tenant=key.limited_to)

    def _count(self, address: str) -> float:
        count, since = self._failures.get(address, (0.0, 0.0))
        return max(0.0, count - (time.monotonic() - since) / _FORGIVEN_SECONDS)


class Access:
    """Middleware: nobody without credentials gets past it, and every response carries the security headers."""

    def __init__(self, app: ASGIApp, credentials: Credentials, denied: Denied, *, url: str) -> None:
        self._app = app
        self._credentials = credentials
        self._denied = denied
        self._headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
        self._host = urlsplit(url).netloc
        if url.startswith("https://"):
            self._headers.append((b"strict-transport-security", b"max-age=31536000"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                known = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *((k, v) for k, v in self._headers if k not in known)]
            await send(message)

        request = Request(scope, receive)
        refusal = await self._refusal(request)
        await (refusal or self._app)(scope, receive, guarded)

    async def _refusal(self, request: Request) -> Response | None:
        path = request.url.path
        try:
            who = self._credentials.by_request(request)
        except HTTPException as error:
            response = await self._denied(request, error.status_code, error.detail)
            response.headers.update(error.headers or {})
            return response
        request.scope.setdefault("state", {})["who"] = who
        if who is None and not path.startswith(OPEN):
            return await self._denied(request, 401, "")
        if changes(request) and (who is None or who.csrf) and not self._own_page(request):
            return await self._denied(request, 403, "Changes are accepted from the console's own pages only.")
        return None

    def _own_page(self, request: Request) -> bool:
        """Whether the browser says that the request comes from one of our own pages."""
        origin = request.headers.get("origin")
        return origin is not None and urlsplit(origin).netloc in {request.headers.get("host"), self._host} - {None, ""}


def changes(request: Request) -> bool:
    """Whether a request may change something."""
    return request.method not in ("GET", "HEAD")


def check_csrf(who: Who, given: str) -> None:
    """Raise `HTTPException` (403) unless a form brought the session's own value back. Header callers have none."""
    if who.csrf and not hmac.compare_digest(who.csrf.encode(), given.encode()):
        raise HTTPException(403, "This form is from another session; reload the page and try again.")


def address_of(request: Request) -> str:
    """The address of the client, empty when unknown."""
    return request.client.host if request.client else ""


def own_path(given: str) -> str:
    """Where to go after signing in: a path of the console, whatever a link says."""
    parts = urlsplit(given)
    safe = given.startswith("/") and not given.startswith("//") and not parts.netloc and "\\" not in given
    return given if safe and given.isprintable() and not given.startswith(OPEN) else "/"
