"""How often one principal may make the loop learn: a flood of breaches costs the flooder's own turns."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

_PRINCIPALS = 10_000


class Triggers:
    """A bucket of turns for each principal: `burst` at once, then one every `seconds`. Thread-safe and bounded."""

    def __init__(self, burst: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst = burst
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Turns left by principal, and when that was."""

    def take(self, principal: str) -> bool:
        """Take a turn; False when none is left."""
        with self._lock:
            now = self._clock()
            left, then = self._left.pop(principal, (float(self._burst), now))
            left = min(self._burst, left + (now - then) / self._seconds)
            taken = left >= 1
            self._left[principal] = (left - 1 if taken else left, now)
            while len(self._left) > _PRINCIPALS:
                self._left.popitem(last=False)
            return taken
