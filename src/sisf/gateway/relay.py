"""A streamed answer: released byte for byte as its texts are, stopped where the pipeline says so."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from sisf.errors import HttpFailure, LimitExceeded, RateLimited, SisfError, StoreError
from sisf.gateway.client import Client
from sisf.gateway.dialects.base import Dialect, StreamState
from sisf.gateway.failures import as_http, noticed, upstream_failure
from sisf.gateway.headers import turn_headers
from sisf.gateway.sse import KEEP_ALIVE, Event, EventSplitter
from sisf.gateway.texts import with_embedded
from sisf.gateway.upstream import Reply
from sisf.gateway.wire import Malformed, parse
from sisf.pipeline import Pipeline, Turn
from sisf.pipeline.streaming import AnswerStream, Needs, StreamEvent, StreamStopped

_KEEP_ALIVE_SECONDS = 10.0
_END = StreamEvent(done=True)


class Relay:
    """Carries one stream from the upstream to the client.

    Events wait in a queue until all texts they bring are released, so the client gets the upstream's bytes in the
    upstream's order, late by no more than the window.
    """

    def __init__(
        self, pipeline: Pipeline, dialect: Dialect, turn: Turn, reply: Reply, out: Client, *, raises: bool
    ) -> None:
        """`raises`: an answer that is stopped raises `Blocked` instead of ending with the refusal."""
        self._limit = pipeline.settings.limits.body_bytes
        self._metrics = pipeline.metrics
        self._dialect = dialect
        self._turn = turn
        self._reply = reply
        self._out = out
        self._raises = raises
        self._stream = AnswerStream(pipeline, turn, with_embedded)
        self._queue: deque[tuple[bytes, Needs]] = deque()
        self._waiting = 0
        """Bytes in the queue."""
        self._first: dict[str, Any] | None = None
        self._last: dict[str, Any] | None = None
        self._delivered = False
        """Whether the client has any event of the answer."""
        self._last_sent = time.monotonic()

    async def run(self) -> None:
        """Relay to the end. Raises `SisfError` only while nothing was sent, and `Blocked`."""
        try:
            failure = await self._pump()
            await self._end(failure)
        except StreamStopped:
            await self._refuse()
        except (RateLimited, StoreError):  # it was stopped: nothing more of it goes out
            self._queue.clear()
            raise
        except asyncio.CancelledError:
            self._stream.abandon(delivered=self._delivered)
            raise

    async def _pump(self) -> HttpFailure | None:
        """Take and release events until the upstream ends, well (None) or not."""
        splitter = EventSplitter(self._limit)
        chunks = aiter(self._reply.chunks())
        try:
            while True:
                chunk = await self._next(chunks)
                for event in splitter.feed(chunk) if chunk else splitter.rest():
                    await self._take(event)
                if not chunk:
                    return None
                if not self._stream.held:
                    await self._release()
        except (RateLimited, StoreError):
            raise
        except LimitExceeded as error:
            return upstream_failure(502, "upstream_too_large", str(error))
        except SisfError as error:
            return as_http(error)
        except Malformed as error:
            return upstream_failure(502, "upstream_malformed", f"The upstream's stream is malformed: {error}.")

    async def _next(self, chunks: AsyncIterator[bytes]) -> bytes:
        """The next bytes (empty at the end)."""
        started = time.perf_counter()
        try:
            if not self._stream.held:
                return await anext(chunks, b"")
            chunk: bytes = await self._kept_alive(anext(chunks, b""))
            return chunk
        finally:
            self._turn.waited += time.perf_counter() - started

    async def _kept_alive(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Wait while nothing may go out yet; the client gets comments meanwhile, so that it does not give up."""
        waiting = asyncio.ensure_future(work)
        try:
            while not (await asyncio.wait({waiting}, timeout=self._until_keep_alive()))[0]:
                await self._send(KEEP_ALIVE)
            return waiting.result()
        finally:
            waiting.cancel()

    def _until_keep_alive(self) -> float:
        return max(0.0, self._last_sent + _KEEP_ALIVE_SECONDS - time.monotonic())

    async def _take(self, event: Event) -> None:
        """Inspect one event and put it into the queue."""
        needs: Needs = []
        if event.data is not None and event.data.strip() == b"[DONE]":
            await self._stream.take(_END)
        elif event.data is not None:
            tree = parse(event.data)
            brought = self._dialect.event(tree)
            self._first, self._last = self._first or tree, tree
            needs = await self._stream.take(brought)
        self._queue.append((event.raw, needs))
        self._waiting += len(event.raw)
        if self._waiting > self._limit:
            raise LimitExceeded("The model's stream holds back more bytes than an answer may have (limits.body_bytes).")

    async def _release(self) -> None:
        """Send every event whose texts were released, in order."""
        ready: list[bytes] = []
        queue, may_go = self._queue, self._stream.may_go
        while queue and may_go(queue[0][1]):
            ready.append(queue.popleft()[0])
            self._waiting -= len(ready[-1])
        if ready:
            await self._send(ready[0] if len(ready) == 1 else b"".join(ready))
            self._delivered = True

    async def _send(self, body: bytes) -> None:
        if not self._out.begun:
            kept = [(name, value) for name, value in self._reply.headers if name != b"content-type"]
            head = [*kept, *turn_headers(self._turn), (b"cache-control", b"no-store")]
            await self._out.begin(200, [(b"content-type", b"text/event-stream; charset=utf-8"), *head])
        await self._out.piece(body)
        self._last_sent = time.monotonic()

    async def _end(self, failure: HttpFailure | None) -> None:
        """Inspect what is left, judge if inline, record, and let the rest go."""
        try:
            await self._stream.finish()
        except (RateLimited, StoreError):
            raise
        except SisfError as error:
            failure = failure or as_http(error)
            self._queue.clear()
        ending = self._stream.end(delivered=self._delivered, failed=failure is not None)
        try:
            await (self._kept_alive(ending) if self._stream.held else ending)
        except StoreError as error:
            self._queue.clear()
            failure = as_http(error)
        if failure is not None and not self._out.begun and not self._queue:
            raise failure
        await self._release()
        if failure is not None:
            noticed(failure, self._metrics, endpoint=self._dialect.name, exchange_id=self._turn.id)
            await self._send(self._dialect.stream_error(failure.status, failure.code, failure.message))
        if not self._out.begun:
            await self._send(b"")
        await self._out.end()

    async def _refuse(self) -> None:
        """End the stream with the refusal; what was not released never is."""
        self._queue.clear()
        if self._raises:
            raise self._turn.stopped()
        first = self._first if self._out.begun else None
        state = StreamState(self._turn.request.model, first, self._last, self._stream.open_choices)
        await self._send(self._dialect.stream_refusal(state))
        await self._out.end()
