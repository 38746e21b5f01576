"""A question that many ask at once, and that is answered once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

_Answer = TypeVar("_Answer")


class SharedQuestion(Generic[_Answer]):
    """Whoever asks while somebody waits for the answer is given the same: many who ask cost no more than one."""

    def __init__(self, ask: Callable[[], Awaitable[_Answer]]) -> None:
        self._ask = ask
        self._asking: asyncio.Future[_Answer] | None = None

    async def answer(self) -> _Answer:
        """The answer; who leaves takes it from nobody."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.ensure_future(self._ask())
        return await asyncio.shield(self._asking)
