"""Under the synchronous client: the request is handled on the portal's loop, the SDK's own calls in its thread."""

import functools
import queue
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from types import ModuleType
from typing import Any

from sisf.errors import InspectionFailed, SisfError
from sisf.fair_pool import outcome
from sisf.guard.portal import Portal
from sisf.guard.sdk_request import SdkRequest
from sisf.guard.transport import Transport

_CLOSE_SECONDS = 5.0


class SyncTransport(Transport):
    """The request is handled on the portal's loop; the SDK's calls are made in the thread that called the SDK."""

    def __init__(self, *arguments: Any, portal: Portal, refuse: bool) -> None:
        super().__init__(*arguments, refuse=refuse)
        self._portal = portal

    def __enter__(self) -> "SyncTransport":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """The connections are the original client's to close."""

    def handle_request(self, request: Any) -> Any:
        """Answer one request of the SDK."""
        try:
            sdk_request = self.sdk_request(request)
        except SisfError as error:
            return self.carrying(error, request, final=True)
        if sdk_request is None:
            return self.base.send(request, stream=True, follow_redirects=False)
        waiting = _Waiting(sdk_request, self._portal, request.read(), _SyncSource(self, request))
        try:
            head = waiting.message()
        except SisfError as error:
            waiting.close()
            return self.carrying(error, request)
        except BaseException:
            waiting.close()
            raise
        body = _body_class(self.library)(_pieces(waiting), waiting.close)
        return self.library.Response(head["status"], headers=head["headers"], stream=body)


class _SyncSource:
    """The SDK's HTTP client, called by the pipeline in the thread that waits for it."""

    def __init__(self, transport: SyncTransport, request: Any) -> None:
        self._transport = transport
        self._request = request
        self._response: Any = None
        self._pieces: Iterator[bytes] = iter(())
        self.waiting: _Waiting

    async def send(self, body: bytes) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Send in the caller's thread."""
        return await self.waiting.call(self._send, body)  # type: ignore[no-any-return]

    def _send(self, body: bytes) -> tuple[int, list[tuple[bytes, bytes]]]:
        forward = self._transport.forward(self._request, body)
        self._response = self._transport.base.send(forward, stream=True, follow_redirects=False)
        self._pieces = self._response.iter_bytes()
        return self._response.status_code, list(self._response.headers.raw)

    async def read(self) -> bytes:
        """Read in the caller's thread."""
        return await self.waiting.call(self._read)  # type: ignore[no-any-return]

    def _read(self) -> bytes:
        return next((piece for piece in self._pieces if piece), b"")

    async def close(self) -> None:
        """The caller closes it when it is done."""

    def finish(self) -> None:
        """Close the response. In the caller's thread only."""
        if self._response is not None:
            self._response.close()


class _Waiting:
    """The thread that called the SDK: it waits for the handler's messages, and works for it meanwhile."""

    def __init__(self, sdk_request: SdkRequest, portal: Portal, body: bytes, source: _SyncSource) -> None:
        self._sdk_request = sdk_request
        self._portal = portal
        self._source = source
        self._inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._ended = False
        source.waiting = self
        self._task = portal.submit(self._handled(body))

    async def _handled(self, body: bytes) -> None:
        """Tells the waiting thread of the end only when it is there: whoever cancels this is through with it sooner
        than this is with the record of the exchange."""
        try:
            await self._sdk_request.run(body, self._source, self._send)
        finally:
            self._inbox.put(None)

    async def _send(self, message: Any) -> None:
        self._inbox.put(message)

    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Have the waiting thread call `function`."""
        future: Future[Any] = Future()
        self._inbox.put((function, arguments, future))
        return await outcome(future)

    def message(self) -> Mapping[str, Any]:
        """The next ASGI message; raises what the handler raised if it ended without one."""
        found = self._next()
        if found is None:
            self._task.result()
            raise InspectionFailed("the inspection ended without an answer")
        return found

    def _next(self) -> Mapping[str, Any] | None:
        while not self._ended:
            item = self._inbox.get()
            if item is None:
                self._ended = True
            elif isinstance(item, tuple):
                function, arguments, future = item
                _work(function, arguments, future)
            else:
                return item  # type: ignore[no-any-return]
        return None

    def close(self) -> None:
        """End the handling, if it has not ended, and the response. Idempotent."""
        if not self._sdk_request.finished:
            self._task.cancel()
        try:
            while not self._ended:
                # What the handler still asks for is left undone: it is being cancelled.
                self._ended = self._inbox.get(timeout=_CLOSE_SECONDS) is None
        except queue.Empty:
            self._ended = True
        self._source.finish()


def _work(function: Callable[..., Any], arguments: tuple[Any, ...], future: "Future[Any]") -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function(*arguments))
    except Exception as error:  # noqa: BLE001 - it is the handler's to deal with
        future.set_exception(error)
    except BaseException as error:
        future.set_exception(InspectionFailed(f"interrupted: {type(error).__name__}"))
        raise


def _pieces(waiting: _Waiting) -> Iterator[bytes]:
    """The body. Raises `Blocked` in place of what a policy stopped."""
    more = True
    while more:
        try:
            message = waiting.message()
        except BaseException:
            waiting.close()  # not every version of the SDK closes a response whose iteration fails
            raise
        more = message.get("more_body", False)
        if message.get("body"):
            yield message["body"]


@functools.cache
def _body_class(library: ModuleType) -> Any:
    """A response body in the HTTP library's own type, which it asks for."""

    class Body(library.SyncByteStream):  # type: ignore[misc, name-defined]
        def __init__(self, pieces: Iterator[bytes], close: Callable[[], Any]) -> None:
            self._pieces, self._close = pieces, close

        def __iter__(self) -> Iterator[bytes]:
            return self._pieces

        def close(self) -> None:
            self._close()

    return Body
