"""Tables that are made when they are first needed, and kept.

Some take a tenth of a second to make. What serves requests makes them all beforehand, off its event loop
(`make_all`): else the first text that needs one holds up everybody.
"""

from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import TypeVar

T = TypeVar("T")
_MADE_ONCE: list[Callable[[], object]] = []
_making = Lock()


def once(make: Callable[[], T]) -> Callable[[], T]:
    """`make`, called once; a decorator."""
    made = cache(make)
    _MADE_ONCE.append(made)
    return made


def make_all(go_on: Callable[[], bool] = lambda: True) -> None:
    """Make every table of this package that is not made yet, as long as `go_on` says so; who comes second waits for the
    first. Some half a second of a processor."""
    with _making:
        for made in _MADE_ONCE:
            if not go_on():
                return
            made()
