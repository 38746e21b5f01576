"""Server-sent events, split without changing a byte."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sisf.gateway.wire import Malformed

_EOL = re.compile(rb"\r\n|\n|\r")
_BLANK = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")
KEEP_ALIVE = b": keep-alive\n\n"
PING = b'event: ping\ndata: {"type": "ping"}\n\n'
"""What keeps streams of Anthropic's messages alive: some clients count events only."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its bytes, with the blank line that ends it, and what a client reads as its data."""

    raw: bytes
    data: bytes | None
    """None for comments and for events without data."""
    beside: tuple[bytes, ...] = ()
    """What stands in it beside its data: comments, and fields that clients read or ignore."""


class EventSplitter:
    """Cuts a byte stream into events, for all three line ends that the standard allows."""

    def __init__(self, limit: int) -> None:
        self._pieces: list[bytes] = []
        """What has come of an event that is not complete."""
        self._size = 0
        self._limit = limit

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that are complete now; take all of them. Raises `Malformed` for one longer than the limit."""
        if self._pieces and not self._ends(chunk):
            self._keep(chunk)
            return
        buffer = b"".join((*self._pieces, chunk)) if self._pieces else chunk
        start, look = 0, max(0, self._size - _SEAM)
        while found := _BLANK.search(buffer, look):
            yield _event(buffer[start : found.end()])
            start = look = found.end()
        self._pieces, self._size = [], 0
        self._keep(buffer[start:])

    def rest(self) -> list[Event]:
        """What stands behind the last blank line when the stream has ended: clients may read it as an event."""
        buffer = b"".join(self._pieces)
        self._pieces, self._size = [], 0
        return [_event(buffer)] if buffer else []

    def _ends(self, chunk: bytes) -> bool:
        """Whether a blank line ends in the piece: what came before it holds none and is not searched again."""
        seam = b"".join(self._pieces[-_SEAM:])[-_SEAM:]
        return _BLANK.search(seam + chunk) is not None

    def _keep(self, piece: bytes) -> None:
        if piece:
            self._pieces.append(piece)
            self._size += len(piece)
        if self._size > self._limit:
            raise Malformed("a stream event is too long")


def _event(raw: bytes) -> Event:
    if raw.startswith(b"data: ") and raw.find(b"\n") == len(raw) - 2 and b"\r" not in raw:
        return Event(raw, raw[6:-2])
    lines: list[bytes] = []
    beside: list[bytes] = []
    for line in _EOL.split(raw.removeprefix(_BOM)):
        name, _, value = line.partition(b":")
        if name == b"data":
            lines.append(value.removeprefix(b" "))
        elif name.endswith(b"data"):
            raise Malformed("a stream event has a field that readers could take for data")
        elif line.strip() not in _SAYS_NOTHING:
            beside.append(value.strip() if name in (b"event", b"id", b"retry", b"") else line)
    return Event(raw, b"\n".join(lines) if lines else None, tuple(beside))


_SEAM = 3
"""Bytes of a blank line that may have come before the last one of it."""
_BOM = b"\xef\xbb\xbf"
_SAYS_NOTHING = frozenset(
    (b"", b":", b": keep-alive", b": ping", b":ping", b": OPENROUTER PROCESSING", b"event: ping", b"event: message")
)
