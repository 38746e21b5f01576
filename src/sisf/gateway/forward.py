"""Endpoints that are not inspected: only those that the settings name are forwarded, and their answers say so."""

import asyncio
import re
from collections.abc import Collection, Mapping, Sequence

from sisf.errors import ConfigurationError, HttpFailure, SisfError, quoted
from sisf.gateway.asgi import ClientGone, DisconnectWatch, Outgoing, Receive, Scope, Send
from sisf.gateway.core import Core, log
from sisf.gateway.dialects.errors import openai_error
from sisf.gateway.endpoint import query_of
from sisf.gateway.failures import STOPPING, noticed, retry_after
from sisf.gateway.headers import fields, with_own_key
from sisf.gateway.upstream import Reply
from sisf.pipeline import Caller

_ROUTE = re.compile(r"(GET|POST|PUT|PATCH|DELETE) (/v1(?:/(?:\*|[A-Za-z0-9_~-][A-Za-z0-9._~-]*))+)")
_PART = r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*"
_MEDIA_TYPE = re.compile(
    r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(?:; ?[A-Za-z0-9_-]+=[\"A-Za-z0-9 '()+_,./:=?-]+)*"
)
_HEADERS = [(b"x-sisf-decision", b"uninspected")]


class PassThrough:
    """Forwards requests and answers byte for byte, uninspected and unrecorded.

    Callers are identified and limited as everywhere, keys stay on their sides, and paths are those of the settings.
    """

    def __init__(self, core: Core, inspected: Collection[str]) -> None:
        self._core = core
        self._routes = [_compiled(route, inspected) for route in core.settings.pass_through]

    def takes(self, method: str, path: str) -> bool:
        """Whether the settings name this endpoint."""
        return any(method == name and pattern.fullmatch(path) for name, pattern in self._routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens."""
        out = Outgoing(send)
        caller = Caller()
        watch = DisconnectWatch(receive, out)
        self._core.metrics.in_flight += 1
        try:
            headers: Mapping[bytes, bytes] = fields(scope["headers"])
            caller = self._core.admit(scope, headers)
            body = await self._core.body(scope, watch, caller)
            async with await self._sent(scope, with_own_key(headers, caller.sender), body) as reply:
                await _relayed(reply, out)
        except ClientGone:
            pass
        except SisfError as error:
            await self._failed(out, error)
        except asyncio.CancelledError:
            if not watch.gone:
                await self._failed(out, STOPPING)
        finally:
            watch.stop()
            self._account(scope, out, caller)

    async def _sent(self, scope: Scope, headers: Mapping[bytes, bytes], body: bytes) -> Reply:
        query = query_of(scope)
        media_type = headers.get(b"content-type", b"application/json").decode("latin-1")
        if not _MEDIA_TYPE.fullmatch(media_type):
            raise HttpFailure(400, "invalid_request", "The content type is malformed.")
        return await self._core.upstream.send(
            scope["method"],
            scope["path"].removeprefix("/v1"),
            body or None,
            client_headers=headers,
            query=query,
            media_type=media_type,
        )

    async def _failed(self, out: Outgoing, error: SisfError) -> None:
        failure = noticed(error, self._core.metrics, endpoint="pass_through")
        if out.begun:
            raise error  # the connection breaks off: there is no other way to tell the client
        body = openai_error(failure.status, failure.code, failure.message)
        await out.whole(failure.status, [*_HEADERS, *retry_after(failure)], body, b"application/json")

    def _account(self, scope: Scope, out: Outgoing, caller: Caller) -> None:
        self._core.metrics.in_flight -= 1
        self._core.metrics.requests.inc("pass_through", str(out.status or 499))
        log.info(
            "uninspected",
            method=scope["method"],
            path=scope["path"],
            status=out.status or 499,
            tenant=caller.tenant,
            principal=caller.sender.principal,
        )


async def _relayed(reply: Reply, out: Outgoing) -> None:
    reply.verify()
    await out.begin(reply.status, [*reply.headers, *_HEADERS])
    async for chunk in reply.chunks():
        await out.piece(chunk)
    await out.end()


def _compiled(route: str, inspected: Collection[str]) -> tuple[str, re.Pattern[str]]:
    found = _ROUTE.fullmatch(route)
    if found is None:
        raise ConfigurationError(
            f"pass_through: {quoted(route)} is no endpoint; write METHOD and path such as `POST /v1/files` or "
            "`GET /v1/files/*` (`*` stands for one part of the path)"
        )
    method, path = found.groups()
    pattern = re.compile("/".join(_PART if part == "*" else re.escape(part) for part in path.split("/")))
    for taken in inspected:
        if method == "POST" and pattern.fullmatch(taken):
            raise ConfigurationError(f"pass_through: {quoted(route)} would pass by the inspection of {taken}")
    return method, pattern


def known_paths(paths: Sequence[str], inspected: Collection[str]) -> None:
    """Raises `ConfigurationError` for a path in `observe.endpoints` that nothing answers."""
    for path in paths:
        if path not in inspected:
            raise ConfigurationError(
                f"observe.endpoints: {quoted(path)} is not inspected; these are: {', '.join(sorted(inspected))}"
            )
