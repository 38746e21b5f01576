"""Leaving alone what keeps failing."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Breaker:
    """Opens after `limit` failures in a row; after `seconds` lets one try again (in several threads, perhaps some)."""

    limit: int
    seconds: float
    failures: int = 0
    opened: float = 0.0
    clock: Callable[[], float] = time.monotonic

    @property
    def open(self) -> bool:
        """Whether it has failed so often in a row."""
        return self.failures >= self.limit

    @property
    def closed(self) -> bool:
        """Whether the next may try; that one of a breaker that was open long enough may, and the others wait for it."""
        if not self.open:
            return True
        if self.clock() - self.opened < self.seconds:
            return False
        self.opened = self.clock()
        return True

    def ended(self, *, well: bool) -> bool:
        """A try ended. Returns whether it opened the breaker."""
        was_open = self.open
        self.failures = 0 if well else self.failures + 1
        if not well:
            self.opened = self.clock()
        return self.open and not was_open
