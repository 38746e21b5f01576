"""The loop: takes exchanges in, and works on them in its own threads, durably and at least once."""

import contextlib
import os
import random
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime

import structlog

from sisf.adjudicator.base import Adjudicator, prepare_judge
from sisf.errors import LeaseLost, SisfError
from sisf.exchange import Fate
from sisf.loop.enforcement import Enforcement, Enforcer
from sisf.loop.events import Event, Failed, Listener, Monitored
from sisf.loop.examiner import Examiner, Traffic
from sisf.loop.heartbeat import Heartbeat
from sisf.loop.housekeeping import Housekeeping, Retention
from sisf.loop.knowledge import StoreKnowledge
from sisf.loop.lastgood import LastGood
from sisf.loop.lifecycle import Lifecycle
from sisf.loop.reporting import report
from sisf.loop.rules import Rules
from sisf.loop.stages import Autonomy, Stages
from sisf.loop.steady import SteadyTime
from sisf.loop.suspensions import Suspensions
from sisf.loop.triggers import Triggers
from sisf.store import ExchangeRecord, Job, Node, Store, Urgency
from sisf.synthesis.base import PolicyGate, PolicySynthesisModule, Reference
from sisf.synthesis.narrow_policy import narrow_policy

_log = structlog.get_logger(__name__)
_IDLE_SECONDS = 0.5
_LEARNED_FROM = (Fate.RELEASED, Fate.WITHHELD, Fate.INTERCEPTED_RESPONSE, Fate.ABANDONED)
"""What a model answered: also what an answer-side policy stopped, since the prompt was not recognised, and what the
client did not wait for."""
_LONGEST_BACKOFF = 60.0
_DEATHS = 4
"""Times the tries that a stage has: so many workers may die at a job before it is held to be what kills them. Workers
are also killed by others: their deaths say less of a job than a failure does."""
_RENEWALS = 4
"""How often a lease is renewed in its time: one that is late, or two, must not cost it."""


def _urgency(record: ExchangeRecord) -> Urgency:
    if record.verdict is not None and record.verdict.is_breach:
        return Urgency.BREACH
    return Urgency.SUSPECT if any(decision.matches for decision in record.decisions) else Urgency.ORDINARY


