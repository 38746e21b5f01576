"""How much memory the bodies of requests under way may take, in all and for one sender."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from sisf.errors import HttpFailure, RateLimited
from sisf.exchange import Sender

SMALL_BYTES = 64_000
"""Requests up to this size never wait for room that others take; only for what their own sender holds."""
_AGAIN_SECONDS = 1


class Bodies:
    """Counts the bytes of bodies, from their arrival until the task of their request ends. Of one event loop."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.held: Counter[Sender] = Counter()
        self.total = 0

    def room(self, sender: Sender) -> Callable[[int], None]:
        """What to call with the number of bytes of a body of this sender that have come so far, in the task of the
        request. It raises `RateLimited` when the sender has half of the room already, `HttpFailure` (503) when there is
        none for a large one."""
        task: asyncio.Task[Any] | None = asyncio.current_task()
        counted = 0

        def came(size: int) -> None:
            nonlocal counted
            more = size - counted
            if more <= 0:
                return
            if self.held[sender] + more > self._limit // 2:
                raise RateLimited(
                    f"The bodies of this caller's requests under way hold more than {self._limit // 2:,} bytes (half "
                    "of limits.bodies_bytes); wait for their answers.",
                    retry_after=_AGAIN_SECONDS,
                )
            if size > SMALL_BYTES and self.total + more > self._limit:
                raise HttpFailure(503, "overloaded", "Too many large requests at once.", retry_after=_AGAIN_SECONDS)
            counted += more
            self.held[sender] += more
            self.total += more
            if counted == more and task is not None:  # the first time
                task.add_done_callback(lambda _: self._let_go(sender, counted))

        return came

    def _let_go(self, sender: Sender, size: int) -> None:
        self.total -= size
        self.held[sender] -= size
        if not self.held[sender]:
            del self.held[sender]
