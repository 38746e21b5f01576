"""Inspection of an answer while it is written: nothing is released before what follows it was seen."""

from collections.abc import Awaitable, Callable, Sequence

from sisf.exchange import Message, Role
from sisf.policy import Decision, Direction

Check = Callable[[Sequence[Message], Direction, str], Awaitable[Decision]]


class StreamInspector:
    """Holds back the last `window` characters of an answer; what is older was inspected with them and may go.

    Each inspection sees the text not yet released and as much released text before it, so a match across the border
    of two pieces is found as long as it begins within the window.
    """

    def __init__(self, check: Check, tenant: str, window: int) -> None:
        self._check = check
        self._tenant = tenant
        self._window = window
        self._context = ""
        self._pending = ""
        self._uninspected = 0
        self.decision: Decision | None = None
        """The latest decision; None before the first inspection."""

    async def feed(self, text: str) -> str:
        """Take the next piece; returns what may be released now. Nothing after a block."""
        self._pending += text
        self._uninspected += len(text)
        if self._blocked or self._uninspected < self._window:
            return ""
        return await self._inspect(keep=self._window)

    async def finish(self) -> str:
        """The text has ended; returns what is left to release. Nothing after a block."""
        return "" if self._blocked else await self._inspect(keep=0)

    @property
    def _blocked(self) -> bool:
        return self.decision is not None and self.decision.blocked

    async def _inspect(self, keep: int) -> str:
        text = self._context + self._pending
        self.decision = await self._check((Message(Role.ASSISTANT, text),), Direction.RESPONSE, self._tenant)
        self._uninspected = 0
        if self._blocked:
            return ""
        cut = len(self._pending) - keep
        released, self._pending = self._pending[:cut], self._pending[cut:]
        self._context = (self._context + released)[-4 * self._window :]
        return released
