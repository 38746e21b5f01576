"""How often one sender may make the loop learn: a flood of breaches costs the flooder's own turns."""

import threading
import time

from sisf.exchange import Sender
from sisf.latest import Latest

_SENDERS = 10_000


class Triggers:
    """A bucket of turns for each sender: `burst` at once, then one every `seconds`. Thread-safe and bounded."""

    def __init__(self, burst: int, seconds: float) -> None:
        self._burst = burst
        self._seconds = seconds
        self._lock = threading.Lock()
        self._left: Latest[Sender, tuple[float, float]] = Latest(_SENDERS)
        """Turns left by sender, and when that was."""

    def take(self, sender: Sender) -> bool:
        """Take a turn; False when none is left. The probing agent has a budget of its own."""
        if sender.is_probe:
            return True
        with self._lock:
            now = time.monotonic()
            left, then = self._left.get(sender, (float(self._burst), now))
            left = min(self._burst, left + (now - then) / self._seconds)
            taken = left >= 1
            self._left[sender] = (left - 1 if taken else left, now)
            return taken
