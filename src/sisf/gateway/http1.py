"""An HTTP/1.1 client for one upstream: kept connections, one exchange at a time on each, bodies as they come.

Framing is llhttp's (through httptools), in its strict mode. A connection is used again only when the exchange on it
ended where its framing says; a byte too many, or an answer that nobody asked for, and it is closed (docs/adr/0203).
"""

import asyncio
import contextlib
import socket
import ssl
from collections import deque
from typing import cast

import httptools

from sisf.errors import reason

Headers = list[tuple[bytes, bytes]]

_HEAD_BYTES = 1 << 16
_BUFFER_BYTES = 1 << 17
"""Bytes of a body that may wait to be read; past them the upstream is not listened to."""
_IDLE_SECONDS = 30.0
_BODILESS = (204, 304)


class Unreachable(OSError):
    """No connection could be made."""


class ConnectTimeout(TimeoutError):
    """No connection could be made in time."""


class Disconnected(OSError):
    """The connection ended before the answer did."""

    def __init__(self, *, stale: bool = False) -> None:
        super().__init__("the connection was closed")
        self.stale = stale
        """Whether it had been kept from an earlier exchange and ended before a byte of an answer came: most likely the
        other side had closed it in the moment in which it was used again."""


class Invalid(ValueError):
    """What came is not a valid answer."""


def _why(error: Exception) -> str:
    """Why there is no connection, in words for operators."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted: {error.verify_message}"
        case ssl.SSLError():
            return f"no TLS could be agreed on: {error.reason or error}"
        case socket.gaierror() | UnicodeError():
            return "there is no such name, or it cannot be looked up"
        case ConnectionRefusedError():
            return "nothing listens there"
    return reason(error) or "the other side closed the connection before it stood"


class Answer:
    """The head of an answer, and its body as it comes."""

    __slots__ = ("_link", "headers", "status")

    def __init__(self, link: "_Link", status: int, headers: Headers) -> None:
        self._link = link
        self.status = status
        self.headers = headers
        """As they came, names in lower case."""

    def header(self, name: bytes) -> str:
        """The first header of that name, or an empty string."""
        return next((value.decode("latin-1") for known, value in self.headers if known == name), "")

    def at_once(self) -> bytes | None:
        """What has come of the body, empty at its end; None when that must be waited for. Raises as `read` does."""
        return self._link.take()

    async def read(self) -> bytes:
        """The next bytes of the body, empty at its end. Raises `Disconnected` and `Invalid`."""
        while (data := self._link.take()) is None:
            await self._link.wait()
        return data

    def close(self) -> None:
        """Let go: a connection whose answer was not read to its end is closed, which stops the upstream. Idempotent."""
        self._link.release()


class Client:
    """Connections to one host. Use it on one event loop."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
        connect_timeout: float = 5.0,
    ) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._server_name = server_name or host
        self._connect_timeout = connect_timeout
        self._kept: deque[_Link] = deque()
        self._links: set[_Link] = set()

    async def send(self, request: bytes) -> Answer:
        """Send a whole request and wait for the head of its answer.

        Raises `Unreachable`, `ConnectTimeout`, `Disconnected` and `Invalid`. When the task is cancelled the connection
        is closed.
        """
        link = self._reusable() or await self._connect()
        try:
            return await link.ask(request)
        except BaseException:
            link.abort()
            raise

    def _reusable(self) -> "_Link | None":
        oldest = asyncio.get_running_loop().time() - _IDLE_SECONDS
        while self._kept:
            link = self._kept.pop()
            if link.usable and link.idle_since > oldest:
                return link
            link.abort()
        return None

    async def _connect(self) -> "_Link":
        loop = asyncio.get_running_loop()
        name = self._server_name if self._tls else None
        try:
            async with asyncio.timeout(self._connect_timeout):
                _, link = await loop.create_connection(
                    lambda: _Link(self), self._host, self._port, ssl=self._tls, server_hostname=name
                )
        except TimeoutError:
            raise ConnectTimeout from None
        except (OSError, UnicodeError) as error:  # `ssl.SSLError` and failed look-ups of names are among the first
            raise Unreachable(_why(error)) from None
        return link

    def opened(self, link: "_Link") -> None:
        """A connection stands."""
        self._links.add(link)

    def ended(self, link: "_Link") -> None:
        """A connection is gone."""
        self._links.discard(link)
        with contextlib.suppress(ValueError):
            self._kept.remove(link)

    def keep(self, link: "_Link") -> None:
        """A connection may be used again; those that waited for that too long are closed."""
        self._kept.append(link)
        oldest = link.idle_since - _IDLE_SECONDS
        while self._kept[0].idle_since < oldest:
            self._kept.popleft().abort()

    def close(self) -> None:
        """Close all connections. Idempotent."""
        self._kept.clear()
        for link in tuple(self._links):
            link.abort()


