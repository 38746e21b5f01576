"""What every endpoint shares: the pipeline, the models behind it, and who may come in."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from sisf.gateway.asgi import DisconnectWatch, Scope, client_of, read_body
from sisf.gateway.bodies import Bodies
from sisf.gateway.encodings import decoded
from sisf.gateway.identity import Doorkeeper
from sisf.gateway.nodes import SMALL_BYTES
from sisf.gateway.routing import Upstreams
from sisf.gateway.tracing import Tracing
from sisf.gateway.wire import without_halves
from sisf.pipeline import Caller, Pipeline, Turn
from sisf.pipeline.metrics import Metrics
from sisf.settings import Settings

log = structlog.get_logger("sisf.gateway")


@dataclass(frozen=True, slots=True)
class Core:
    """The parts that the endpoints work with."""

    pipeline: Pipeline
    upstream: Upstreams
    door: Doorkeeper
    bodies: Bodies
    tracing: Tracing | None = None

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.pipeline.settings

    @property
    def metrics(self) -> Metrics:
        """Where everything is counted."""
        return self.pipeline.metrics

    def end(self, turn: Turn, status: int) -> None:
        """The exchange is over: it is counted and logged, and its trace says what was decided."""
        self.pipeline.end(turn, status=status)
        if self.tracing is not None:
            self.tracing.exchange(turn)

    def admit(self, scope: Scope, headers: Mapping[bytes, bytes]) -> Caller:
        """Who is calling. Raises `HttpFailure` (401) for a stranger, `RateLimited` for one who calls too often."""
        caller = self.door.identify(headers, client_of(scope))
        self.pipeline.admit(caller)
        return caller

    async def body(self, scope: Scope, watch: DisconnectWatch, caller: Caller) -> bytes:
        """The whole body, inflated; from then on the client is watched. Raises `LimitExceeded` for more bytes than this
        caller may send, at once or in all requests under way, `HttpFailure` (503) when there is no room for it, and
        `ClientGone`."""
        limit = caller.body_bytes or self.settings.limits.body_bytes
        room = self.bodies.room(caller.sender)
        body = await read_body(scope, watch.receive, limit, room)
        watch.begin()
        encodings = [value.decode("latin-1") for name, value in scope["headers"] if name == b"content-encoding"]
        if encodings:
            body = await asyncio.to_thread(decoded, body, ", ".join(encodings), limit)
            room(len(body))
        return body

    async def document(self, scope: Scope, watch: DisconnectWatch, caller: Caller) -> bytes:
        """The whole body, which is to be JSON, with U+FFFD for each half of a surrogate pair. Raises as `body` does."""
        body = await self.body(scope, watch, caller)
        await self.pipeline.breath.draw(caller.sender)
        return without_halves(body) if len(body) <= SMALL_BYTES else await asyncio.to_thread(without_halves, body)
