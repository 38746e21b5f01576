"""The time by which things grow old: a clock put forward must not delete everything, nor retire what protects."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog

_log = structlog.get_logger(__name__)
_SLACK = timedelta(hours=1).total_seconds()
"""A clock that runs ahead by less than this at once is set right, and no more."""
_BELIEVED = timedelta(days=1).total_seconds()
"""Seconds after which a clock that was put forward, and stayed there, is believed."""


def elapsed() -> float:
    """Seconds that only go forward, and go on while the machine sleeps, where its system can say so."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class SteadyTime:
    """Call it for the time of day. Put back, the clock is believed at once: nothing is older then; put forward, only
    when a day has passed. Until then time goes on as it did before, or, at the start, from when somebody wrote last."""

    def __init__(
        self,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        elapsed: Callable[[], float] = elapsed,
    ) -> None:
        self._clock, self._elapsed = clock, elapsed
        self._lock = threading.Lock()
        self._known, self._at = clock(), elapsed()
        self._since: float | None = None
        """When the clock was found to be put forward."""

    def begin(self, written: datetime | None) -> None:
        """Begin at `written`, when the store was written to last: a clock that is ahead of it may be wrong, and only a
        day shows that it is not. A clock that is behind it is wrong, unless it was ahead before: that is told."""
        with self._lock:
            shown, at = self._clock(), self._elapsed()
            ahead = (shown - written).total_seconds() if written is not None else 0.0
            if ahead < -_SLACK:
                _log.warning("clock_behind_store", seconds=round(-ahead), written=str(written))
            elif written is not None and ahead > _SLACK:
                _log.info("clock_ahead_of_store", seconds=round(ahead), written=str(written))
                self._known, self._at, self._since = written, at, at

    def __call__(self) -> datetime:
        """The time by which things are old."""
        with self._lock:
            shown, at = self._clock(), self._elapsed()
            expected = self._known + timedelta(seconds=at - self._at)
            ahead = (shown - expected).total_seconds()
            if ahead > _SLACK:
                if self._since is None:
                    self._since = at
                    _log.error("clock_put_forward", seconds=round(ahead))
                if at - self._since < _BELIEVED:
                    return expected
            self._known, self._at, self._since = shown, at, None
            return shown
