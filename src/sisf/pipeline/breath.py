"""Many small steps on an event loop, taken so that everybody else on it gets a turn between them."""

import asyncio
import time

_HELD = 0.008
"""Seconds of small steps in one round of the loop, of all exchanges together."""


class Breath:
    """Shared by everything on one event loop that takes steps without waiting for anything."""

    def __init__(self) -> None:
        self._round = 0.0
        """When the present round of the loop began, as far as anybody asked."""
        self._asked = False

    async def draw(self) -> None:
        """Call between steps. Returns at once while the round is young, else in a later one."""
        while time.perf_counter() - self._round > _HELD:
            if not self._asked:
                self._asked = True
                asyncio.get_running_loop().call_soon(self._begin)
            await asyncio.sleep(0)

    def _begin(self) -> None:
        self._round = time.perf_counter()
        self._asked = False
