"""Under the synchronous client: the endpoint runs on the portal's loop, the SDK's own calls in the SDK's thread."""

import asyncio
import functools
import queue
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from types import ModuleType
from typing import Any

from sisf.errors import InspectionFailed, SisfError
from sisf.guard.passage import Passage
from sisf.guard.portal import Portal
from sisf.guard.transport import Transport

_CLOSE_SECONDS = 5.0


class SyncTransport(Transport):
    """The endpoint runs on the portal's loop; the SDK's calls are made in the thread that called the SDK."""

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
            passage = self.passage(request)
        except SisfError as error:
            return self.carrying(error, request)
        if passage is None:
            return self.base.send(request, stream=True, follow_redirects=False)
        caller = _Caller(passage, self._portal, request.read(), _SyncSource(self, request))
        try:
            head = caller.message()
            instead = passage.verdict(head["status"], self.refuse)
            if instead is None:
                body = _body_class(self.library)(_pieces(caller, passage, self.refuse), caller.close)
                return self.library.Response(head["status"], headers=head["headers"], stream=body)
            whole = b"".join(_bodies(caller)) if isinstance(instead, InspectionFailed) else b""
            caller.close()
        except BaseException:
            caller.close()
            raise
        return self.instead(instead, request, whole)


class _SyncSource:
    """The SDK's HTTP client, called by the endpoint in the thread that waits for the endpoint."""

    def __init__(self, transport: SyncTransport, request: Any) -> None:
        self._transport = transport
        self._request = request
        self._response: Any = None
        self._pieces: Iterator[bytes] = iter(())
        self.caller: _Caller

    async def send(self, body: bytes) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Send in the caller's thread."""
        return await self.caller.call(self._send, body)  # type: ignore[no-any-return]

    def _send(self, body: bytes) -> tuple[int, list[tuple[bytes, bytes]]]:
        forward = self._transport.forward(self._request, body)
        self._response = self._transport.base.send(forward, stream=True, follow_redirects=False)
        self._pieces = self._response.iter_bytes()
        return self._response.status_code, list(self._response.headers.raw)

    async def read(self) -> bytes:
        """Read in the caller's thread."""
        return await self.caller.call(self._read)  # type: ignore[no-any-return]

    def _read(self) -> bytes:
        return next((piece for piece in self._pieces if piece), b"")

    async def close(self) -> None:
        """The caller closes it when it is done."""

    def finish(self) -> None:
        """Close the response. In the caller's thread only."""
        if self._response is not None:
            self._response.close()


class _Caller:
    """The thread that called the SDK: it waits for the endpoint's messages, and works for the endpoint meanwhile."""

    def __init__(self, passage: Passage, portal: Portal, body: bytes, source: _SyncSource) -> None:
        self._passage = passage
        self._portal = portal
        self._source = source
        self._inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._ended = False
        source.caller = self
        self._task = portal.submit(passage.run(body, source, self._send))
        self._task.add_done_callback(lambda _: self._inbox.put(None))

    async def _send(self, message: Any) -> None:
        self._inbox.put(message)

    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Have the waiting thread call `function`."""
        future: Future[Any] = Future()
        self._inbox.put((function, arguments, future))
        return await asyncio.wrap_future(future)

    def message(self) -> Mapping[str, Any]:
        """The next ASGI message; raises what the endpoint raised if it ended without one."""
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
        """End the endpoint, if it has not ended, and the response. Idempotent."""
        self._portal.call_soon(self._passage.gone.set)
        try:
            while not self._ended:
                # What the endpoint still asks for is left undone: it is being cancelled.
                self._ended = self._inbox.get(timeout=_CLOSE_SECONDS) is None
        except queue.Empty:
            self._task.cancel()
            self._ended = True
        self._source.finish()


def _work(function: Callable[..., Any], arguments: tuple[Any, ...], future: "Future[Any]") -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function(*arguments))
    except Exception as error:  # noqa: BLE001 - it is the endpoint's to handle
        future.set_exception(error)
    except BaseException as error:
        future.set_exception(InspectionFailed(f"interrupted: {type(error).__name__}"))
        raise


def _bodies(caller: _Caller) -> Iterator[bytes]:
    more = True
    while more:
        message = caller.message()
        more = message.get("more_body", False)
        yield message.get("body", b"")


def _pieces(caller: _Caller, passage: Passage, refuse: bool) -> Iterator[bytes]:
    """The body; `Blocked` in place of what a policy stopped."""
    for body in _bodies(caller):
        if passage.seen.record is not None and not refuse:
            caller.close()  # not every version of the SDK closes a response whose iteration fails
            raise passage.seen.blocked or AssertionError
        if body:
            yield body


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
