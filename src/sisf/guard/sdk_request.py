"""One request of an SDK on its way through the pipeline, to the model by the SDK's own HTTP client."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Literal, Protocol

from sisf.errors import HttpFailure, InspectionFailed
from sisf.gateway.asgi import Outgoing
from sisf.gateway.dialects.base import Dialect
from sisf.gateway.dialects.chat import Chat
from sisf.gateway.dialects.completions import Completions
from sisf.gateway.dialects.embeddings import Embeddings
from sisf.gateway.dialects.responses import Responses
from sisf.gateway.exchange_handler import JSON, ExchangeHandler
from sisf.gateway.failures import noticed, upstream_failure
from sisf.gateway.upstream import Reply
from sisf.pipeline import Caller, Pipeline, Turn

_DIALECTS: tuple[Dialect, ...] = (Chat(), Completions(), Responses(), Embeddings())
_MODELS = re.compile(r".*/models(/[^/]+)?/?")
_OWN = frozenset((b"content-length", b"content-encoding", b"transfer-encoding"))


def dialect_of(method: str, path: str) -> Dialect | None:
    """The dialect of an endpoint; None for one that passes without inspection, as listing models does.

    Raises `InspectionFailed` for every other: what SISF cannot inspect it does not let pass.
    """
    if method == "GET" and _MODELS.fullmatch(path):
        return None
    if method == "POST":
        for dialect in _DIALECTS:
            if path.endswith(dialect.path):
                return dialect
    raise InspectionFailed(
        f"{method} {path} is not an endpoint that SISF inspects; use the client itself, not the guarded one, for it"
    )


class Source(Protocol):
    """Where the model's answer comes from: the SDK's own HTTP client."""

    async def send(self, body: bytes) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Send the request with this body; status and headers of the response. Raises what the client raises."""
        ...

    async def read(self) -> bytes:
        """The next bytes of the response, decoded; empty at its end."""
        ...

    async def close(self) -> None:
        """Let go of the response."""
        ...


def _failed(error: Exception) -> HttpFailure:
    """The SDK's HTTP client failed; what it raised is the cause."""
    failure = upstream_failure(502, "upstream_failed", f"The request to the model failed: {type(error).__name__}.")
    failure.__cause__ = error
    return failure


class _SourceReply(Reply):
    """A response of the SDK's HTTP client, as the pipeline's handler reads it."""

    def __init__(self, source: Source, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self._source = source
        self.headers = [(name.lower(), value) for name, value in headers if name.lower() not in _OWN]
        self.status = status
        kind = next((value for name, value in headers if name.lower() == b"content-type"), b"")
        self.media_type = kind.decode("latin-1").partition(";")[0].strip().lower()
        self.has_key = False

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises `HttpFailure` when it breaks off."""
        while True:
            try:
                piece = await self._source.read()
            except Exception as error:
                raise _failed(error) from error
            if not piece:
                return
            yield piece

    async def __aenter__(self) -> "_SourceReply":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._source.close()


class _SourceUpstream:
    """Sends through the SDK's HTTP client."""

    def __init__(self, source: Source) -> None:
        self._source = source

    async def send(self, method: str, path: str, body: bytes | None = None, **_: Any) -> Reply:  # noqa: ARG002
        """Send exactly `body` to where the SDK meant it to go."""
        try:
            status, headers = await self._source.send(body or b"")
        except Exception as error:
            raise _failed(error) from error
        return _SourceReply(self._source, status, headers)


class SdkRequest:
    """Runs one request. What comes of it is sent as ASGI messages, or raised."""

    def __init__(
        self, pipeline: Pipeline, dialect: Dialect, caller: Caller, on_blocked: Literal["completion", "raise"]
    ) -> None:
        self._pipeline = pipeline
        self._dialect = dialect
        self._caller = caller
        self._on_blocked: Literal["completion", "raise"] = on_blocked
        self._out: Outgoing | None = None

    @property
    def finished(self) -> bool:
        """Whether the whole response was sent."""
        return self._out is not None and self._out.finished

    async def run(self, body: bytes, source: Source, send: Callable[[Mapping[str, Any]], Awaitable[None]]) -> None:
        """To the end; cancel it when nobody waits for the response any more.

        Raises `Blocked`, other `SisfError`s as `Guard.admit` and `Guard.release` do, and what the SDK's client raised.
        """
        pipeline = self._pipeline
        handler = ExchangeHandler(pipeline, self._dialect, _SourceUpstream(source), on_blocked=self._on_blocked)
        out = self._out = Outgoing(send)
        turn: Turn | None = None
        try:
            pipeline.admit(self._caller)
            turn = await handler.begin(body, self._caller, time.perf_counter())
            await handler.answer(turn, body, out)
        except HttpFailure as error:
            await self._answer(error, turn, out)
        except asyncio.CancelledError:
            if turn is not None:
                pipeline.abandon(turn)
            raise
        finally:
            if turn is not None:
                pipeline.end(turn)

    async def _answer(self, error: HttpFailure, turn: Turn | None, out: Outgoing) -> None:
        """A request that the API would refuse is refused as by the API; for the rest there are better errors."""
        noticed(error, self._pipeline.metrics, endpoint=self._dialect.name, exchange_id=turn.id if turn else None)
        if error.__cause__ is not None:
            raise error.__cause__
        if error.upstream:
            raise InspectionFailed(error.message)
        body = self._dialect.error(error.status, error.code, error.message, error.param)
        await out.whole(error.status, [], body, JSON)
