"""Release of an answer while it is written: every text is inspected as it comes, and held back until it may go."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from sisf.errors import LimitExceeded, StoreError
from sisf.exchange import Fate, Message, Role
from sisf.pipeline.pipeline import Pipeline
from sisf.pipeline.ports import Inspector
from sisf.pipeline.turn import Turn
from sisf.policy import Decision, Direction

_TAIL_CHARS = 512
_SHORT = 64
_CHANNELS = 1024


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of text in a stream."""

    choice: int
    """The choice (or block) that it belongs to; negative for a text beside the answer, or one that repeats it."""
    channel: str
    """Where the text goes (`0.content`, `0.tool_calls.1.function.arguments`): pieces of one channel follow each other,
    and are read as one text, whatever their choice."""
    text: str
    whole: bool = False
    """True when the text is inspected (and released) only as a whole, because escapes may hide what it says."""


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """What one event of a stream brings."""

    deltas: Sequence[Delta] = ()
    finished: Collection[int] = ()
    """Choices (or blocks) whose texts end with this event."""
    done: bool = False
    """The stream ends with this event."""
    opened: Collection[int] = ()
    """Blocks (or items) that clients see begin, and must see end."""
    closed: Collection[int] | None = None
    """Those that clients see end; None: the finished ones."""


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
    silent: int = 0
    """Characters that other texts of its choice have brought since it spoke."""
    ended: int = 0
    """Up to where it was, when it last ended."""
    muted: bool = False
    """Blocked in observe mode: one block is enough to know, the rest passes."""


Needs = list[tuple[_Channel, int]]
"""Up to where each text must be released before an event may go."""


class StreamStopped(Exception):
    """The answer may not go on; it is recorded."""


