"""A streamed answer: inspected as it flows, released byte for byte, stopped where a policy says so."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from sisf.exchange import Fate, Message, Role
from sisf.gateway.asgi import Outgoing
from sisf.gateway.core import Core, Turn
from sisf.gateway.dialects.base import Delta, Dialect, StreamState
from sisf.gateway.judging import InlineJudge
from sisf.gateway.ports import Inspector
from sisf.gateway.sse import KEEP_ALIVE, Event, EventSplitter
from sisf.gateway.texts import with_embedded
from sisf.gateway.upstream import Reply, UpstreamError
from sisf.gateway.wire import Malformed, Refused, parse
from sisf.policy import Direction
from sisf.verdict import Verdict

_KEEP_ALIVE_SECONDS = 10.0
_TAIL_CHARS = 512


@dataclass(slots=True)
class _Channel:
    """One text of the answer while it is written. Offsets count characters."""

    choice: int
    name: str
    whole: bool
    inspector: Inspector | None = None
    pieces: list[str] = field(default_factory=list)
    fed: int = 0
    released: int = 0
    overlap: int = 0
    """Characters of earlier text that the inspector was shown again and that are released already."""
    muted: bool = False
    """Blocked in observe mode: one block is enough to know, the rest passes."""


class _Blocked(Exception):
    """A policy stopped the answer."""


class Relay:
    """Carries one stream from the upstream to the client.

    Events wait in a queue until all texts they bring were released by their inspectors, so the client gets the
    upstream's bytes in the upstream's order, late by no more than the window.
    """

    def __init__(self, core: Core, dialect: Dialect, turn: Turn, reply: Reply, out: Outgoing) -> None:
        self._core = core
        self._dialect = dialect
        self._turn = turn
        self._reply = reply
        self._out = out
        self._queue: deque[tuple[bytes, list[tuple[_Channel, int]]]] = deque()
        self._channels: dict[tuple[int, str], _Channel] = {}
        self._speaking: dict[int, _Channel] = {}
        self._first: dict[str, Any] | None = None
        self._last: dict[str, Any] | None = None
        self._known: set[str] = set()
        self._choices: set[int] = set()
        self._finished: set[int] = set()
        self._hold = core.judge is not None or core.recorder.must_wait
        self._chars = 0
        self._last_sent = time.monotonic()

    @property
    def text(self) -> str:
        """All texts that came so far."""
        return "\n".join("".join(channel.pieces) for channel in self._channels.values() if channel.pieces)

    async def run(self) -> None:
        """Relay to the end. Raises `UpstreamError` or `Refused` only while nothing was sent."""
        failure: UpstreamError | Refused | None = None
        try:
            await self._pump()
        except _Blocked:
            await self._refuse(Fate.INTERCEPTED_RESPONSE)
            return
        except (UpstreamError, Refused) as error:
            failure = error
        except asyncio.CancelledError:
            if self._out.begun:  # the client left with a part of the answer: that part still teaches
                self._turn.fate = Fate.RELEASED
                self._core.recorder.note(self._turn.record(self.text))
            raise
        except Malformed as error:
            failure = UpstreamError(502, "upstream_malformed", f"The upstream's stream is malformed: {error}.")
        await self._end(failure)

    async def _pump(self) -> None:
        splitter = EventSplitter(self._core.settings.limits.body_bytes)
        chunks = aiter(self._reply.chunks())
        while True:
            chunk = await self._next(chunks)
            events = splitter.feed(chunk) if chunk else splitter.rest()
            for event in events:
                await self._take(event)
            if not chunk:
                return
            if not self._hold:
                await self._release()

    async def _next(self, chunks: object) -> bytes:
        """The next bytes (empty at the end); a held stream is kept alive with comments meanwhile."""
        started = time.perf_counter()
        try:
            if not self._hold:
                return await anext(chunks, b"")  # type: ignore[call-overload, no-any-return]
            waiting = asyncio.ensure_future(anext(chunks, b""))  # type: ignore[call-overload]
            try:
                while not (await asyncio.wait({waiting}, timeout=self._until_keep_alive()))[0]:
                    await self._keep_alive()
                return waiting.result()  # type: ignore[no-any-return]
            finally:
                waiting.cancel()
        finally:
            self._turn.waited += time.perf_counter() - started

    def _until_keep_alive(self) -> float:
        return max(0.0, self._last_sent + _KEEP_ALIVE_SECONDS - time.monotonic())

    async def _keep_alive(self) -> None:
        await self._send(KEEP_ALIVE)

    async def _take(self, event: Event) -> None:
        """Inspect one event and put it into the queue."""
        needs: list[tuple[_Channel, int]] = []
        if event.data is not None and event.data.strip() == b"[DONE]":
            await self._finish(None)
        elif event.data is not None:
            await self._inspect(event.data, needs)
        self._queue.append((event.raw, needs))

    async def _inspect(self, data: bytes, needs: list[tuple[_Channel, int]]) -> None:
        """Feed every text of an event to its channel; `needs` says up to where each must be released first."""
        tree = parse(data)
        found = self._dialect.event(tree)
        self._first, self._last = self._first or tree, tree
        for delta in found.deltas:
            if delta.choice >= 0:
                channel = self._channel(delta)
                needs.append((channel, channel.fed + len(delta.text)))
                await self._feed(channel, delta.text)
        for choice in found.finished:
            await self._finish(choice)
        if found.done:
            await self._finish(None)
        for delta in found.deltas:
            if delta.choice < 0:
                await self._aside(delta)

    async def _aside(self, delta: Delta) -> None:
        """A text outside of the answer proper, or one that repeats a part of it: inspected once."""
        if delta.text not in self._known:
            self._known.add(delta.text)
            await self._judge_whole([Message(Role.ASSISTANT, delta.text, delta.channel)])

    def _channel(self, delta: Delta) -> _Channel:
        key = (delta.choice, delta.channel)
        channel = self._channels.get(key)
        if channel is None:
            channel = self._channels[key] = _Channel(delta.choice, delta.channel, delta.whole)
            self._choices.add(delta.choice)
        return channel

    async def _feed(self, channel: _Channel, text: str) -> None:
        self._chars += len(text)
        if self._chars > self._core.settings.limits.text_chars:
            raise UpstreamError(502, "upstream_too_large", "The upstream's answer is longer than allowed.")
        speaking = self._speaking.get(channel.choice)
        if speaking is not channel:
            if speaking is not None and not speaking.whole:
                await self._close(speaking)
            self._speaking[channel.choice] = channel
        channel.pieces.append(text)
        channel.fed += len(text)
        if channel.muted:
            channel.released = channel.fed
        if channel.whole or channel.muted:
            return
        if channel.inspector is None:
            channel.inspector = self._core.warden.stream(self._turn.identity.tenant)
            if channel.released:
                tail = "".join(channel.pieces[:-1])[-_TAIL_CHARS:]
                channel.overlap = len(tail)
                text = tail + text
        await self._passed(channel, channel.inspector, text)

    async def _passed(self, channel: _Channel, inspector: Inspector, text: str | None) -> None:
        """Show `text` (None: the end) to the inspector and note what it releases."""
        try:
            with self._core.deadlines.within(self._core.settings.on_failure.warden_timeout):
                out = await (inspector.finish() if text is None else inspector.feed(text))
            decision = inspector.decision
        except Exception as error:  # noqa: BLE001 - whatever it is, the text was not inspected
            decision = self._core.warden_failed("error", f"{type(error).__name__}: {error}", Direction.RESPONSE)
            out = ""
            channel.released = channel.fed + channel.overlap
        if decision is not None and decision.blocked:
            self._core.note(self._turn, decision)
            if self._turn.enforce:
                raise _Blocked
            channel.muted, channel.released = True, channel.fed
            return
        fresh = len(out) - channel.overlap
        channel.overlap = max(0, -fresh)
        channel.released += max(0, fresh)

    async def _close(self, channel: _Channel) -> None:
        """This text pauses or has ended: inspect what is left of it."""
        if channel.muted:
            channel.inspector = None
        elif channel.inspector is not None:
            inspector, channel.inspector = channel.inspector, None
            await self._passed(channel, inspector, None)
            if inspector.decision is not None and not channel.muted:
                self._core.note(self._turn, inspector.decision)
        elif channel.whole and channel.released < channel.fed:
            await self._judge_whole(with_embedded(Role.ASSISTANT, "".join(channel.pieces), channel.name))
        self._known.add("".join(channel.pieces))
        channel.released = channel.fed

    async def _judge_whole(self, messages: list[Message]) -> None:
        decision = await self._core.check(self._turn, messages, Direction.RESPONSE)
        if decision.blocked and self._turn.enforce:
            raise _Blocked

    async def _finish(self, choice: int | None) -> None:
        """End all texts of a choice (None: of every choice)."""
        for channel in self._channels.values():
            if choice is None or channel.choice == choice:
                await self._close(channel)
        self._finished |= {choice} if choice is not None else self._choices

    async def _release(self) -> None:
        """Send every event whose texts were released, in order."""
        ready: list[bytes] = []
        queue = self._queue
        while queue and all(channel.released >= end for channel, end in queue[0][1]):
            ready.append(queue.popleft()[0])
        if ready:
            await self._send(ready[0] if len(ready) == 1 else b"".join(ready))

    async def _send(self, body: bytes) -> None:
        if not self._out.begun:
            kept = [(name, value) for name, value in self._reply.headers if name != b"content-type"]
            head = [*kept, *self._turn.headers(), (b"cache-control", b"no-store")]
            await self._out.begin(200, [(b"content-type", b"text/event-stream; charset=utf-8"), *head])
        await self._out.piece(body)
        self._last_sent = time.monotonic()

    async def _end(self, failure: UpstreamError | Refused | None) -> None:
        """Inspect what is left, judge if inline, record, and let the rest go."""
        turn, core = self._turn, self._core
        try:
            await self._finish(None)
        except _Blocked:
            await self._refuse(Fate.INTERCEPTED_RESPONSE)
            return
        except Refused as error:
            failure = failure or error
            self._queue.clear()
        turn.fate = Fate.RELEASED if self._choices or failure is None else Fate.ERROR
        if core.judge is not None and self.text:
            turn.verdict = await self._verdict(core.judge)
            if turn.enforce and not core.judge.releases(turn.verdict):
                await self._refuse(Fate.WITHHELD)
                return
        recorded = await core.recorder.record(turn.record(self.text), released=self._out.begun)
        if not recorded:
            self._queue.clear()
            failure = Refused(503, "store_unavailable", "The exchange could not be recorded; try again later.")
        if failure is not None and not self._out.begun and not self._queue:
            raise failure
        await self._release()
        if failure is not None:
            await self._send(self._dialect.stream_error(failure.status, failure.code, failure.message))
        if not self._out.begun:
            await self._send(b"")
        await self._out.end()

    async def _verdict(self, judge: InlineJudge) -> Verdict:
        waiting = asyncio.ensure_future(judge.verdict(self._turn.exchange(self.text)))
        try:
            while not (await asyncio.wait({waiting}, timeout=self._until_keep_alive()))[0]:
                await self._keep_alive()
            return waiting.result()
        finally:
            waiting.cancel()

    async def _refuse(self, fate: Fate) -> None:
        """End the stream with the refusal; what was not released never is."""
        self._turn.fate = fate
        self._queue.clear()
        await self._core.recorder.record(self._turn.record(self.text))
        await self._core.throttle.blocked(self._turn.identity)
        first = self._first if self._out.begun else None
        state = StreamState(self._turn.request.model, first, self._last, frozenset(self._choices - self._finished))
        await self._send(self._dialect.stream_refusal(state))
        await self._out.end()
