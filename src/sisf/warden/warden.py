"""The Warden: the policy set in force, swapped atomically, and safe to call from the event loop."""

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, replace
from math import ceil
from typing import Literal

import structlog
from threadpoolctl import threadpool_limits

from sisf.embedding.base import Embedder
from sisf.errors import InspectionFailed, LimitExceeded, SisfError, TooLongToInspect
from sisf.exchange import Message, Role, Sender
from sisf.fair_pool import MARGIN, SHORT_SECONDS, FairPool, OutOfTime, Turn, Unaffordable
from sisf.policy import Action, Decision, Direction, Snapshot, Status, Suspended
from sisf.settings import Settings
from sisf.text.once import make_all
from sisf.text.unreadable import LONG, unreadable
from sisf.text.views import go_on, plain, views
from sisf.warden.first_look import FirstLooks
from sisf.warden.inspection import Inspection
from sisf.warden.pace import Pace
from sisf.warden.policy_set import PolicySet
from sisf.warden.stream import StreamInspector

_log = structlog.get_logger("sisf.warden")
_INLINE_CHARS, _MANY_TOKENS = 4_000, 1_000
_INLINE_TEXTS = 64
"""Up to so many characters in so many texts have their patterns searched on the event loop: less than handing them over
costs."""
_UNPLAIN_CHARS = 250
"""The same of texts of which there are other readings: each character may cost 50 µs."""
_SECONDS = 60.0
_NOBODY = Sender("", "")


