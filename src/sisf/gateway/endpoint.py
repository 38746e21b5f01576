"""A completion endpoint on raw ASGI, around an `ExchangeHandler`."""

import asyncio
import re
import time
from collections.abc import Mapping

from sisf.errors import HttpFailure
from sisf.gateway.asgi import ClientGone, DisconnectWatch, Outgoing, Receive, Scope, Send
from sisf.gateway.core import Core
from sisf.gateway.dialects.base import Dialect
from sisf.gateway.exchange_handler import JSON, ExchangeHandler
from sisf.gateway.failures import STOPPING, noticed, retry_after
from sisf.gateway.headers import fields, turn_headers
from sisf.pipeline import Turn

_QUERY = re.compile(rb"(?:[A-Za-z0-9._~=&:@,/-]|%(?:2[1-9A-Fa-f]|3[A-Fa-f]|40|5[B-Fb-f]|60|7[B-Eb-e])){0,256}")
"""Parameters, with escapes for signs only: a query that could carry sentences would have to be inspected."""


def query_of(scope: Scope) -> str:
    """The query string. Raises `HttpFailure` for one that holds more than parameters need."""
    query: bytes = scope.get("query_string", b"")
    if not _QUERY.fullmatch(query):
        raise HttpFailure(400, "invalid_query", "The query string holds more than this endpoint takes.")
    return query.decode()


class Endpoint:
    """Serves one dialect."""

    def __init__(self, core: Core, dialect: Dialect) -> None:
        self._core = core
        self._dialect = dialect
        self._handler = ExchangeHandler(core.pipeline, dialect, core.upstream, on_blocked=core.settings.blocked_prompt)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens."""
        core, out = self._core, Outgoing(send)
        turn: Turn | None = None
        watch = DisconnectWatch(receive, out)
        core.metrics.in_flight += 1
        started = time.perf_counter()
        try:
            headers: Mapping[bytes, bytes] = fields(scope["headers"])
            caller = core.admit(scope, headers)
            body = await core.document(scope, watch, caller)
            turn = await self._handler.begin(body, caller, started)
            await self._handler.answer(turn, body, out, headers=headers, query=query_of(scope))
        except ClientGone:
            pass
        except asyncio.CancelledError:
            if not watch.gone:
                await self._failed(out, turn, STOPPING)
            elif turn is not None:
                core.pipeline.abandon(turn)
        except Exception as error:  # noqa: BLE001 - a request never takes the server down
            await self._failed(out, turn, error)
        finally:
            watch.stop()
            core.metrics.in_flight -= 1
            core.metrics.requests.inc(self._dialect.name, str(out.status or 499))
            if turn is not None:
                core.end(turn, out.status or 499)

    async def _failed(self, out: Outgoing, turn: Turn | None, error: Exception) -> None:
        failure = noticed(error, self._core.metrics, endpoint=self._dialect.name, exchange_id=turn.id if turn else None)
        if out.finished:
            return
        if out.begun:
            await out.piece(self._dialect.stream_error(failure.status, failure.code, failure.message))
            await out.end()
            return
        headers = [*(turn_headers(turn) if turn else ()), *retry_after(failure)]
        body = self._dialect.error(failure.status, failure.code, failure.message, failure.param)
        await out.whole(failure.status, headers, body, JSON)
