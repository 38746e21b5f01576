"""Handing exchanges to the loop, and what happens when the store cannot take them."""

import asyncio
import threading
import time
from concurrent.futures import Future

import structlog

from sisf.fair_pool import finished
from sisf.pipeline.metrics import Metrics
from sisf.pipeline.ports import Monitor
from sisf.settings import Settings
from sisf.store.records import ExchangeRecord

_log = structlog.get_logger("sisf.pipeline")


class Recorder:
    """Writes exchanges through the loop's monitor.

    With `grouped` durability answers do not wait for the commit while the store is well. After a failed or overdue
    write they do, until one succeeds: so a store that is gone stops answers (`closed`) instead of losing exchanges.
    """

    def __init__(self, monitor: Monitor, settings: Settings, metrics: Metrics) -> None:
        self._monitor = monitor
        self._learn = settings.adjudication.mode != "off"
        self._strict = settings.store.durability == "strict"
        self._open = settings.on_failure.store == "open"
        self._timeout = settings.on_failure.store_timeout
        self._metrics = metrics
        self._well = True
        self._pending: dict[Future[None], list[float]] = {}
        """When each write that is not yet done began, and of how many exchanges it is."""
        self._latest: Future[None] | None = None
        self._lock = threading.Lock()

    @property
    def well(self) -> bool:
        """Whether the last writes succeeded in time."""
        with self._lock:
            oldest = next(iter(self._pending.values()), None)
        return self._well and (oldest is None or time.monotonic() - oldest[0] < self._timeout)

    @property
    def must_wait(self) -> bool:
        """Whether an answer must wait for its commit."""
        return self._strict or not self.well

    async def record(self, record: ExchangeRecord, *, released: bool = False) -> bool:
        """Write `record`; False when the answer must not be released because it could not be written.

        `released`: the client already has all or a part of it, so a failure counts as a fail-open.
        """
        wait = self.must_wait
        written = self._begin(record, gather=not wait)
        if written is None:
            return self._passes(released=released)
        if not wait:
            return True
        try:
            async with asyncio.timeout(self._timeout):
                await finished(written)
        except TimeoutError:
            self._fail("timeout", f"no commit within {self._timeout:g} s")
            return self._passes(released=released)
        if _failed(written):  # counted and logged where the future ends
            return self._passes(released=released)
        return True

    def note(self, record: ExchangeRecord, *, released: bool) -> None:
        """Write `record` when nobody waits for it any more; `released` as `record` has it."""
        if self._begin(record, gather=True) is None and released:
            self._passes(released=True)

    def _begin(self, record: ExchangeRecord, *, gather: bool) -> Future[None] | None:
        self._metrics.outcomes.inc(record.fate.value)
        try:
            written = self._monitor.monitor(record, learn=self._learn, gather=gather)
        except Exception as error:  # noqa: BLE001 - whatever it is, the exchange was not written
            self._fail("error", f"{type(error).__name__}: {error}")
            return None
        with self._lock:
            if written is self._latest:
                if written in self._pending:
                    self._pending[written][1] += 1
                return written
            self._latest = written
            self._pending[written] = [time.monotonic(), 1]
        written.add_done_callback(self._written)
        return written

    def _written(self, written: Future[None]) -> None:
        with self._lock:
            _, count = self._pending.pop(written, (0.0, 1))
        if _failed(written):
            error = None if written.cancelled() else written.exception()
            self._fail("error", f"{type(error).__name__}: {error}", int(count))
        else:
            self._well = True

    def _fail(self, kind: str, reason: str, count: int = 1) -> None:
        self._well = False
        self._metrics.failures.labels("store", kind).inc(count)
        _log.error("store_failed", kind=kind, reason=reason[:300], exchanges=count)

    def _passes(self, *, released: bool) -> bool:
        if released or self._open:
            self._metrics.fail_opens.labels("store").inc()
            _log.warning("fail_open", part="store")
            return True
        return False


def _failed(written: Future[None]) -> bool:
    return written.cancelled() or written.exception() is not None
