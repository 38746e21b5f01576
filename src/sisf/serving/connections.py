"""A connection of a client: how answers are sent, how long requests may take, and whether the client is still there."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from sisf.serving import proxy_protocol
from sisf.serving.room import Room, most_connections

_STILL_THERE = b"HTTP/1.1 100 Continue\r\n\r\n"
_ASKED_SECONDS = (0.0, 0.1, 1.0, 5.0)
_TIMEOUT = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_BAD_FRAMING = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_UNKNOWN_CODING = b"HTTP/1.1 501 Not Implemented\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_HEAD_BYTES = 1 << 16
"""What the head of a request may hold, and what may come between two pieces of a body, or behind it."""
_FIELD_BYTES = 32
"""What each field of a head counts besides its own bytes."""
_AHEAD = 64
"""Requests that may wait for the answer of one before them on the same connection."""
_PARSED_AT_ONCE = 1 << 14
"""Bytes given to the parser before what came of them is looked at."""


def protocol(read_seconds: float, proxied: Callable[[str], bool] | None = None) -> Any:
    """What uvicorn calls for the protocol of a connection on which a request must arrive within that time. Connections
    from an address for which `proxied` holds must begin with a PROXY header."""
    room = Room(most_connections())
    return partial(_Protocol, read_seconds, room) if proxied is None else partial(_Proxied, read_seconds, room, proxied)


class _Gathered:
    """A transport that sends what is written within one turn of the event loop at once.

    uvicorn writes the head of an answer and its body apart, and each packet of its own wakes up the client.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._held: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Send soon."""
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held.append(data)

    def close(self) -> None:
        """Send what was written, then close."""
        self.flush()
        self._transport.close()

    def flush(self) -> None:
        """Send what was written."""
        held, self._held = self._held, []
        if held and not self._transport.is_closing():
            self._transport.write(held[0] if len(held) == 1 else b"".join(held))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class _Arrival:
    """The time within which a request must arrive whole: else half-open ones stay for as long as their clients like."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None

    def expect(self, late: Callable[[], None]) -> None:
        """A request begins, or may begin; `late` is called where it does not arrive in time."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, late)

    @property
    def open(self) -> bool:
        """Whether one is awaited that has not come whole."""
        return self._timer is not None

    def end(self) -> None:
        """It is here, or nobody waits any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Protocol(HttpToolsProtocol):
    """uvicorn's own protocol over a `_Gathered` transport.

    A client that has sent its request may close its own side of the connection and still wait for the answer; one that
    is gone looks the same. Until an answer begins, interim responses tell the two apart: whoever is there ignores them,
    and the machine of one that is gone resets the connection. HTTP/1.0 has no interim responses, so there the end of
    what a client sends is the end of the client, as it is once an answer has begun (docs/adr/0375).

    The parser knows no limits: what it holds of a head, of trailers, and of requests sent ahead is counted here
    (docs/adr/0561), and what frames the pieces of a body: a million pieces of one byte would cost a second
    (docs/adr/0700).
    """

    def __init__(self, read_seconds: float, room: Room, **given: Any) -> None:
        super().__init__(**given)
        self._read_seconds, self._room, self._peer = read_seconds, room, ""
        self._half_closed = False
        self._under_way: RequestResponseCycle | None = None
        """The request that is being answered; `cycle` is the last that came."""
        self._moved = False
        self._refusal: bytes | None = None
        """How the head that was just read is refused, where the parser would not refuse it itself."""
        self._idle = 0
        """Bytes received since a head was complete, a piece of a body came, or a request ended."""
        self._pieces: list[bytes] = []
        """Of a body, since `data_received` was called."""
        self._framing = 0
        """Bytes received since the head was complete that are none of the body, less those that are."""
        self._questions: list[asyncio.TimerHandle] = []

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._gathered = _Gathered(transport)
        super().connection_made(self._gathered)  # type: ignore[arg-type]
        self._arrival = _Arrival(self._read_seconds)
        self._arrival.expect(self._late)
        self._peer = self.client[0] if self.client else ""
        self._room.enter(self._peer, self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._room.leave(self._peer, self)
        self._arrival.end()
        self._ask_no_more()
        if self.pipeline and self._under_way is not None:  # it is told, and those behind it never begin
            self.pipeline.clear()
            self.cycle = self._under_way
        super().connection_lost(exc)
        self._unset_keepalive_if_required()  # uvicorn leaves it where the connection was reset, 75 s with all it holds

    def eof_received(self) -> bool:  # type: ignore[override]
        """Whether the connection stays open so that an answer can be sent."""
        if self._arrival.open or not self._unanswered() or self.scope["http_version"] != "1.1":
            self._gathered.flush()
            return False
        self._half_closed = True
        self._questions = [self.loop.call_later(seconds, self._ask) for seconds in _ASKED_SECONDS]
        return True

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), _PARSED_AT_ONCE):
            if self.transport.is_closing():
                return
            self._parse(data if len(data) <= _PARSED_AT_ONCE else data[start : start + _PARSED_AT_ONCE])

    def _parse(self, data: bytes) -> None:
        self._moved = False
        self._framing += len(data)
        super().data_received(data)
        self._give_body()
        self._idle = 0 if self._moved else self._idle + len(data)
        if self._idle > _HEAD_BYTES:
            self._refuse(_TOO_LARGE)
        elif self._framing > _HEAD_BYTES:
            self._refuse(_BAD_FRAMING)

    def _give_body(self) -> None:
        """Hand on what came of a body, at once: pieces one by one would each copy all before them."""
        if self._pieces:
            pieces, self._pieces = self._pieces, []
            super().on_body(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._arrival.expect(self._late)

    def on_headers_complete(self) -> None:
        self._moved = True
        self._framing = 0
        self._refusal = self._objection()
        if self._refusal is not None or len(self.pipeline) >= _AHEAD:
            raise ValueError("refused")  # the parser ends, and `send_400_response` is called
        if self.parser.get_http_version() != "1.1":
            self.expect_100_continue = False  # HTTP/1.0 has no interim responses
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._moved = True
        self._framing -= 2 * len(body)
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        self._moved = True
        self._framing = 0
        self._give_body()
        self._arrival.end()
        self._room.work(self._peer, self)
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        if self._refusal is not None:
            self._refuse(self._refusal)
        else:
            super().send_400_response(msg)

    def _objection(self) -> bytes | None:
        """Why a head is refused: its size, or a transfer coding. Of these `chunked` alone is decoded; the parser takes
        every list that ends with it for the same, and would hand on the bytes of other codings as the body."""
        if len(self.url) + sum(len(name) + len(value) + _FIELD_BYTES for name, value in self.headers) > _HEAD_BYTES:
            return _TOO_LARGE
        coded = [value.strip().lower() for name, value in self.headers if name == b"transfer-encoding"]
        known = not coded or (coded == [b"chunked"] and self.parser.get_http_version() == "1.1")
        return None if known else _UNKNOWN_CODING

    def _unsupported_upgrade_warning(self) -> None:
        """None: a request to change the protocol is answered as any other."""

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._under_way = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.pipeline and self.cycle.response_complete and not self.transport.is_closing():
            self._room.wait(self._peer, self)
        if self._half_closed and not self.pipeline and self.cycle.response_complete:
            self._ask_no_more()
            self.transport.close()

    def give_way(self) -> None:
        """See `Room`."""
        if self._arrival.open:
            self._late()
        else:
            self.transport.close()

    def _late(self) -> None:
        self._refuse(_TIMEOUT)

    def _refuse(self, answer: bytes) -> None:
        """Close, with an answer where none to an earlier request is under way."""
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(answer)
        self.transport.close()

    def _unanswered(self) -> bool:
        return self._under_way is not None and not self._under_way.response_started

    def _ask(self) -> None:
        if self._unanswered():
            self.transport.write(_STILL_THERE)

    def _ask_no_more(self) -> None:
        for question in self._questions:
            question.cancel()


class _Proxied(_Protocol):
    """A connection that may be a proxy's, which says first who is behind it. Nobody else is believed."""

    def __init__(self, read_seconds: float, room: Room, proxied: Callable[[str], bool], **given: Any) -> None:
        super().__init__(read_seconds, room, **given)
        self._proxied = proxied
        self._preface: bytes | None = None
        """What came of the header that must come first; None behind it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.client is not None and self._proxied(self.client[0]):
            self._preface = b""

    def data_received(self, data: bytes) -> None:
        if self._preface is not None:
            self._preface += data
            try:
                header = proxy_protocol.read(self._preface)
            except ValueError:
                self.logger.warning("A trusted proxy sent no PROXY header.")
                self.transport.close()
                return
            if header is None:
                return
            data, self._preface = self._preface[header.length :], None
            self.client = header.client or self.client
            if not data:
                return
        super().data_received(data)
