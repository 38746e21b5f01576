"""Answers that are numbers and nothing else, streamed through however large they are: a batch of embeddings."""

import re
from collections.abc import AsyncIterator

from sisf.gateway.client import Client, Headers
from sisf.gateway.wire import Malformed

_WORD = re.compile(rb"[A-Za-z0-9+/=_.:@-]*")
_BETWEEN = re.compile(rb"[\s0-9eE+.,:\[\]{}truefalsn-]*")


class NumbersOnly:
    """Looks through JSON as it comes: its strings are single words or base64, so nothing in it reads as speech."""

    def __init__(self) -> None:
        self._in_string = False
        self._begun = False

    def check(self, piece: bytes) -> None:
        """Raises `Malformed` for anything else than names and numbers."""
        if not self._begun and piece.strip():
            self._begun = True
            if not piece.lstrip().startswith(b"{"):
                raise Malformed("it is not an object")
        for number, part in enumerate(piece.split(b'"')):
            if number:
                self._in_string = not self._in_string
            if not (_WORD if self._in_string else _BETWEEN).fullmatch(part):
                raise Malformed("it holds text beside the embeddings")


async def pass_numbers(read: bytes, rest: AsyncIterator[bytes], out: Client, headers: Headers) -> None:
    """Send what was read and the rest. Raises `Malformed`, before anything is sent or in the middle."""
    only = NumbersOnly()
    only.check(read)
    await out.begin(200, headers)
    await out.piece(read)
    async for piece in rest:
        only.check(piece)
        await out.piece(piece)
    await out.end()
