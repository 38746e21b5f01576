"""Compressed bodies of requests and answers: inflated piece by piece, so that none goes past a limit unnoticed."""

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from sisf.errors import HttpFailure, LimitExceeded, quoted

PIECE = 1 << 16
"""Bytes that are inflated at a time."""
_GZIP, _ZLIB, _RAW_DEFLATE = 31, 15, -15
"""Window bits that make zlib read one encoding and no other."""
_ZSTD_WINDOW = 23
"""At most 8 MiB, as RFC 9659 asks of content encodings."""
_CM_DEFLATE, _ZLIB_CHECK = 8, 31


class Broken(ValueError):
    """The bytes are not what their encoding says."""


class _Member(Protocol):
    """One stream of compressed bytes."""

    @property
    def rest(self) -> bytes | None:
        """What came after its end; None before that."""
        ...

    def more(self, data: bytes) -> Iterator[bytes]:
        """What these bytes inflate to, in pieces of about `PIECE` bytes."""
        ...


class Inflater:
    """Inflates one body. Gzip and zstd bodies may be made of several members, one after the other."""

    def __init__(self, member: Callable[[], _Member]) -> None:
        self._make = member
        self._member: _Member | None = None
        self._began = False

    @property
    def complete(self) -> bool:
        """Whether what came is a whole body."""
        return self._began and self._member is None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What the next bytes inflate to. Raises `Broken`."""
        try:
            while data:
                self._began = True
                self._member = self._member or self._make()
                yield from self._member.more(data)
                if self._member.rest is None:
                    return
                data, self._member = self._member.rest, None
        except Exception as error:  # noqa: BLE001 - three libraries, each with an exception of its own
            raise Broken(str(error)) from None


class _Zlib:
    def __init__(self, window: int) -> None:
        self._inflater = zlib.decompressobj(window)

    @property
    def rest(self) -> bytes | None:
        return self._inflater.unused_data if self._inflater.eof else None

    def more(self, data: bytes) -> Iterator[bytes]:
        made = b""
        while data or len(made) == PIECE:
            if made := self._inflater.decompress(data, PIECE):
                yield made
            data = self._inflater.unconsumed_tail


class _Deflate:
    """With the header that the standard asks for, or without it, as many programs send it."""

    def __init__(self) -> None:
        self._head = b""
        self._inner: _Zlib | None = None

    @property
    def rest(self) -> bytes | None:
        return self._inner.rest if self._inner is not None else None

    def more(self, data: bytes) -> Iterator[bytes]:
        if self._inner is None:
            self._head += data
            if len(self._head) < 2:
                return
            standard = self._head[0] & 15 == _CM_DEFLATE and int.from_bytes(self._head[:2]) % _ZLIB_CHECK == 0
            self._inner, data = _Zlib(_ZLIB if standard else _RAW_DEFLATE), self._head
        yield from self._inner.more(data)


class _Zstd:
    def __init__(self) -> None:
        module = zstd()
        self._inflater = module.ZstdDecompressor(options={module.DecompressionParameter.window_log_max: _ZSTD_WINDOW})

    @property
    def rest(self) -> bytes | None:
        return self._inflater.unused_data if self._inflater.eof else None

    def more(self, data: bytes) -> Iterator[bytes]:
        while data or not (self._inflater.eof or self._inflater.needs_input):
            if made := self._inflater.decompress(data, PIECE):
                yield made
            data = b""


class _Brotli:
    def __init__(self) -> None:
        import brotli

        self._inflater = brotli.Decompressor()

    @property
    def rest(self) -> bytes | None:
        return b"" if self._inflater.is_finished() else None

    def more(self, data: bytes) -> Iterator[bytes]:
        while data or not self._inflater.can_accept_more_data():
            if made := self._inflater.process(data, output_buffer_limit=PIECE):
                yield made
            elif not data:
                return
            data = b""


def zstd() -> Any:
    """The module that reads and writes zstd: the standard library's, from Python 3.14 on."""
    if sys.version_info >= (3, 14):
        from compression import zstd as module
    else:
        from backports import zstd as module
    return module


_MEMBERS: dict[str, Callable[[], _Member]] = {
    "gzip": lambda: _Zlib(_GZIP),
    "x-gzip": lambda: _Zlib(_GZIP),
    "deflate": _Deflate,
    "br": _Brotli,
    "zstd": _Zstd,
}


def plain(encoding: str) -> bool:
    """Whether a body with this `content-encoding` is not encoded at all."""
    return encoding.strip().lower() in ("", "identity")


def inflater(encoding: str) -> Inflater | None:
    """What inflates a body with this `content-encoding`; None for one that is not known here."""
    member = _MEMBERS.get(encoding.strip().lower())
    return None if member is None else Inflater(member)


def decoded(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its content encoding.

    Raises `HttpFailure`: 415 for an encoding that is not known here, 400 for a body that is not what its header says;
    and `LimitExceeded` for one that inflates to more than `limit` bytes.
    """
    if plain(encoding):
        return body
    name = encoding.strip().lower()[:40]
    reader = inflater(encoding)
    if reader is None:
        message = f"The content encoding {quoted(name)} is not supported; send gzip, deflate, br, zstd or no encoding."
        raise HttpFailure(415, "unsupported_encoding", message)
    pieces: list[bytes] = []
    room = limit
    try:
        for piece in reader.feed(body):
            room -= len(piece)
            if room < 0:
                raise LimitExceeded(f"The body inflates to more than {limit} bytes.")
            pieces.append(piece)
    except Broken:
        pass
    else:
        if reader.complete:
            return b"".join(pieces)
    raise HttpFailure(400, "invalid_encoding", f"The body is not valid {name}, which its header says it is.")
