"""Many small steps on an event loop, taken so that everybody else on it gets a turn between them."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable

_ALONE, _AMONG_OTHERS = 0.008, 0.001
"""Seconds of small steps in one round of the loop, of all exchanges together; and where some wait to take theirs."""


class Breath:
    """Shared by everything on one event loop that takes steps without waiting for anything.

    Of those who wait, one goes on in each round of the loop: owners in turn, and what one owner has waiting in the
    order in which it came. So the steps of one owner, however many, delay the next one of another owner by one turn.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._began = 0.0
        """When the present turn began."""
        self._under_way = False
        """Whether it began in this round of the loop, or in the one before."""
        self._waiting: dict[Hashable, deque[asyncio.Future[None]]] = {}
        """Those who wait, by owner; the owner whose turn is next first."""

    async def draw(self, owner: Hashable) -> None:
        """Call before steps. Returns at once while the turn is young, else in a later round of the loop."""
        if not self._under_way and not self._waiting:
            self._begin()
            return
        if self._clock() - self._began <= (_AMONG_OTHERS if self._waiting else _ALONE):
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner, deque()).append(waiter)
        await waiter

    def _begin(self) -> None:
        self._under_way, self._began = True, self._clock()
        asyncio.get_running_loop().call_soon(self._over)

    def _over(self) -> None:
        """A round of the loop went by: let the next one go on, and come back behind it."""
        self._under_way = False
        while self._waiting:
            owner = next(iter(self._waiting))
            queue = self._waiting.pop(owner)
            waiter = queue.popleft()
            if queue:
                self._waiting[owner] = queue
            if not waiter.done():  # who was cancelled waits no more
                waiter.set_result(None)
                self._begin()
                return
