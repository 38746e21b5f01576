"""How many values a JSON document holds, told before it is decoded: each costs time and memory, however short it is."""

from collections.abc import Iterator

import numpy as np

_QUOTE, _COMMA, _OPEN_ARRAY, _OPEN_OBJECT = b'",[{'
_BACKSLASH = b"\\"


SMALL_BYTES = 32_000
SMALL_NODES = 2_000
"""What is read on the event loop: more would hold it up for more than some milliseconds."""


def small(raw: bytes) -> bool:
    """Whether a document is read in a moment, with all JSON that stands in its strings."""
    return len(raw) <= SMALL_BYTES and at_most(raw) <= SMALL_NODES


def at_most(raw: bytes) -> int:
    """An upper bound of `nodes`: what stands in strings is counted too. Some µs for 100 kB."""
    return sum(counted(raw, sign) for sign in (_COMMA, _OPEN_ARRAY, _OPEN_OBJECT))


def counted(raw: bytes, sign: int) -> int:
    """How often a byte stands in a document; of large ones told without Python's lock."""
    if len(raw) <= SMALL_BYTES:
        return raw.count(sign)
    return int(np.count_nonzero(np.frombuffer(raw, np.uint8) == sign))


def holds(raw: bytes, *escapes: bytes) -> bool:
    """Whether one of these escapes stands in a document. A large one is looked through a stretch at a time: a search
    holds Python's lock to its end, some ms for megabytes."""
    if _BACKSLASH not in raw:
        return False
    longest = max(map(len, escapes)) - 1
    stretches = (raw[start : start + SMALL_BYTES + longest] for start in range(0, len(raw), SMALL_BYTES))
    return any(escape in stretch for stretch in stretches for escape in escapes)


def replaced(raw: bytes, *pairs: tuple[bytes, bytes]) -> bytes:
    """A document with escapes of one sign replaced, one kind after the other; without holding Python's lock for more
    than a moment."""
    made: list[bytes] = []
    for stretch in _stretches(raw):
        for escape, new in pairs:
            stretch = stretch.replace(escape, new)  # noqa: PLW2901
        made.append(stretch)
    return b"".join(made)


def _stretches(raw: bytes) -> Iterator[bytes]:
    """Short pieces of a document, none of which ends within the escape of one sign."""
    start = 0
    while start < len(raw):
        end = start + SMALL_BYTES
        stretch = raw[start:end]
        if (len(stretch) - len(stretch.rstrip(_BACKSLASH))) % 2:
            stretch = raw[start : end + 1]
        start += len(stretch)
        yield stretch


def nodes(raw: bytes) -> int:
    """Members of all arrays and objects, and these themselves: commas and opening brackets outside of strings.

    Exact for documents that are JSON; what is not will not be decoded. Some ms for a megabyte, most of them without
    Python's lock.
    """
    if _BACKSLASH in raw:
        raw = replaced(raw, (b"\\\\", b"  "), (b'\\"', b"  "))
    data = np.frombuffer(raw, np.uint8)
    outside = ~np.logical_xor.accumulate(data == _QUOTE)
    counted = (data == _COMMA) | (data == _OPEN_ARRAY) | (data == _OPEN_OBJECT)
    return int(np.count_nonzero(counted & outside))