class _Link(asyncio.Protocol):
    """One connection. The parser calls the `on_…` methods."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._error: Exception | None = None
        self._lost = False
        self._used = False
        self._asked = False
        self.idle_since = 0.0
        self._begin()

    def _begin(self) -> None:
        """Ready for the next exchange."""
        self._headers: Headers = []
        self._head_bytes = 0
        self._status = 0
        """0 until the head is complete."""
        self._between_bytes = 0
        """What came since the head or the last piece of the body: trailers, or extensions of a chunk."""
        self._until_close = False
        self._pieces: list[bytes] = []
        self._waiting_bytes = 0
        self._paused = False
        self._complete = False

    @property
    def usable(self) -> bool:
        """Whether another exchange may begin."""
        return not (self._lost or self._error or self._transport.is_closing())

    # One exchange ----------------------------------------------------------------------------------------------------

    async def ask(self, request: bytes) -> Answer:
        """Send a request; the head of the answer."""
        self._asked = True
        self._transport.write(request)
        while not self._status:
            self._raise()
            await self.wait()
        return Answer(self, self._status, self._headers)

    def take(self) -> bytes | None:
        """What came of the body; empty at its end, None when nothing has come yet."""
        if self._pieces:
            data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            self._pieces.clear()
            self._waiting_bytes = 0
            if self._paused and not self._lost:
                self._paused = False
                self._transport.resume_reading()
            return data
        if self._complete:
            return b""
        self._raise()
        return None

    async def wait(self) -> None:
        """Until something happens."""
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def release(self) -> None:
        """The exchange is over: keep the connection, or close it."""
        if not self._asked:
            return
        self._asked = False
        if not self._complete or self._pieces or not self._keeps_alive or not self.usable:
            self.abort()
            return
        self._begin()
        self._used = True
        self.idle_since = self._loop.time()
        self._client.keep(self)

    def abort(self) -> None:
        """Close at once."""
        if not self._lost:
            self._transport.abort()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error
        if self._lost:
            raise Disconnected(stale=self._used and not self._head_bytes)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, reason: str) -> None:
        self._error = self._error or Invalid(reason)
        self.abort()
        self._wake()

    # The transport ---------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpResponseParser(self)
        self._client.opened(self)

    def data_received(self, data: bytes) -> None:
        if not self._asked or self._complete or self._error is not None:
            self._fail("bytes that belong to no answer")
            return
        if self._status:
            self._between_bytes += len(data)
        else:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail("an upgrade that nobody asked for")
        except httptools.HttpParserError as error:
            self._fail(str(error))
        else:
            if not self._status and self._head_bytes > _HEAD_BYTES:
                self._fail("the head is too long")
            elif self._between_bytes > _HEAD_BYTES and not self._complete:
                self._fail("too much stands between, or behind, the pieces of the body")

    def eof_received(self) -> None:
        """The other side is done: nothing more can be asked on this connection."""

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        if self._until_close and exc is None and self._error is None:
            self._complete = True
        self._client.ended(self)
        self._wake()
        del self._parser  # it holds this: both, and what came, would stay until a collection of all garbage

    # The parser ------------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._complete:
            raise httptools.HttpParserCallbackError("a second answer to one request")

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._status:  # trailers are not passed on
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if not 100 <= status < 600:
            raise httptools.HttpParserCallbackError("a status that HTTP does not have")
        if status < 200:  # a word in between, such as 103 Early Hints
            self._headers = []
            return
        codings = [value.strip().lower() for name, value in self._headers if name == b"transfer-encoding"]
        if codings not in ([], [b"chunked"]):  # the parser takes any list that ends with it for the same
            raise httptools.HttpParserCallbackError("a transfer coding that was not asked for")
        self._status = status
        self._keeps_alive = self._parser.should_keep_alive()
        framed = bool(codings) or any(name == b"content-length" for name, _ in self._headers)
        self._until_close = status not in _BODILESS and not framed
        self._wake()

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)
        self._between_bytes = 0
        self._waiting_bytes += len(body)
        if self._waiting_bytes > _BUFFER_BYTES and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def on_message_complete(self) -> None:
        if self._status:
            self._complete = True
            self._wake()
