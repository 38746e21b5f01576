"""The loop: takes exchanges in, and works on them in its own threads, durably and at least once."""

import contextlib
import os
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime

import structlog

from sisf.adjudicator.base import Adjudicator, prepare_judge
from sisf.errors import SisfError
from sisf.exchange import Fate
from sisf.loop.enforcement import Enforcement, Enforcer
from sisf.loop.events import Event, Listener, Monitored
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
from sisf.loop.workers import Patience, Workers
from sisf.store import ExchangeRecord, Node, Store, Urgency
from sisf.synthesis.base import PolicyGate, PolicySynthesisModule, Reference
from sisf.synthesis.narrow_policy import narrow_policy

_log = structlog.get_logger(__name__)
_LEARNED_FROM = (Fate.RELEASED, Fate.WITHHELD, Fate.INTERCEPTED_RESPONSE, Fate.ABANDONED)
"""What a model answered: also what an answer-side policy stopped, since the prompt was not recognised, and what the
client did not wait for."""


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
        patience: Patience | None = None,
        rules: Rules | None = None,
        retention: Retention | None = None,
        last_good: LastGood | None = None,
        node: Node | None = None,
    ) -> None:
        self._store = store
        self._adjudicator = adjudicator
        self._count = workers
        self._prepare = prepare
        self._patience = patience = patience or Patience()
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
            store, self.lifecycle, retention or Retention(), seconds=patience.housekeeping_seconds, now=self._steady
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
        self._stopping = threading.Event()
        name = f"{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self._workers = Workers(store, self._stages, patience, name=name, stopping=self._stopping, emit=self._emit)
        self._threads: list[threading.Thread] = []
        self._unsubscribe: Callable[[], None] = lambda: None

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
        for number in range(self._count):
            self._spawn(self._workers.work, f"sisf-loop-{number}")
        if self._count:
            if self._prepare:
                # Beside each other: the first exchange waits for the judge alone. Fitting it cannot be broken off, and
                # is not waited for when the loop stops.
                _thread(lambda: _quietly(self._prepare_judge), "sisf-loop-judge").start()
                self._spawn(lambda: _quietly(self._prepare_learning), "sisf-loop-preparation")
            self._spawn(self._workers.keep_leases, "sisf-loop-leases")
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
        end = time.monotonic() + self._patience.stop_seconds
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        if left := self._workers.running:
            _log.warning("work_left", exchanges=left)
        self._threads.clear()

    def drain(self, timeout: float = 60.0) -> bool:
        """Return True when no job is left to do (dead letters apart), False after `timeout` seconds."""
        return self._workers.drain(timeout, helping=not (self._count and self._threads))

    def work_once(self) -> bool:
        """Do one job in the calling thread, if one is due. Returns whether there was one."""
        return self._workers.once()

    def _last_written(self) -> datetime | None:
        """When the store's newest exchange or row of the audit log was written; None for an empty store."""
        exchanges, rows = self._store.exchanges.recent(1), self._store.audit.latest(1)
        return max([found.exchange.time for found in exchanges] + [row.time for row in rows], default=None)

    def _prepare_judge(self) -> None:
        prepare_judge(self._adjudicator)

    def _prepare_learning(self) -> None:
        self._stages.prepare(self._stopping.is_set)

    def _spawn(self, target: Callable[[], None], name: str) -> None:
        thread = _thread(target, name)
        self._threads.append(thread)
        thread.start()

    def _follow(self, _revision: int) -> None:
        self._enforcement.follow()

    def _emit(self, event: Event) -> None:
        for listener in (report, *self._listeners):
            try:
                listener(event)
            except Exception as error:  # noqa: BLE001 - who watches must not disturb
                _log.error("listener_failed", error=f"{type(error).__name__}: {error}")


def _quietly(prepare: Callable[[], None]) -> None:
    """In a thread of its own: what cannot be prepared now is tried again when it is needed."""
    try:
        prepare()
    except SisfError as error:
        _log.warning("preparation_failed", error=str(error))


def _thread(target: Callable[[], None], name: str) -> threading.Thread:
    return threading.Thread(target=target, name=name, daemon=True)
