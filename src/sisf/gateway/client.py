"""Where a response goes: an ASGI connection, or a program that holds a guarded client."""

from collections.abc import Iterable
from typing import Protocol

Headers = Iterable[tuple[bytes, bytes]]


class Client(Protocol):
    """Where the response goes."""

    @property
    def begun(self) -> bool:
        """Whether the status line is out."""
        ...

    async def whole(self, status: int, headers: Headers, body: bytes, media_type: bytes | None = None) -> None:
        """Send a complete response."""
        ...

    async def begin(self, status: int, headers: Headers) -> None:
        """Send the head of a streamed response."""
        ...

    async def piece(self, body: bytes) -> None:
        """Send a part of the body."""
        ...

    async def end(self) -> None:
        """End a streamed response."""
        ...