class Warden:
    """Holds one `PolicySet`. A check runs on the set that was in force when it began."""

    def __init__(
        self,
        embedder: Embedder,
        *,
        threads: int | None = None,
        window_chars: int = 512,
        max_chars: int = 1_000_000,
        on_unreadable: Literal["allow", "flag", "refuse"] = "allow",
        first_look: bool = False,
    ) -> None:
        """`on_unreadable`: what happens to prompts with a long text that reads as nothing. `first_look`: whether short
        texts that no probe can reach, by a guess from their tokens, are not read."""
        self._unreadable = on_unreadable
        _use_one_thread_per_product()
        self.embedder = embedder
        self._set = PolicySet.compile(Snapshot(), embedder, looks=FirstLooks.of(embedder) if first_look else None)
        self._window = window_chars
        self._max_chars = max_chars
        self._swap = threading.Lock()
        self._latest = Snapshot()
        """The snapshot in force, before `observe` changed it."""
        self._settled: frozenset[str] = frozenset()
        """Policies that are to be observed by the settings."""
        self._suspended = Suspended()
        self._pace = Pace()
        self._pool = FairPool(threads or min(8, os.cpu_count() or 2), name="warden")
        self._background = ThreadPoolExecutor(1, thread_name_prefix="warden-merge")
        self._closed = threading.Event()
        self._prepared: Future[None] | None = None
        """Of what is made once for all texts; None while nobody asked from an event loop."""

    @property
    def policy_set(self) -> PolicySet:
        """The set in force now."""
        return self._set

    @property
    def first_looks(self) -> Mapping[str, int]:
        """What first looks did so far, in windows: the fields of `sisf.warden.first_look.Tally`."""
        return asdict(self._set.looks.tally)

    @property
    def revision(self) -> int:
        """The revision in force now."""
        return self._set.revision

    def activate(self, snapshot: Snapshot) -> None:
        """Compile and swap. An older or equal revision changes nothing; a failed compile keeps the old set and raises
        `PolicyError`."""
        with self._swap:
            if snapshot.revision > self._set.revision:
                self._set = PolicySet.compile(self._watched(snapshot), self.embedder, self._set)
                self._latest = snapshot
            fragmented = self._set.fragmented
        if fragmented:
            self._background.submit(self._merge)

    @property
    def observed(self) -> frozenset[str]:
        """The policies that are matched and not enforced though they are active."""
        return self._settled | self._suspended.policies

    def follow(self, settings: Settings) -> None:
        """Inspect from now on as these settings say, which may be those of a gateway that read its file again.

        How long texts may be, what an answer holds back while it is written, what becomes of unreadable texts, which
        policies are matched without being enforced, and how near to one of them is doubtful.
        """
        with self._swap:
            self._unreadable = settings.inspection.unreadable
            self._window = settings.streaming.window_chars
            self._max_chars = settings.limits.text_chars
            before, self._settled = self.observed, frozenset(settings.observe.policies)
            self._observe(before, settings.adjudication.band)

    def suspend(self, suspended: Suspended) -> None:
        """Enforce from now on only what `suspended` leaves in force."""
        with self._swap:
            before, self._suspended = self.observed, suspended
            self._observe(before, self._set.doubt)

    def enforces(self, tenant: str) -> bool:
        """Whether nobody suspended enforcement for this tenant."""
        return not (self._suspended.everything or tenant in self._suspended.tenants)

    def _observe(self, before: frozenset[str], doubt: float) -> None:
        if (self.observed, doubt) != (before, self._set.doubt):
            self._set = PolicySet.compile(self._watched(self._latest), self.embedder, self._set, doubt=doubt)

    def _watched(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot with active policies that are to be observed as shadows."""
        observed = self.observed
        if not any(p.id in observed and p.status is Status.ACTIVE for p in snapshot.policies):
            return snapshot
        policies = (
            replace(p, status=Status.SHADOW) if p.id in observed and p.status is Status.ACTIVE else p
            for p in snapshot.policies
        )
        return replace(snapshot, policies=tuple(policies))

    def _merge(self) -> None:
        """Put small pieces together and swap. What was activated meanwhile is compiled on top of the result."""
        try:
            while (before := self._set).fragmented:
                merged = before.merged(_let_others_run)
                with self._swap:
                    if self._set is not before:
                        merged = PolicySet.compile(self._set.snapshot, self.embedder, merged)
                    self._set = merged
        except SisfError as error:
            _log.error("merge_failed", reason=str(error))

    def inspect(self, messages: Sequence[Message], direction: Direction, tenant: str = "") -> Decision:
        """Inspect now, in the calling thread. Raises `LimitExceeded` for texts longer than the stated limit."""
        self._measure(messages)
        self._question(messages, direction)
        return self._set.inspect(messages, direction, tenant)

    def at_once(self, messages: Sequence[Message], direction: Direction, tenant: str = "") -> Decision | None:
        """The decision where it takes microseconds, fit for an event loop; None where `check` must be asked."""
        chars = self._measure(messages)
        if not _few(messages, chars):
            return None
        inspection = self._set.begin(messages, direction, tenant)
        known = inspection.known and not self._questions(direction)
        if inspection.needs_semantics or not (known or (self._ready() and _light(messages, chars))):
            return None
        self._question(messages, direction)
        inspection.heuristics()
        inspection.semantics()
        decision = inspection.decision()
        return None if decision.action is Action.REWRITE else decision

    async def check(
        self,
        messages: Sequence[Message],
        direction: Direction,
        sender: Sender = _NOBODY,
        seconds: float = _SECONDS,
    ) -> Decision:
        """Inspect without holding up the event loop, in `seconds`, which senders share fairly.

        Raises `LimitExceeded` as `inspect` does; `TooLongToInspect` for what cannot be inspected in that time, before
        it begins; `InspectionFailed` when the sender's other texts leave no time for it; `TimeoutError`.
        """
        return await self._check(self._set, messages, direction, sender, seconds)

    async def _check(
        self,
        policy_set: PolicySet,
        messages: Sequence[Message],
        direction: Direction,
        sender: Sender,
        seconds: float,
        *,
        remember: bool = True,
    ) -> Decision:
        tenant = sender.tenant
        chars = self._measure(messages)
        if not (self._ready() and _inline(messages, chars)):

            def inspect(turn: Turn) -> Decision:
                self._question(messages, direction, turn.pause)
                inspection = policy_set.begin(messages, direction, tenant, remember=remember, pause=turn.pause)
                self._afford(turn, inspection, policy_set, chars)
                inspection.heuristics()
                self._afford(turn, inspection, policy_set, chars)
                inspection.semantics()
                return policy_set.finish(inspection)

            semantic = policy_set.scope(direction, tenant).semantic
            long = self._pace.guess(chars, semantic=semantic) > SHORT_SECONDS
            return await self._in_time(sender, inspect, seconds, long=long)
        self._question(messages, direction)
        inspection = policy_set.begin(messages, direction, tenant, remember=remember)
        inspection.heuristics()
        if not inspection.needs_semantics:
            inspection.semantics()
            decision = inspection.decision()
            if decision.action is not Action.REWRITE:
                return decision

        def finish(turn: Turn) -> Decision:
            inspection.pause = turn.pause
            inspection.semantics()
            return policy_set.finish(inspection)

        return await self._in_time(sender, finish, seconds, long=False)

    async def _in_time(
        self, sender: Sender, work: Callable[[Turn], Decision], seconds: float, *, long: bool
    ) -> Decision:
        try:
            return await self._pool.run(sender, work, seconds, long=long)
        except OutOfTime:
            raise TimeoutError(f"no decision within {seconds:g} s") from None

    def _afford(self, turn: Turn, inspection: Inspection, policy_set: PolicySet, chars: int) -> None:
        """Go on only where what is left can be done in time."""
        work = inspection.work
        if work > _MANY_TOKENS:
            self._pace.measure(policy_set, inspection.direction, inspection.tenant, turn.pause)
        try:
            turn.needs(work * self._pace.seconds)
        except Unaffordable as error:
            if not error.alone:
                wait = ceil(error.wait)
                raise InspectionFailed(
                    f"What this caller sent before is still being inspected; try again in {wait} s.", retry_after=wait
                ) from None
            within = f"within {turn.allowed:g} s (on_failure.warden_timeout)"
            raise TooLongToInspect(
                f"{chars:,} characters of text take about {error.seconds:,.0f} s to inspect: at most about "
                f"{self.admissible(turn.allowed, chars / work):,} can be inspected {within}; send less at once"
            ) from None

    def admissible(self, seconds: float, chars_a_token: float) -> int:
        """Characters of text that can be inspected within so many seconds by the semantic policies in force, where so
        many of them make one token that is looked at, in any reading."""
        return int(MARGIN * seconds / self._pace.seconds * chars_a_token)

    def stream(self, sender: Sender = _NOBODY, seconds: float = _SECONDS) -> StreamInspector:
        """Inspect an answer while it is written, to its end on the set now in force; `seconds` for each step."""
        policy_set = self._set

        async def check(text: str, whole: bool) -> Decision:
            messages = (Message(Role.ASSISTANT, text),)
            return await self._check(policy_set, messages, Direction.RESPONSE, sender, seconds, remember=whole)

        return StreamInspector(check, self._window)

    def _ready(self) -> bool:
        """Whether all is made that is made once for all texts: until then none is inspected on the event loop, which
        would be held up for the tenths of a second that some of it takes."""
        if self._prepared is None and not self._closed.is_set():
            self._prepared = self._background.submit(make_all, lambda: not self._closed.is_set())
        return self._prepared is not None and self._prepared.done()

    def close(self) -> None:
        """End the threads. Idempotent."""
        self._closed.set()
        self._pool.close()
        self._background.shutdown(wait=False, cancel_futures=True)

    def _question(self, messages: Sequence[Message], direction: Direction, pause: Callable[[], None] = go_on) -> None:
        """Refuse or log a prompt with a long text that reads as nothing, as the settings say."""
        if not self._questions(direction):
            return
        for message in messages:
            if len(message.content) >= LONG and unreadable(views(message.content, pause)):
                if self._unreadable == "refuse":
                    raise LimitExceeded(
                        f"A text of {len(message.content):,} characters reads as nothing, encodings undone "
                        "(inspection.unreadable): send it in plain language",
                        code="unreadable_text",
                        param=message.origin or None,
                    )
                _log.warning("unreadable_text", characters=len(message.content), origin=message.origin)

    def _questions(self, direction: Direction) -> bool:
        """Whether texts are read for `_question`, seen before or not."""
        return self._unreadable != "allow" and direction is Direction.PROMPT

    def _measure(self, messages: Sequence[Message]) -> int:
        chars = sum(len(m.content) for m in messages)
        if chars > self._max_chars:
            raise LimitExceeded(
                f"{chars:,} characters of text; at most {self._max_chars:,} are inspected (limits.text_chars): "
                "send less at once"
            )
        return chars


def _inline(messages: Sequence[Message], chars: int) -> bool:
    """Whether patterns are searched on the event loop."""
    return _few(messages, chars) and _light(messages, chars)


def _few(messages: Sequence[Message], chars: int) -> bool:
    return chars <= _INLINE_CHARS and len(messages) <= _INLINE_TEXTS


def _light(messages: Sequence[Message], chars: int) -> bool:
    """Whether the views of a few texts cost next to nothing."""
    return chars <= _UNPLAIN_CHARS or all(plain(message.content) for message in messages)


def _use_one_thread_per_product() -> None:
    """Matrix products of this process run in the thread that asks for them: several requests share the processors
    anyway, and waking helpers for a tenth of a millisecond of work costs more than it gains (docs/adr/0242)."""
    threadpool_limits(limits=1, user_api="blas")


def _let_others_run() -> None:
    """Compiling holds Python's lock: give it up for an instant."""
    time.sleep(0.0002)
