"""Release of an answer while it is written: every text is inspected as it comes, and held back until it may go."""

from collections.abc import Callable, Collection
from functools import partial

from sisf.errors import LimitExceeded, RateLimited, StoreError
from sisf.exchange import Fate, Message, Role
from sisf.pipeline.pipeline import Pipeline
from sisf.pipeline.ports import Inspector
from sisf.pipeline.stream_texts import Call, Channel, Delta, Needs, Reading, StreamEvent, StreamStopped
from sisf.pipeline.turn import Turn
from sisf.policy import Decision, Direction

_TAIL_CHARS = 512
_SHORT = 64
_CHANNELS = 1024
_AT_ONCE = 8
"""Pieces of an event, and texts that end with it, before others on the event loop get a turn."""
_WHOLE_CHARS = 16_000
"""Texts longer than this are decoded off the event loop."""


class AnswerStream:
    """The inspection of one streamed answer.

    Each event is given to `take`; it may go out as soon as `may_go` says so of what `take` returned. At the end of the
    stream `end` judges and records. Every step raises `StreamStopped` once the answer may not go on.
    """

    def __init__(
        self, pipeline: Pipeline, turn: Turn, texts_of: Callable[[Role, str, str], list[Message]], *, answers: int = 1
    ) -> None:
        """`texts_of` finds the texts in one that is inspected as a whole: what it says once its escapes are decoded.

        `answers`: how many of the choices are answers of their own. Of several each is stopped alone, and the stream
        only with the last one.
        """
        self._pipeline = pipeline
        self._answers = answers
        self.stopped: set[int] = set()
        """Choices that may not go on while others do: of their events nothing may go that was not released."""
        self._turn = turn
        self._texts_of = texts_of
        self._channels: dict[str, Channel] = {}
        self._open: list[Channel] = []
        """Channels with an inspector that has not seen the end."""
        self._whole: dict[int, list[str]] = {}
        """What is inspected as a whole, in the order in which it came, by choice."""
        self._calls: dict[int, Reading] = {}
        """The same while it is written."""
        self._known: set[str] = set()
        self._beside: dict[str, str] = {}
        """The end of what came beside the answer, by place."""
        self._latest: dict[str, tuple[str, int]] = {}
        """What was said there last, and how often in a row."""
        self._window = pipeline.settings.streaming.window_chars
        self._choices: set[int] = set()
        self._chars = 0
        self._done = False
        """Whether the last event came: some clients read no further, and close."""

    @property
    def held(self) -> bool:
        """Whether nothing more may go before `end`: the judge, or the store, has a word to say first."""
        return self._pipeline.judged_first(self._turn) or self._pipeline.recorder.must_wait

    @property
    def text(self) -> str:
        """All texts that came so far."""
        return self._said(self._choices)

    def _said(self, choices: Collection[int]) -> str:
        channels = (channel for channel in self._channels.values() if channel.pieces and channel.choice in choices)
        return "\n".join(dict.fromkeys(text for channel in channels if not channel.own for text in channel.said))

    @property
    def begun(self) -> bool:
        """Whether the model has begun to answer."""
        return bool(self._choices)

    @property
    def choices(self) -> frozenset[int]:
        """Choices that have begun."""
        return frozenset(self._choices)

    async def take(self, event: StreamEvent) -> Needs:
        """Inspect what an event brings; what must be released before it may go.

        Raises `StreamStopped`, `LimitExceeded` for an answer longer than allowed, `InspectionFailed`.
        """
        needs: Needs = []
        for number, delta in enumerate(event.deltas):
            if number >= _AT_ONCE:
                await self._pipeline.breath.draw(self._turn.caller.sender)
            if delta.choice >= 0 and delta.choice not in self.stopped:
                self._grown(delta.text)
                for channel in self._channels_of(delta):
                    needs.append((channel, channel.fed + len(delta.text)))
                    await self._feed(channel, delta.text)
        self._choices.update(event.opened)
        for choice in event.finished:
            await self._finish(choice)
        if event.done:
            await self._finish(None)
            self._done = True
        for number, delta in enumerate(event.deltas):
            if number >= _AT_ONCE:
                await self._pipeline.breath.draw(self._turn.caller.sender)
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
        turn.response = self.text
        turn.fate = Fate.RELEASED if self._choices or not failed else Fate.ERROR
        if await pipeline.withholds(turn, self._said(self._choices - self.stopped)):
            await self._stop(Fate.WITHHELD)
        if self.stopped:
            turn.fate = Fate.INTERCEPTED_RESPONSE
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

    async def _blocked(self, choice: int) -> None:
        """A policy blocks this choice: the stream ends, or goes on without it."""
        if choice < 0 or self._answers < 2 or len(self.stopped | {choice}) >= self._answers:
            await self._stop(Fate.INTERCEPTED_RESPONSE)
        self.stopped.add(choice)
        self._whole.pop(choice, None)
        self._open = [channel for channel in self._open if channel.choice != choice]
        try:
            await self._pipeline.throttle.blocked(self._turn.caller)
        except RateLimited:
            self._turn.response, self._turn.fate = self.text, Fate.INTERCEPTED_RESPONSE
            await self._pipeline.record(self._turn)
            raise

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
        decision = await self._pipeline.checks.beside(self._turn, messages, Direction.RESPONSE)
        await self._stop_if_blocked(decision, -1)
        if len(text) > _SHORT:
            self._known.add(text)

    def _grown(self, text: str) -> None:
        """Count characters. Raises `LimitExceeded`."""
        self._chars += len(text)
        if self._chars > self._pipeline.settings.limits.text_chars:
            raise LimitExceeded("The model's answer is longer than allowed (limits.text_chars).")

    def _channels_of(self, delta: Delta) -> list[Channel]:
        """The text that a piece goes to; and what its choice says of it, where choices take turns."""
        name, choice = delta.channel, delta.choice
        self._choices.add(choice)
        channel = self._channels.get(name)
        if channel is None:
            channel = self._add(Channel(choice, name, delta.whole, turns=[(choice, 0)]))
        elif channel.choice != choice and channel.turn_to(choice):
            channel.interleaved = True
            if self._own(name, choice) is None:
                before = channel.said_by(choice)
                own = Channel(choice, f"{name}\0{choice}", own=True, pieces=[before])
                own.fed = own.released = len(before)
                self._add(own)
        own_channel = self._own(name, choice) if channel.interleaved else None
        return [channel] if own_channel is None else [channel, own_channel]

    def _own(self, name: str, choice: int) -> Channel | None:
        return self._channels.get(f"{name}\0{choice}")

    def _add(self, channel: Channel) -> Channel:
        if len(self._channels) >= _CHANNELS:
            raise LimitExceeded("The model's stream brings more different texts than are followed.")
        self._channels[channel.name] = channel
        return channel

    async def _feed(self, channel: Channel, text: str) -> None:
        channel.pieces.append(text)
        channel.fed += len(text)
        channel.silent = 0
        if channel.muted:
            channel.released = channel.fed
        elif channel.whole:
            self._whole.setdefault(channel.choice, []).append(text)
            await self._grow(channel, text)
        else:
            await self._inspect(channel, text)
        if len(self._open) > (channel.inspector is not None) and channel.choice not in self.stopped:
            await self._silence(channel, len(text))

    async def _grow(self, channel: Channel, text: str) -> None:
        """Arguments are released as they grow, as soon as each reading of them may go: as they stand, what they say
        with escapes undone, and all calls of the choice in the order in which they come."""
        call = channel.call = channel.call or Call(self._reading())
        together = self._calls.setdefault(channel.choice, self._reading())
        said = call.strings.feed(text)
        call.held = call.held or "\\u" in call.before[-1:] + said
        if call.said is None and call.strings.escaped:
            start = call.length - len(call.before)
            call.said = Reading(self._reading().inspector, start, start)
            await self._read(channel, call.said, call.before)
        call.before = (call.before + said)[-_TAIL_CHARS:]
        call.length += len(said)
        await self._read(channel, call.raw, text)
        await self._read(channel, together, text)
        if call.said is not None:
            await self._read(channel, call.said, said)
        call.marks.append((channel.fed, call.length + call.strings.pending, together.fed))
        for other in self._channels.values():
            if other.choice == channel.choice and other.call is not None and not other.muted:
                other.released = other.call.released(together.released, other.released)

    def _reading(self) -> Reading:
        limit = self._pipeline.settings.on_failure.warden_timeout
        return Reading(self._pipeline.checks.warden.stream(self._turn.caller.sender, limit))

    async def _read(self, channel: Channel, reading: Reading, text: str) -> None:
        reading.fed += len(text)
        if channel.muted or channel.choice in self.stopped or not text:
            return
        out = await self._shown(channel, reading.inspector, text)
        reading.released += len(text if out is None else out)

    async def _silence(self, speaking: Channel, chars: int) -> None:
        """Other texts of the choice that were not continued for a whole window have ended: nothing else says so."""
        for other in list(self._open):
            if other is not speaking and other.choice == speaking.choice and not (other.own or speaking.own):
                other.silent += chars
                if other.silent >= self._window:
                    await self._close(other)

    async def _inspect(self, channel: Channel, text: str) -> None:
        """Show the next piece to the channel's inspector, to a new one with the end of what came before."""
        if channel.inspector is None:
            channel.inspector = self._reading().inspector
            self._open.append(channel)
            if channel.released:
                tail = "".join(channel.pieces[:-1])[-_TAIL_CHARS:]
                channel.overlap = len(tail)
                text = tail + text
        await self._passed(channel, channel.inspector, text)

    async def _passed(self, channel: Channel, inspector: Inspector, text: str | None) -> None:
        """Show `text` (None: the end) to the inspector and note what it releases."""
        out = await self._shown(channel, inspector, text)
        if out is None:
            channel.released = channel.fed
            return
        fresh = len(out) - channel.overlap
        channel.overlap = max(0, -fresh)
        channel.released += max(0, fresh)

    async def _shown(self, channel: Channel, inspector: Inspector, text: str | None) -> str | None:
        """What an inspector releases once it saw `text` (None: the end); None where all may go: it failed, and may be
        passed by, or it blocks, and nothing is enforced."""
        checks = self._pipeline.checks
        try:
            with checks.deadlines.within(checks.on_failure.warden_timeout):
                out = await (inspector.finish() if text is None else inspector.feed(text))
        except Exception as error:  # noqa: BLE001 - whatever it is, the text was not inspected
            checks.failed("error", f"{type(error).__name__}: {error}", Direction.RESPONSE)
            return None
        decision = inspector.decision
        if decision is not None:
            self._turn.doubts(decision)
        if decision is None or not decision.blocked:
            return out
        checks.note(self._turn, decision)
        if self._turn.enforce:
            await self._blocked(channel.choice)
            return ""
        channel.muted, channel.released = True, channel.fed
        return None

    async def _close(self, channel: Channel) -> None:
        """This text pauses or has ended: inspect what is left of it."""
        if channel in self._open:
            self._open.remove(channel)
        if channel.muted:
            channel.inspector = None
        elif channel.inspector is not None:
            inspector, channel.inspector = channel.inspector, None
            await self._passed(channel, inspector, None)
            if inspector.decision is not None and not channel.muted:
                self._pipeline.checks.note(self._turn, inspector.decision)
        elif channel.whole and channel.ended < channel.fed:
            await self._check_whole("".join(channel.pieces), channel.name, channel.choice)
        if channel.choice in self.stopped:
            return
        if channel.ended < channel.fed:
            text = "".join(channel.pieces)
            self._known.update((text, text[channel.ended :]))
            channel.ended = channel.fed
        channel.released, channel.call = channel.fed, None

    async def _check_whole(self, text: str, name: str, choice: int) -> None:
        read = partial(self._texts_of, Role.ASSISTANT, text, name)
        messages = await self._pipeline.aside(self._turn.caller, read) if len(text) > _WHOLE_CHARS else read()
        await self._stop_if_blocked(await self._pipeline.checks.check(self._turn, messages, Direction.RESPONSE), choice)

    async def _stop_if_blocked(self, decision: Decision, choice: int) -> None:
        if decision.blocked and self._turn.enforce:
            await self._blocked(choice)

    async def _finish(self, choice: int | None) -> None:
        """End all texts of a choice (None: of every choice)."""
        for index in [choice] if choice is not None else list(self._whole):
            pieces = self._whole.pop(index, [])
            if len(pieces) > 1:
                await self._check_whole("".join(pieces), "tool_calls", index)
        for number, channel in enumerate(list(self._channels.values())):
            if number >= _AT_ONCE:
                await self._pipeline.breath.draw(self._turn.caller.sender)
            ends = channel.choice not in self.stopped and (choice is None or channel.choice == choice)
            if ends and (channel.ended < channel.fed or channel.inspector):
                await self._close(channel)
