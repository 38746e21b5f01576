"""What a store needs from time to time: policies reviewed, exchanges deleted when their time is over."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from sisf.errors import SisfError
from sisf.loop.lifecycle import Lifecycle
from sisf.loop.steady import SteadyTime
from sisf.store import Store
from sisf.store.passed import PASSED_TEXTS

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Retention:
    """After how many days exchanges and breaches are deleted; 0: never."""

    exchange_days: int = 0
    breach_days: int = 0


class Housekeeping:
    """Runs every `seconds` until told to stop. A failure is logged and tried again next time."""

    def __init__(
        self,
        store: Store,
        lifecycle: Lifecycle,
        retention: Retention,
        *,
        seconds: float,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self._store = store
        self._lifecycle = lifecycle
        self._retention = retention
        self._seconds = seconds
        self._now = now or SteadyTime()

    def run(self, stopping: threading.Event) -> None:
        """Work until `stopping`."""
        while not stopping.wait(self._seconds):
            try:
                self.once()
                while self._store.exchanges.index() and not stopping.wait(0.05):
                    continue  # in small steps: what is being served writes in between
            except SisfError as error:
                _log.error("housekeeping_failed", error=str(error))

    def once(self) -> None:
        """Review the policies and delete what is too old."""
        self._lifecycle.review()
        now = self._now()
        days = self._retention.exchange_days
        self._store.passed.tidy(PASSED_TEXTS, now - timedelta(days=days) if days else None)
        for days, breaches in ((self._retention.exchange_days, False), (self._retention.breach_days, True)):
            if days:
                before = now - timedelta(days=days)
                self._store.exchanges.delete(
                    actor="retention", reason=f"older than {days} days", before=before, breaches=breaches
                )
