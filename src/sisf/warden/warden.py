"""The Warden: the policy set in force, swapped atomically, and safe to call from the event loop."""

import asyncio
import os
import threading
import time
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import structlog
from threadpoolctl import threadpool_limits

from sisf.embedding.base import Embedder
from sisf.errors import LimitExceeded, SisfError
from sisf.exchange import Message, Role
from sisf.policy import Action, Decision, Direction, Snapshot, Status, Suspended
from sisf.warden.policy_set import PolicySet
from sisf.warden.stream import StreamInspector

_log = structlog.get_logger("sisf.warden")
_INLINE_CHARS = 4_000
"""Texts up to this length have their patterns searched on the event loop: less than handing them over costs."""


class Warden:
    """Holds one `PolicySet`. A check runs on the set that was in force when it began."""

    def __init__(
        self,
        embedder: Embedder,
        *,
        threads: int | None = None,
        window_chars: int = 512,
        max_chars: int = 1_000_000,
    ) -> None:
        _use_one_thread_per_product()
        self.embedder = embedder
        self._set = PolicySet.compile(Snapshot(), embedder)
        self._window = window_chars
        self._max_chars = max_chars
        self._swap = threading.Lock()
        self._latest = Snapshot()
        """The snapshot in force, before `observe` changed it."""
        self._settled: frozenset[str] = frozenset()
        """Policies that are to be observed by the settings."""
        self._suspended = Suspended()
        self._pool = ThreadPoolExecutor(threads or min(8, os.cpu_count() or 2), thread_name_prefix="warden")
        self._background = ThreadPoolExecutor(1, thread_name_prefix="warden-merge")

    @property
    def policy_set(self) -> PolicySet:
        """The set in force now."""
        return self._set

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

    def observe(self, policy_ids: Collection[str]) -> None:
        """Match these policies from now on without enforcing them, and all others as their status says."""
        with self._swap:
            before, self._settled = self.observed, frozenset(policy_ids)
            self._observe(before)

    def suspend(self, suspended: Suspended) -> None:
        """Enforce from now on only what `suspended` leaves in force."""
        with self._swap:
            before, self._suspended = self.observed, suspended
            self._observe(before)

    def enforces(self, tenant: str) -> bool:
        """Whether nobody suspended enforcement for this tenant."""
        return not (self._suspended.everything or tenant in self._suspended.tenants)

    def _observe(self, before: frozenset[str]) -> None:
        if self.observed != before:
            self._set = PolicySet.compile(self._watched(self._latest), self.embedder, self._set)

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
        return self._set.inspect(messages, direction, tenant)

    def at_once(self, messages: Sequence[Message], direction: Direction, tenant: str = "") -> Decision | None:
        """The decision where it takes microseconds, fit for an event loop; None where `check` must be asked."""
        if self._measure(messages) > _INLINE_CHARS:
            return None
        inspection = self._set.begin(messages, direction, tenant)
        if inspection.needs_semantics:
            return None
        inspection.heuristics()
        inspection.semantics()
        decision = inspection.decision()
        return None if decision.action is Action.REWRITE else decision

    async def check(self, messages: Sequence[Message], direction: Direction, tenant: str = "") -> Decision:
        """Inspect without holding up the event loop. Raises `LimitExceeded` as `inspect` does."""
        return await self._check(self._set, messages, direction, tenant)

    async def _check(
        self,
        policy_set: PolicySet,
        messages: Sequence[Message],
        direction: Direction,
        tenant: str,
        *,
        remember: bool = True,
    ) -> Decision:
        running = asyncio.get_running_loop()
        if self._measure(messages) > _INLINE_CHARS:
            return await running.run_in_executor(self._pool, policy_set.inspect, messages, direction, tenant)
        inspection = policy_set.begin(messages, direction, tenant, remember=remember)
        inspection.heuristics()
        if inspection.needs_semantics:
            await running.run_in_executor(self._pool, inspection.semantics)
        else:
            inspection.semantics()
        decision = inspection.decision()
        if decision.action is Action.REWRITE:
            return await running.run_in_executor(self._pool, policy_set.finish, inspection)
        return decision

    def stream(self, tenant: str = "") -> StreamInspector:
        """Inspect an answer while it is written, to its end on the set now in force."""
        policy_set = self._set

        async def check(text: str, whole: bool) -> Decision:
            messages = (Message(Role.ASSISTANT, text),)
            return await self._check(policy_set, messages, Direction.RESPONSE, tenant, remember=whole)

        return StreamInspector(check, self._window)

    def close(self) -> None:
        """End the threads. Idempotent."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._background.shutdown(wait=False, cancel_futures=True)

    def _measure(self, messages: Sequence[Message]) -> int:
        chars = sum(len(m.content) for m in messages)
        if chars > self._max_chars:
            raise LimitExceeded(
                f"{chars:,} characters of text; at most {self._max_chars:,} are inspected (limits.text_chars): "
                "send less at once"
            )
        return chars


def _use_one_thread_per_product() -> None:
    """Matrix products of this process run in the thread that asks for them: several requests share the processors
    anyway, and waking helpers for a tenth of a millisecond of work costs more than it gains (docs/adr/0242)."""
    threadpool_limits(limits=1, user_api="blas")


def _let_others_run() -> None:
    """Compiling holds Python's lock: give it up for an instant."""
    time.sleep(0.0002)
