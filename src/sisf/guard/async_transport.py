"""Under the asynchronous client: the request is handled by a task on the SDK's own loop."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Mapping
from types import ModuleType
from typing import Any

from sisf.errors import InspectionFailed, SisfError
from sisf.guard.sdk_request import SdkRequest
from sisf.guard.transport import Transport


class AsyncTransport(Transport):
    """The request is handled by a task on the SDK's own loop."""

    async def __aenter__(self) -> "AsyncTransport":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """The connections are the original client's to close."""

    async def handle_async_request(self, request: Any) -> Any:
        """Answer one request of the SDK."""
        try:
            sdk_request = self.sdk_request(request)
        except SisfError as error:
            return self.carrying(error, request, final=True)
        if sdk_request is None:
            return await self.base.send(request, stream=True, follow_redirects=False)
        run = _Run(sdk_request, await request.aread(), _AsyncSource(self, request))
        try:
            head = await run.message()
        except SisfError as error:
            await run.close()
            return self.carrying(error, request)
        except BaseException:
            await run.close()
            raise
        body = _body_class(self.library)(run.pieces(), run.close)
        return self.library.Response(head["status"], headers=head["headers"], stream=body)


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
    """One request as a task, its messages in a queue of one: the task waits while the SDK is slow to read."""

    def __init__(self, sdk_request: SdkRequest, body: bytes, source: _AsyncSource) -> None:
        self._sdk_request = sdk_request
        self._queue: asyncio.Queue[Any] = asyncio.Queue(1)
        self._task = asyncio.get_running_loop().create_task(self._run(body, source))

    async def _run(self, body: bytes, source: _AsyncSource) -> None:
        try:
            await self._sdk_request.run(body, source, self._queue.put)
        finally:
            await self._queue.put(None)

    async def message(self) -> Mapping[str, Any]:
        """The next ASGI message; raises what the task raised if it ended without one."""
        found = await self._queue.get()
        if found is None:
            await self._task
            raise InspectionFailed("the inspection ended without an answer")
        return found  # type: ignore[no-any-return]

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body. Raises `Blocked` in place of what a policy stopped."""
        more = True
        while more:
            try:
                message = await self.message()
            except BaseException:
                await self.close()  # not every version of the SDK closes a response whose iteration fails
                raise
            more = message.get("more_body", False)
            if message.get("body"):
                yield message["body"]

    async def close(self) -> None:
        """End the task if it has not ended. Idempotent."""
        if not self._sdk_request.finished:
            self._task.cancel()
        while not self._task.done():
            with contextlib.suppress(asyncio.QueueEmpty):
                self._queue.get_nowait()
            await asyncio.wait({self._task}, timeout=0.01)
        if not self._task.cancelled():
            self._task.exception()  # it was told already, or nobody waits for it


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
