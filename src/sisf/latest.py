"""What came last, and no more of it than fits: memory that nobody outside can make grow."""

from collections import OrderedDict
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Latest(OrderedDict[K, V]):
    """The `most` keys that were set or recalled last; what is beyond that is forgotten. For one thread at a time."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        while len(self) > self._most:
            self.popitem(last=False)

    def recall(self, key: K) -> V | None:
        """What stands there, which is remembered for longer now; None where nothing does."""
        found = self.get(key)
        if found is not None:
            self.move_to_end(key)
        return found
