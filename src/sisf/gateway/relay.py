"""A streamed answer: released byte for byte as its texts are, stopped where the pipeline says so."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from sisf.errors import HttpFailure, LimitExceeded, RateLimited, SisfError, StoreError
from sisf.gateway import nodes
from sisf.gateway.client import Client
from sisf.gateway.dialects.answers import Asked
from sisf.gateway.dialects.base import Dialect, StreamState
from sisf.gateway.failures import as_http, noticed, upstream_failure
from sisf.gateway.headers import turn_headers
from sisf.gateway.sse import KEEP_ALIVE, PING, Event, EventSplitter
from sisf.gateway.texts import dumps, with_embedded
from sisf.gateway.upstream import Reply
from sisf.gateway.wire import Loose, Malformed, Uninspectable, parse_loosely
from sisf.pipeline import Pipeline, Turn
from sisf.pipeline.stream_texts import Delta, Needs, StreamEvent, StreamStopped
from sisf.pipeline.streaming import AnswerStream

_KEEP_ALIVE_SECONDS = 10.0
_SENT_AT_ONCE = 256
"""Events that go out together."""
_QUIET_BYTES = 4_000
"""Up to so many bytes of events that say nothing are held as one."""
_END = StreamEvent(done=True)
_NOTHING = StreamEvent()


@dataclass(slots=True)
class Held:
    """An event that waits until its texts are released."""

    raw: bytes
    tree: dict[str, Any] = field(default_factory=dict)
    event: StreamEvent = _NOTHING
    needs: Needs = field(default_factory=list)

    @property
    def quiet(self) -> bool:
        """Whether it brings nothing that anybody waits for, or that the structure of the answer depends on."""
        return not self.tree and not self.needs and self.event is _NOTHING


class Relay:
    """Carries one stream from the upstream to the client.

    Events wait in a queue until all texts they bring are released, so the client gets the upstream's bytes in the
    upstream's order, late by no more than the window.
    """

    def __init__(
        self, pipeline: Pipeline, dialect: Dialect, turn: Turn, reply: Reply, out: Client, *, asked: Asked, raises: bool
    ) -> None:
        """`raises`: an answer that is stopped raises `Blocked` instead of ending with the refusal."""
        self._pipeline = pipeline
        self._limit = pipeline.settings.limits.body_bytes
        self._metrics = pipeline.metrics
        self._dialect = dialect
        self._turn = turn
        self._reply = reply
        self._out = out
        self._raises = raises
        answers = 1 if raises else dialect.answers_asked(asked)
        self._stream = AnswerStream(pipeline, turn, with_embedded, answers=answers)
        self._asked = asked
        self._refused: set[int] = set()
        """Choices that were stopped alone, with their refusal in the queue."""
        self._queue: deque[Held] = deque()
        self._sent = StreamState(turn.request.model, asked=asked)
        """What the client has seen of the answer's structure."""
        self._waiting = 0
        """Bytes in the queue."""
        self._delivered = False
        """Whether the client has any event of the answer."""
        self._last_sent = time.monotonic()
        self._sending = asyncio.Lock()
        self._quiet = PING if dialect.name == "messages" else KEEP_ALIVE

    async def run(self) -> None:
        """Relay to the end. Raises `SisfError` only while nothing was sent, and `Blocked`."""
        quiet = asyncio.get_running_loop().create_task(self._keep_alive())
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
        finally:
            quiet.cancel()

    async def _pump(self) -> HttpFailure | None:
        """Take and release events until the upstream ends, well (None) or not."""
        splitter = EventSplitter(self._limit)
        chunks = aiter(self._reply.chunks())
        try:
            while True:
                chunk = await self._next(chunks)
                await self._take_all(splitter.feed(chunk) if chunk else splitter.rest())
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
        except Uninspectable as error:
            return upstream_failure(
                502, "upstream_uninspectable", f"The upstream's stream cannot be inspected: {error}."
            )

    async def _take_all(self, events: Iterable[Event]) -> None:
        for event in events:
            await self._pipeline.breath.draw(self._turn.caller.sender)
            await self._take(event)

    async def _next(self, chunks: AsyncIterator[bytes]) -> bytes:
        """The next bytes (empty at the end)."""
        started = time.perf_counter()
        try:
            return await anext(chunks, b"")
        finally:
            self._turn.waited += time.perf_counter() - started

    async def _keep_alive(self) -> None:
        """Send something that says nothing whenever nothing was sent for a while: else proxies and clients give up.

        Only whole events go out, so it never stands inside one.
        """
        while True:
            await asyncio.sleep(self._until_keep_alive())
            async with self._sending:
                if self._until_keep_alive() <= 0:
                    await self._write(self._quiet)

    def _until_keep_alive(self) -> float:
        return max(0.0, self._last_sent + _KEEP_ALIVE_SECONDS - time.monotonic())

    async def _take(self, event: Event) -> None:
        """Inspect one event and put it into the queue."""
        held = Held(event.raw)
        data = (event.data or b"").strip()
        if data == b"[DONE]":
            await self._stream.take(_END)
            self._refuse_choices()
        elif data:
            if nodes.small(data):
                read, held.event = self._read(data)
            else:
                read, held.event = await self._pipeline.aside(self._turn.caller, lambda: self._read(data))
            held.tree = read.tree
            for noise in read.noise:
                self._metrics.noise.labels(noise).inc()
            if not read.tree:
                self._metrics.noise.labels("empty_event").inc()
            if read.dropped:
                held.raw = _rewritten(event, read.tree)
            held.needs = await self._stream.take(held.event)
            self._refuse_choices()
            if self._refused and held.tree:
                self._shorten(held)
        elif event.data is not None:
            self._metrics.noise.labels("empty_event").inc()
        await self._beside(event, held.tree.get("type"))
        hold(self._queue, held)
        self._waiting += len(held.raw)
        if self._waiting > self._limit:
            raise LimitExceeded("The model's stream holds back more bytes than an answer may have (limits.body_bytes).")

    def _read(self, data: bytes) -> tuple[Loose, StreamEvent]:
        """An event, and what it brings."""
        read = parse_loosely(data)
        return read, self._dialect.event(read.tree, self._asked)

    async def _beside(self, event: Event, kind: object) -> None:
        """Inspect comments and other fields, which clients ignore or only log."""
        said = [text for text in event.beside if not (isinstance(kind, str) and text == kind.encode())]
        if said:
            await self._stream.take(StreamEvent([Delta(-1, "comment", t.decode(errors="replace")) for t in said]))

    async def _release(self) -> None:
        """Send every event whose texts were released, in order."""
        while ready := self._ready():
            if body := ready[0] if len(ready) == 1 else b"".join(ready):
                await self._send(body)
                self._delivered = True
            if len(ready) < _SENT_AT_ONCE:
                return
            await self._pipeline.breath.draw(self._turn.caller.sender)

    def _ready(self) -> list[bytes]:
        ready: list[bytes] = []
        queue, may_go = self._queue, self._stream.may_go
        while queue and len(ready) < _SENT_AT_ONCE and may_go(queue[0].needs):
            held = queue.popleft()
            ready.append(held.raw)
            self._waiting -= len(held.raw)
            if held.tree:
                self._sent.note(held.tree, held.event)
        return ready

    async def _send(self, body: bytes) -> None:
        async with self._sending:
            await self._write(body)

    async def _write(self, body: bytes) -> None:
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
            self._refuse_choices()
        except (RateLimited, StoreError):
            raise
        except SisfError as error:
            failure = failure or as_http(error)
            self._queue.clear()
        try:
            await self._stream.end(delivered=self._delivered, failed=failure is not None)
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
        if self._raises:
            raise self._turn.stopped()
        if not self._stream.held:
            await self._release()
        self._queue.clear()
        self._sent.open_choices = self._stream.choices - self._sent.ended
        await self._send(self._dialect.stream_refusal(self._sent))
        await self._out.end()

    def _refuse_choices(self) -> None:
        """Of several answers some may not go on: what waits of them is dropped, and they end with the refusal."""
        for choice in sorted(self._stream.stopped - self._refused):
            self._refused.add(choice)
            for held in self._queue:
                if not self._stream.may_go(held.needs):
                    self._shorten(held)
            first = self._sent.first or next((held.tree for held in self._queue if "choices" in held.tree), None)
            body = self._dialect.choice_refusal(replace(self._sent, first=first), choice)
            self._queue.append(Held(body, {"choices": []}, StreamEvent(finished=(choice,))))
            self._waiting += len(body)

    def _shorten(self, held: Held) -> None:
        """Take the choices that were stopped out of an event."""
        tree = self._dialect.without(held.tree, self._refused)
        if tree is not None and len(tree.get("choices") or ()) == len(held.tree.get("choices") or ()):
            return
        body = b"" if tree is None else b"data: " + dumps(tree) + b"\n\n"
        self._waiting += len(body) - len(held.raw)
        held.raw, held.tree = body, tree or {}
        held.event = replace(held.event, finished=[c for c in held.event.finished if c not in self._refused])
        held.needs = [(channel, end) for channel, end in held.needs if channel.choice not in self._refused]


def hold(queue: deque[Held], held: Held) -> None:
    """Put an event behind those that wait; one that says nothing becomes one with such a one before it: many short
    ones would cost far more than their bytes."""
    last = queue[-1] if queue else None
    if last is not None and last.quiet and held.quiet and len(last.raw) < _QUIET_BYTES:
        last.raw += held.raw
    else:
        queue.append(held)


def _rewritten(event: Event, tree: dict[str, Any]) -> bytes:
    """An event whose data two readers could read differently, with the data as it was inspected."""
    kept = [line for line in event.raw.splitlines() if line and not line.startswith(b"data")]
    return b"\n".join([*kept, b"data: " + dumps(tree), b"", b""])
