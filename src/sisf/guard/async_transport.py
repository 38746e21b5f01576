"""Under the asynchronous client: the endpoint runs as a task on the SDK's own loop."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Mapping
from types import ModuleType
from typing import Any

from sisf.errors import InspectionFailed, SisfError
from sisf.guard.passage import Passage
from sisf.guard.transport import Transport


class AsyncTransport(Transport):
    """The endpoint runs as a task on the SDK's own loop."""

    async def __aenter__(self) -> "AsyncTransport":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """The connections are the original client's to close."""

    async def handle_async_request(self, request: Any) -> Any:
        """Answer one request of the SDK."""
        try:
            passage = self.passage(request)
        except SisfError as error:
            return self.carrying(error, request)
        if passage is None:
            return await self.base.send(request, stream=True, follow_redirects=False)
        run = _Run(passage, await request.aread(), _AsyncSource(self, request))
        try:
            head = await run.message()
            instead = passage.verdict(head["status"], self.refuse)
            if instead is None:
                body = _body_class(self.library)(run.pieces(self.refuse), run.close)
                return self.library.Response(head["status"], headers=head["headers"], stream=body)
            whole = await run.rest() if isinstance(instead, InspectionFailed) else b""
            await run.close()
        except BaseException:
            await run.close()
            raise
        return self.instead(instead, request, whole)


class _AsyncSource:
    """The SDK's HTTP client, on its own loop."""

    def __init__(self, transport: AsyncTransport, request: Any) -> None:
        self._transport = transport
        self._request = request
        self._response: Any = None
        self._pieces: AsyncIterator[bytes]

    async def send(self, body: bytes) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Send."""
        forward = self._transport.forward(self._request, body)
        self._response = await self._transport.base.send(forward, stream=True, follow_redirects=False)
        self._pieces = self._response.aiter_bytes()
        return self._response.status_code, list(self._response.headers.raw)

    async def read(self) -> bytes:
        """Read."""
        piece = b""
        async for piece in self._pieces:
            if piece:
                break
        return piece

    async def close(self) -> None:
        """Let go of the response."""
        if self._response is not None:
            await self._response.aclose()


class _Run:
    """One passage as a task, its messages in a queue of one: the endpoint waits while the SDK is slow to read."""

    def __init__(self, passage: Passage, body: bytes, source: _AsyncSource) -> None:
        self._passage = passage
        self._queue: asyncio.Queue[Any] = asyncio.Queue(1)
        self._task = asyncio.get_running_loop().create_task(self._run(body, source))

    async def _run(self, body: bytes, source: _AsyncSource) -> None:
        try:
            await self._passage.run(body, source, self._queue.put)
        finally:
            await self._queue.put(None)

    async def message(self) -> Mapping[str, Any]:
        """The next ASGI message; raises what the endpoint raised if it ended without one."""
        found = await self._queue.get()
        if found is None:
            await self._task
            raise InspectionFailed("the inspection ended without an answer")
        return found  # type: ignore[no-any-return]

    async def pieces(self, refuse: bool = True) -> AsyncIterator[bytes]:
        """The body; `Blocked` in place of what a policy stopped."""
        more = True
        while more:
            message = await self.message()
            more = message.get("more_body", False)
            if self._passage.seen.record is not None and not refuse:
                await self.close()  # not every version of the SDK closes a response whose iteration fails
                raise self._passage.seen.blocked or AssertionError
            if message.get("body"):
                yield message["body"]

    async def rest(self) -> bytes:
        """The whole body."""
        return b"".join([piece async for piece in self.pieces()])

    async def close(self) -> None:
        """End the endpoint if it has not ended. Idempotent."""
        self._passage.gone.set()
        while not self._task.done():
            with contextlib.suppress(asyncio.QueueEmpty):
                self._queue.get_nowait()
            await asyncio.wait({self._task}, timeout=0.01)


@functools.cache
def _body_class(library: ModuleType) -> Any:
    """A response body in the HTTP library's own type, which it asks for."""

    class AsyncBody(library.AsyncByteStream):  # type: ignore[misc, name-defined]
        def __init__(self, pieces: AsyncIterator[bytes], close: Callable[[], Any]) -> None:
            self._pieces, self._close = pieces, close

        def __aiter__(self) -> AsyncIterator[bytes]:
            return self._pieces

        async def aclose(self) -> None:
            await self._close()

    return AsyncBody