class AnswerStream:
    """The inspection of one streamed answer.

    Each event is given to `take`; it may go out as soon as `may_go` says so of what `take` returned. At the end of the
    stream `end` judges and records. Every step raises `StreamStopped` once the answer may not go on.
    """

    def __init__(self, pipeline: Pipeline, turn: Turn, texts_of: Callable[[Role, str, str], list[Message]]) -> None:
        """`texts_of` finds the texts in one that is inspected as a whole: what it says once its escapes are decoded."""
        self._pipeline = pipeline
        self._turn = turn
        self._texts_of = texts_of
        self._channels: dict[str, _Channel] = {}
        self._open: list[_Channel] = []
        """Channels with an inspector that has not seen the end."""
        self._whole: dict[int, list[str]] = {}
        """What is inspected as a whole, in the order in which it came, by choice."""
        self._known: set[str] = set()
        self._beside: dict[str, str] = {}
        """The end of what came beside the answer, by place."""
        self._latest: dict[str, tuple[str, int]] = {}
        """What was said there last, and how often in a row."""
        self._window = pipeline.settings.streaming.window_chars
        self._choices: set[int] = set()
        self._finished: set[int] = set()
        self._chars = 0
        self._done = False
        """Whether the last event came: some clients read no further, and close."""
        self.held = pipeline.judge is not None or pipeline.recorder.must_wait
        """Whether nothing may go before `end`: the judge, or the store, has a word to say first."""

    @property
    def text(self) -> str:
        """All texts that came so far."""
        texts = ("".join(channel.pieces) for channel in self._channels.values() if channel.pieces)
        return "\n".join(dict.fromkeys(texts))

    @property
    def begun(self) -> bool:
        """Whether the model has begun to answer."""
        return bool(self._choices)

    @property
    def open_choices(self) -> frozenset[int]:
        """Choices that have begun and not ended."""
        return frozenset(self._choices - self._finished)

    async def take(self, event: StreamEvent) -> Needs:
        """Inspect what an event brings; what must be released before it may go.

        Raises `StreamStopped`, `LimitExceeded` for an answer longer than allowed, `InspectionFailed`.
        """
        needs: Needs = []
        for delta in event.deltas:
            if delta.choice >= 0:
                channel = self._channel(delta)
                needs.append((channel, channel.fed + len(delta.text)))
                await self._feed(channel, delta.text)
        self._choices.update(event.opened)
        for choice in event.finished:
            await self._finish(choice)
        if event.done:
            await self._finish(None)
            self._done = True
        for delta in event.deltas:
            if delta.choice < 0:
                await self._aside(delta)
        return needs

    @staticmethod
    def may_go(needs: Needs) -> bool:
        """Whether all texts that an event needs are released."""
        return all(channel.released >= end for channel, end in needs)

    async def finish(self) -> None:
        """Inspect what is left of every text. Raises as `take` does."""
        await self._finish(None)

    async def end(self, *, delivered: bool, failed: bool = False) -> None:
        """Judge where adjudication is inline, and record. `finish` comes first.

        `delivered`: the client has a part of the answer. `failed`: the model broke off. Raises `StreamStopped`, and
        `StoreError` when the exchange could not be recorded and nothing may go without.
        """
        turn, pipeline = self._turn, self._pipeline
        turn.response = text = self.text
        turn.fate = Fate.RELEASED if self._choices or not failed else Fate.ERROR
        if await pipeline.withholds(turn, text):
            await self._stop(Fate.WITHHELD)
        if not await pipeline.record(turn, released=delivered):
            raise StoreError("The exchange could not be recorded, so its answer is not released; try again later.")

    def abandon(self, *, delivered: bool) -> None:
        """The client went away; `delivered`: with a part of the answer."""
        self._turn.response = self.text or None
        self._pipeline.abandon(self._turn, delivered=delivered, complete=delivered and self._done)

    async def _stop(self, fate: Fate) -> None:
        self._turn.response = self.text
        await self._pipeline.stop(self._turn, fate)
        raise StreamStopped

    async def _aside(self, delta: Delta) -> None:
        """A text beside the answer, with what stood at its place before; or one that repeats a part of the answer."""
        place, text = delta.channel, delta.text
        before = self._beside.get(place, "")
        self._beside[place] = (before + text)[-_TAIL_CHARS:]
        latest, times = self._latest.get(place, ("", 0))
        self._latest[place] = (text, times + 1 if text == latest else 1)
        if text in self._known or (text == latest and times > 1):
            return
        self._grown(text)
        messages = [Message(Role.ASSISTANT, text, place)]
        if before:
            messages.append(Message(Role.ASSISTANT, before + text, place))
        if len(self._beside) > _CHANNELS:
            raise LimitExceeded("The model's stream brings more different texts than are followed.")
        decision = await self._pipeline.check_beside(self._turn, messages, Direction.RESPONSE)
        await self._stop_if_blocked(decision)
        if len(text) > _SHORT:
            self._known.add(text)

    def _grown(self, text: str) -> None:
        """Count characters. Raises `LimitExceeded`."""
        self._chars += len(text)
        if self._chars > self._pipeline.settings.limits.text_chars:
            raise LimitExceeded("The model's answer is longer than allowed (limits.text_chars).")

    def _channel(self, delta: Delta) -> _Channel:
        channel = self._channels.get(delta.channel)
        if channel is None:
            if len(self._channels) >= _CHANNELS:
                raise LimitExceeded("The model's stream brings more different texts than are followed.")
            channel = self._channels[delta.channel] = _Channel(delta.choice, delta.channel, delta.whole)
        channel.choice = delta.choice
        self._choices.add(delta.choice)
        return channel

    async def _feed(self, channel: _Channel, text: str) -> None:
        self._grown(text)
        channel.pieces.append(text)
        channel.fed += len(text)
        channel.silent = 0
        if channel.muted:
            channel.released = channel.fed
        elif channel.whole:
            self._whole.setdefault(channel.choice, []).append(text)
        else:
            await self._inspect(channel, text)
        if len(self._open) > (channel.inspector is not None):
            await self._silence(channel, len(text))

    async def _silence(self, speaking: _Channel, chars: int) -> None:
        """Other texts of the choice that were not continued for a whole window have ended: nothing else says so."""
        for other in list(self._open):
            if other is not speaking and other.choice == speaking.choice:
                other.silent += chars
                if other.silent >= self._window:
                    await self._close(other)

    async def _inspect(self, channel: _Channel, text: str) -> None:
        """Show the next piece to the channel's inspector, to a new one with the end of what came before."""
        if channel.inspector is None:
            channel.inspector = self._pipeline.warden.stream(
                self._turn.caller.sender, self._pipeline.settings.on_failure.warden_timeout
            )
            self._open.append(channel)
            if channel.released:
                tail = "".join(channel.pieces[:-1])[-_TAIL_CHARS:]
                channel.overlap = len(tail)
                text = tail + text
        await self._passed(channel, channel.inspector, text)

    async def _passed(self, channel: _Channel, inspector: Inspector, text: str | None) -> None:
        """Show `text` (None: the end) to the inspector and note what it releases."""
        pipeline = self._pipeline
        try:
            with pipeline.deadlines.within(pipeline.settings.on_failure.warden_timeout):
                out = await (inspector.finish() if text is None else inspector.feed(text))
            decision = inspector.decision
        except Exception as error:  # noqa: BLE001 - whatever it is, the text was not inspected
            decision = pipeline.warden_failed("error", f"{type(error).__name__}: {error}", Direction.RESPONSE)
            out = ""
            channel.released = channel.fed + channel.overlap
        if decision is not None and decision.blocked:
            pipeline.note(self._turn, decision)
            if self._turn.enforce:
                await self._stop(Fate.INTERCEPTED_RESPONSE)
            channel.muted, channel.released = True, channel.fed
            return
        fresh = len(out) - channel.overlap
        channel.overlap = max(0, -fresh)
        channel.released += max(0, fresh)

    async def _close(self, channel: _Channel) -> None:
        """This text pauses or has ended: inspect what is left of it."""
        if channel in self._open:
            self._open.remove(channel)
        if channel.muted:
            channel.inspector = None
        elif channel.inspector is not None:
            inspector, channel.inspector = channel.inspector, None
            await self._passed(channel, inspector, None)
            if inspector.decision is not None and not channel.muted:
                self._pipeline.note(self._turn, inspector.decision)
        elif channel.whole and channel.released < channel.fed:
            await self._check_whole(self._texts_of(Role.ASSISTANT, "".join(channel.pieces), channel.name))
        if channel.ended < channel.fed:
            text = "".join(channel.pieces)
            self._known.update((text, text[channel.ended :]))
            channel.ended = channel.fed
        channel.released = channel.fed

    async def _check_whole(self, messages: list[Message]) -> None:
        await self._stop_if_blocked(await self._pipeline.check(self._turn, messages, Direction.RESPONSE))

    async def _stop_if_blocked(self, decision: Decision) -> None:
        if decision.blocked and self._turn.enforce:
            await self._stop(Fate.INTERCEPTED_RESPONSE)

    async def _finish(self, choice: int | None) -> None:
        """End all texts of a choice (None: of every choice)."""
        for channel in self._channels.values():
            if (choice is None or channel.choice == choice) and (channel.ended < channel.fed or channel.inspector):
                await self._close(channel)
        for index in [choice] if choice is not None else list(self._whole):
            pieces = self._whole.pop(index, [])
            if len(pieces) > 1:
                await self._check_whole(self._texts_of(Role.ASSISTANT, "".join(pieces), "tool_calls"))
        self._finished |= {choice} if choice is not None else self._choices