class Loop:
    """Monitor → analyze → plan → execute over one store.

    `monitor` may be called from anywhere, also from an event loop: it never blocks. All else runs in worker threads;
    with no worker threads (`workers=0`) `drain` does the work in the calling thread.
    """

    def __init__(
        self,
        store: Store,
        warden: Enforcer,
        adjudicator: Adjudicator,
        synthesiser: PolicySynthesisModule,
        gate: PolicyGate,
        *,
        reference: Reference | None = None,
        autonomy: Autonomy = "autonomous",
        workers: int = 1,
        prepare: bool = False,
        attempts: int = 5,
        lease_seconds: float = 4.0,
        backoff_seconds: float = 0.5,
        stop_seconds: float = 10.0,
        housekeeping_seconds: float = 60.0,
        rules: Rules | None = None,
        retention: Retention | None = None,
        last_good: LastGood | None = None,
        node: Node | None = None,
    ) -> None:
        self._store = store
        self._adjudicator = adjudicator
        self._workers = workers
        self._prepare = prepare
        self._attempts = attempts
        self._lease_seconds = lease_seconds
        self._backoff_seconds = backoff_seconds
        self._stop_seconds = stop_seconds
        self._listeners: list[Listener] = []
        self.knowledge = StoreKnowledge(store, reference or Reference())
        rules, embedder = rules or Rules(), warden.embedder
        examiner = Examiner(gate, Traffic(store, embedder))
        self._steady = SteadyTime()
        self.lifecycle = Lifecycle(
            store,
            examiner,
            self.knowledge,
            rules=rules,
            promote=autonomy == "autonomous",
            embedder=embedder,
            judge=adjudicator,
            steady=self._steady,
        )
        self._housekeeping = Housekeeping(
            store, self.lifecycle, retention or Retention(), seconds=housekeeping_seconds, now=self._steady
        )
        self._enforcement = Enforcement(store, warden, last_good)
        self.suspensions = Suspensions(store, warden)
        self._node = node
        self._stages = Stages(
            store,
            self._enforcement,
            adjudicator=adjudicator,
            synthesiser=synthesiser,
            examiner=examiner,
            knowledge=self.knowledge,
            lifecycle=self.lifecycle,
            autonomy=autonomy,
            emit=self._emit,
            stand_in=lambda breach, waits: narrow_policy(breach, embedder, waits=waits),
            triggers=Triggers(rules.triggers, rules.trigger_seconds),
        )
        self._name = f"{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._unsubscribe: Callable[[], None] = lambda: None
        self._progress = threading.Condition()
        self._running: dict[str, Job] = {}
        self._finished = 0

    def listen(self, listener: Listener) -> None:
        """Call `listener` with each event, in the thread where it happens: it must be quick."""
        self._listeners.append(listener)

    def monitor(self, record: ExchangeRecord, *, learn: bool = True, gather: bool = False) -> "Future[None]":
        """Write an exchange and, when something can be learned from it, its job. Never blocks.

        The future is done once both are durable. With `gather` that takes some milliseconds longer, so that many
        exchanges are written at once and share their future: cheaper, where nobody waits for it.
        """
        fruitful = record.exchange.response is not None and record.fate in _LEARNED_FROM
        future = self._store.exchanges.record(
            record, enqueue=learn and fruitful, urgency=_urgency(record), gather=gather
        )
        if self._listeners:
            self._emit(Monitored(record))
        return future

    def start(self) -> None:
        """Put the stored policy set in force, follow its revisions, and start working."""
        self._stopping.clear()
        self._enforcement.begin()
        with contextlib.suppress(SisfError):  # a store that is away says nothing of the time
            self._steady.begin(self._last_written())
        self._spawn(lambda: self.suspensions.run(self._stopping), "sisf-loop-suspensions")
        self._unsubscribe = self._store.policies.subscribe(self._follow)
        if self._node is not None:
            heart = Heartbeat(self._store, self._node, lambda: self._enforcement.revision)
            self._spawn(lambda: heart.run(self._stopping), "sisf-loop-heartbeat")
        for number in range(self._workers):
            self._spawn(self._work, f"sisf-loop-{number}")
        if self._workers:
            if self._prepare:
                # Beside each other: the first exchange waits for the judge alone.
                self._spawn(self._quietly(self._prepare_judge), "sisf-loop-judge")
                self._spawn(self._quietly(self._prepare_learning), "sisf-loop-preparation")
            self._spawn(self._keep_leases, "sisf-loop-leases")
            self._spawn(lambda: self._housekeeping.run(self._stopping), "sisf-loop-housekeeping")

    def prepare(self) -> None:
        """Do now, and wait for it, what `start` does in the background: what the first judgement and the first breach
        would wait for. Raises `SisfError` when an endpoint that is needed is away."""
        self._prepare_judge()
        self._prepare_learning()

    def stop(self, drain: bool = False, timeout: float = 30.0) -> None:
        """Stop working: after all that is due (`drain`, within `timeout` seconds), or after the stage at hand.

        What is left stays in the store for the next start; so does a stage that lasts longer than some seconds, as
        one whose judge hangs: it is not waited for.
        """
        if drain and self._threads:
            self.drain(timeout)
        self._stopping.set()
        self._store.jobs.wake()
        self._unsubscribe()
        end = time.monotonic() + self._stop_seconds
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        left = [job.exchange_id for job in self._running.values()]
        if left:
            _log.warning("work_left", exchanges=left)
        self._threads.clear()

    def drain(self, timeout: float = 60.0) -> bool:
        """Return True when no job is left to do (dead letters apart), False after `timeout` seconds."""
        end = time.monotonic() + timeout
        self._store.flush()
        while True:
            finished = self._finished
            if not (self._workers and self._threads) and self.work_once():
                continue
            counts = self._store.jobs.counts()
            open_jobs = counts["ready"] + counts["leased"] + counts["waiting"]
            # In this order: a job leaves the store before it leaves `_running`.
            if not (open_jobs or self._running):
                return True
            left = end - time.monotonic()
            if left <= 0:
                return False
            enough = finished + max(1, open_jobs)  # counting again after each of them would cost more than doing it
            with self._progress:
                self._progress.wait_for(lambda n=enough: self._finished >= n, min(left, _IDLE_SECONDS))  # type: ignore[misc]

    def work_once(self) -> bool:
        """Do one job in the calling thread, if one is due. Returns whether there was one."""
        job = self._store.jobs.lease(self._name, self._lease_seconds)
        if job is None:
            return False
        self._running[job.exchange_id] = job
        try:
            self._run(job)
        finally:
            del self._running[job.exchange_id]
            with self._progress:
                self._finished += 1
                self._progress.notify_all()
        return True

    def _last_written(self) -> datetime | None:
        """When the store's newest exchange or row of the audit log was written; None for an empty store."""
        exchanges, rows = self._store.exchanges.recent(1), self._store.audit.latest(1)
        return max([found.exchange.time for found in exchanges] + [row.time for row in rows], default=None)

    def _prepare_judge(self) -> None:
        prepare_judge(self._adjudicator)

    def _prepare_learning(self) -> None:
        self._stages.prepare(self._stopping.is_set)

    @staticmethod
    def _quietly(prepare: Callable[[], None]) -> Callable[[], None]:
        """For a thread of its own: what cannot be prepared now is tried again when it is needed."""

        def run() -> None:
            try:
                prepare()
            except SisfError as error:
                _log.warning("preparation_failed", error=str(error))

        return run

    def _spawn(self, target: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                if not self.work_once():
                    self._store.jobs.wait(_IDLE_SECONDS)
            except SisfError as error:
                # The store is away. What was leased comes back by itself when its lease ends.
                _log.error("loop_stalled", error=str(error))
                self._stopping.wait(_IDLE_SECONDS)

    def _run(self, job: Job) -> None:
        current = job

        def carry_on(following: Job) -> bool:
            nonlocal current
            current = following
            return not self._stopping.is_set()

        try:
            deaths = _DEATHS * self._attempts
            if job.attempts > deaths:
                # It was leased again and again and never ended: it may take its worker down with it.
                self._fail(job, f"given up after {deaths} attempts that never ended", final=True)
                return
            self._stages.run(job, carry_on)
            if self._stopping.is_set() and current is not job:
                self._give_back(current)
        except LeaseLost:
            _log.warning("lease_lost", exchange=job.exchange_id)
        except Exception as error:  # noqa: BLE001 - whatever a stage raises, the job is kept and tried again
            # Without a traceback: its frames hold what clients said, which no log may show by default.
            explained = f"{type(error).__name__}: {error}"
            _log.error("stage_failed", exchange=current.exchange_id, stage=current.stage, error=explained)
            self._fail(current, explained, final=current.attempts >= self._attempts)

    def _give_back(self, job: Job) -> None:
        try:
            self._store.jobs.fail(job, "the worker was stopped", retry_in=0.0)
        except LeaseLost:
            return  # it was done after all

    def _fail(self, job: Job, error: str, *, final: bool) -> None:
        backoff = min(_LONGEST_BACKOFF, self._backoff_seconds * 2 ** (job.attempts - 1))
        try:
            retry_in = None if final else backoff * random.uniform(0.5, 1.5)
            self._store.jobs.fail(job, error, retry_in=retry_in)
        except LeaseLost:
            _log.warning("lease_lost", exchange=job.exchange_id)
            return
        self._emit(Failed(job.exchange_id, job.stage, error, final))

    def _keep_leases(self) -> None:
        while not self._stopping.wait(self._lease_seconds / _RENEWALS):
            for job in tuple(self._running.values()):
                try:
                    self._store.jobs.renew(job)
                except LeaseLost:
                    continue  # most often: it was done just now
                except SisfError as error:
                    _log.warning("lease_not_renewed", exchange=job.exchange_id, error=str(error))

    def _follow(self, _revision: int) -> None:
        self._enforcement.follow()

    def _emit(self, event: Event) -> None:
        for listener in (report, *self._listeners):
            try:
                listener(event)
            except Exception as error:  # noqa: BLE001 - who watches must not disturb
                _log.error("listener_failed", error=f"{type(error).__name__}: {error}")
