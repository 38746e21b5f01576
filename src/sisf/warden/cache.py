"""What was found in texts already seen, so that a long conversation does not cost more with every turn."""

import hashlib
import threading
from collections import OrderedDict

from sisf.policy import Direction, Match

Key = tuple[Direction, str, bytes]


class InspectionCache:
    """The matches of the most recently seen texts, at one revision. Thread-safe and bounded; texts are not kept."""

    def __init__(self, capacity: int = 4_096) -> None:
        self._capacity = capacity
        self._found: OrderedDict[Key, tuple[Match, ...]] = OrderedDict()
        self._lock = threading.Lock()

    @staticmethod
    def key(direction: Direction, tenant: str, text: str) -> Key:
        """Names a text and what it was inspected for."""
        return direction, tenant, hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()

    def get(self, key: Key) -> tuple[Match, ...] | None:
        """The matches found before, each with segment 0; None for a text not seen."""
        with self._lock:
            found = self._found.get(key)
            if found is not None:
                self._found.move_to_end(key)
            return found

    def put(self, key: Key, matches: tuple[Match, ...]) -> None:
        """Remember."""
        with self._lock:
            self._found[key] = matches
            while len(self._found) > self._capacity:
                self._found.popitem(last=False)
