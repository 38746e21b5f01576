"""Work on the store's jobs: leased, done stage by stage, tried again when it fails, and given up in the end."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from sisf.errors import LeaseLost, SisfError
from sisf.loop.events import Event, Failed
from sisf.loop.stages import Stages
from sisf.store import Job, Store

_log = structlog.get_logger(__name__)
_IDLE_SECONDS = 0.5
_LONGEST_BACKOFF = 60.0
_DEATHS = 4
"""Times the tries that a stage has: so many workers may die at a job before it is held to be what kills them. Workers
are also killed by others: their deaths say less of a job than a failure does."""
_RENEWALS = 4
"""How often a lease is renewed in its time: one that is late, or two, must not cost it."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the loop holds, repeats and waits."""

    attempts: int = 5
    """How often a stage is tried."""
    lease_seconds: float = 4.0
    """A worker holds a job for so long, and renews the lease meanwhile; when it dies, another one takes it over."""
    backoff_seconds: float = 0.5
    """Before a stage that failed is tried again; twice as long after each failure."""
    stop_seconds: float = 10.0
    """For the work at hand when the loop is stopped."""
    housekeeping_seconds: float = 60.0
    """Between two rounds of housekeeping."""


class Workers:
    """Does the jobs of a store in the threads that call `work`, or in the one that calls `once` or `drain`."""

    def __init__(
        self,
        store: Store,
        stages: Stages,
        patience: Patience,
        *,
        name: str,
        stopping: threading.Event,
        emit: Callable[[Event], None],
    ) -> None:
        self._store = store
        self._stages = stages
        self._patience = patience
        self._name = name
        self._stopping = stopping
        self._emit = emit
        self._progress = threading.Condition()
        self._running: dict[str, Job] = {}
        self._finished = 0

    @property
    def running(self) -> list[str]:
        """The exchanges that are worked on now."""
        return [job.exchange_id for job in self._running.values()]

    def work(self) -> None:
        """Do one job after the other until the loop is stopped."""
        while not self._stopping.is_set():
            try:
                if not self.once():
                    self._store.jobs.wait(_IDLE_SECONDS)
            except SisfError as error:
                # The store is away. What was leased comes back by itself when its lease ends.
                _log.error("loop_stalled", error=str(error))
                self._stopping.wait(_IDLE_SECONDS)

    def once(self) -> bool:
        """Do one job in the calling thread, if one is due. Returns whether there was one."""
        job = self._store.jobs.lease(self._name, self._patience.lease_seconds)
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

    def drain(self, timeout: float, *, helping: bool) -> bool:
        """Return True when no job is left to do (dead letters apart), False after `timeout` seconds. `helping` does
        them in the calling thread."""
        end = time.monotonic() + timeout
        self._store.flush()
        while True:
            finished = self._finished
            if helping and self.once():
                continue
            open_jobs = self._store.jobs.under_way()
            # In this order: a job leaves the store before it leaves `_running`.
            if not (open_jobs or self._running):
                return True
            left = end - time.monotonic()
            if left <= 0:
                return False
            enough = finished + max(1, open_jobs)  # counting again after each of them would cost more than doing it
            with self._progress:
                self._progress.wait_for(lambda n=enough: self._finished >= n, min(left, _IDLE_SECONDS))  # type: ignore[misc]

    def keep_leases(self) -> None:
        """Renew the leases of what is worked on until the loop is stopped."""
        while not self._stopping.wait(self._patience.lease_seconds / _RENEWALS):
            for job in tuple(self._running.values()):
                try:
                    self._store.jobs.renew(job)
                except LeaseLost:
                    continue  # most often: it was done just now
                except SisfError as error:
                    _log.warning("lease_not_renewed", exchange=job.exchange_id, error=str(error))

    def _run(self, job: Job) -> None:
        current = job

        def carry_on(following: Job) -> bool:
            nonlocal current
            current = following
            return not self._stopping.is_set()

        try:
            deaths = _DEATHS * self._patience.attempts
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
            self._fail(current, explained, final=current.attempts >= self._patience.attempts)

    def _give_back(self, job: Job) -> None:
        try:
            self._store.jobs.fail(job, "the worker was stopped", retry_in=0.0)
        except LeaseLost:
            return  # it was done after all

    def _fail(self, job: Job, error: str, *, final: bool) -> None:
        backoff = min(_LONGEST_BACKOFF, self._patience.backoff_seconds * 2 ** (job.attempts - 1))
        try:
            retry_in = None if final else backoff * random.uniform(0.5, 1.5)
            self._store.jobs.fail(job, error, retry_in=retry_in)
        except LeaseLost:
            _log.warning("lease_lost", exchange=job.exchange_id)
            return
        self._emit(Failed(job.exchange_id, job.stage, error, final))
