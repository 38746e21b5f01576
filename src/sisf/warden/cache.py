"""What was found in texts already seen, so that a long conversation does not cost more with every turn."""

import hashlib
import secrets
import threading
from dataclasses import dataclass
from typing import Generic, TypeVar

from sisf.latest import Latest
from sisf.policy import Direction, Match

Key = tuple[Direction, str, bytes]
_Value = TypeVar("_Value")
_SECRET = secrets.token_bytes(32)
"""Nobody outside of this process can look for texts with the same key."""


def key_of(direction: Direction, tenant: str, text: str) -> Key:
    """Names a text and what it was inspected for."""
    data = text.encode(errors="surrogatepass")
    return direction, tenant, hashlib.blake2b(data, digest_size=16, key=_SECRET).digest()


class Remembered(Generic[_Value]):
    """Something about each of the most recently seen texts. Thread-safe and bounded; texts are not kept."""

    def __init__(self, capacity: int) -> None:
        self._found: Latest[Key, _Value] = Latest(capacity)
        self._lock = threading.Lock()

    def get(self, key: Key) -> _Value | None:
        """What is known of a text; None for one not seen."""
        with self._lock:
            return self._found.recall(key)

    def put(self, key: Key, value: _Value) -> None:
        """Remember."""
        with self._lock:
            self._found[key] = value


@dataclass(frozen=True, slots=True)
class Found:
    """What an inspection of a whole text found."""

    matches: tuple[Match, ...]
    """Each with segment 0."""
    doubt: Match | None = None
    """See `Decision.doubt`."""


class InspectionCache:
    """What was found at one revision: in whole texts, and in which windows of longer ones nothing was."""

    def __init__(self, texts: int = 4_096, windows: int = 16_384) -> None:
        self.texts: Remembered[Found] = Remembered(texts)
        self.windows: Remembered[float] = Remembered(windows)
        """Windows of long texts in which nothing was found or doubtful, with what was asked of their
        passages: the more is asked, the less is found."""
