"""Time limits for many waits at the price of one timer."""

import asyncio
import threading
from types import TracebackType
from typing import Any

_TICK_SECONDS = 0.05


class Deadlines(threading.local):
    """Looks at all waits of an event loop every `_TICK_SECONDS`: a limit is kept to that precision.

    `asyncio.timeout` arms and cancels a timer for each wait, which costs more than most waits of a gateway last.
    A program may run several event loops, in several threads or one after the other: each keeps its own waits.
    """

    def __init__(self) -> None:
        self._waits: set[Deadline] = set()
        self._armed = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def within(self, seconds: float) -> "Deadline":
        """`with deadlines.within(5): …` raises `TimeoutError` from what it awaits after so long."""
        return Deadline(self, seconds)

    def _add(self, wait: "Deadline", loop: asyncio.AbstractEventLoop) -> None:
        if loop is not self._loop:
            self._waits, self._armed, self._loop = set(), False, loop
        self._waits.add(wait)
        if not self._armed:
            self._arm(loop)

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        self._armed = True
        loop.call_later(_TICK_SECONDS, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._armed = False
        now = loop.time()
        for wait in tuple(self._waits):
            wait.look(now)
        if self._waits:
            self._arm(loop)


class Deadline:
    """One wait of the current task."""

    __slots__ = ("_deadlines", "_due", "_expired", "_requests", "_seconds", "_task")

    def __init__(self, deadlines: Deadlines, seconds: float) -> None:
        self._deadlines = deadlines
        self._seconds = seconds
        self._expired = False

    def __enter__(self) -> None:
        task: asyncio.Task[Any] | None = asyncio.current_task()
        assert task is not None  # noqa: S101 - always true on the event loop
        self._task = task
        self._requests = task.cancelling()
        loop = asyncio.get_running_loop()
        self._due = loop.time() + self._seconds
        self._deadlines._add(self, loop)

    def look(self, now: float) -> None:
        """End the wait if its time is over."""
        if not self._expired and now >= self._due:
            self._expired = True
            self._task.cancel()

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._deadlines._waits.discard(self)
        if self._expired and self._task.uncancel() <= self._requests and kind is asyncio.CancelledError:
            raise TimeoutError from value
