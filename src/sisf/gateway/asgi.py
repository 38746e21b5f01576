"""The few pieces of ASGI that the raw path needs."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sisf.errors import LimitExceeded
from sisf.gateway.client import Headers

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class ClientGone(Exception):
    """The client closed its connection before the answer was complete."""


class Outgoing:
    """One response: knows whether it has begun and with which status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0
        self.finished = False

    @property
    def begun(self) -> bool:
        """Whether the status line is out."""
        return self.status != 0

    async def whole(self, status: int, headers: Headers, body: bytes, media_type: bytes | None = None) -> None:
        """Send a complete response."""
        length = (b"content-length", b"%d" % len(body))
        given = [(b"content-type", media_type), *headers] if media_type else list(headers)
        self.status = status
        self.finished = True
        await self._send({"type": "http.response.start", "status": status, "headers": [*given, length]})
        await self._send({"type": "http.response.body", "body": body})

    async def begin(self, status: int, headers: Headers) -> None:
        """Send the head of a streamed response."""
        self.status = status
        await self._send({"type": "http.response.start", "status": status, "headers": list(headers)})

    async def piece(self, body: bytes) -> None:
        """Send a part of the body; waits while the client is slow to read."""
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def end(self) -> None:
        """End a streamed response."""
        self.finished = True
        await self._send({"type": "http.response.body", "body": b""})


async def read_body(scope: Scope, receive: Receive, limit: int, came: Callable[[int], None] = lambda _: None) -> bytes:
    """The whole body. `came` is told how many bytes have come, and raises where that is too much.

    Raises `LimitExceeded` as soon as it is longer than `limit` bytes, and `ClientGone`.
    """
    declared = next((v for k, v in scope["headers"] if k == b"content-length"), b"0")
    if declared.isdigit() and int(declared) > limit:
        raise LimitExceeded(f"The body is larger than {limit} bytes.")
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        piece = message.get("body", b"")
        size += len(piece)
        if size > limit:
            raise LimitExceeded(f"The body is larger than {limit} bytes.")
        came(size)
        pieces.append(piece)
        if not message.get("more_body", False):
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def client_of(scope: Scope) -> str:
    """The address of the client, empty when unknown."""
    client = scope.get("client")
    return str(client[0]) if client else ""


_PATIENCE_SECONDS = 0.02


class DisconnectWatch:
    """Cancels the current task when the client goes away before the response is complete.

    Begins to look a moment after it was told to: most requests that stay within the machine are over by then.
    """

    def __init__(self, receive: Receive, out: Outgoing | None = None) -> None:
        """`out`: the response, where it may be complete before `stop` is called."""
        self.gone = False
        self.receive = receive
        self._out = out
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - always true on the event loop
        self._task = task
        self._watch: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """The request has come whole: nothing more is received but that the client is gone."""
        self._timer = asyncio.get_running_loop().call_later(_PATIENCE_SECONDS, self._start)

    def _start(self) -> None:
        self._watch = asyncio.get_running_loop().create_task(self._wait(self.receive))

    async def _wait(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        if self._out is None or not self._out.finished:
            self.gone = True
            self._task.cancel()

    def stop(self) -> None:
        """Watch no more. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None  # its traceback will hold this
