"""How many values a JSON document holds, told before it is decoded: each costs time and memory, however short it is."""

import numpy as np

_QUOTE, _COMMA, _OPEN_ARRAY, _OPEN_OBJECT = b'",[{'


SMALL_BYTES = 32_000
SMALL_NODES = 2_000
"""What is read on the event loop: more would hold it up for more than some milliseconds."""


def small(raw: bytes) -> bool:
    """Whether a document is read in a moment, with all JSON that stands in its strings."""
    return len(raw) <= SMALL_BYTES and at_most(raw) <= SMALL_NODES


def at_most(raw: bytes) -> int:
    """An upper bound of `nodes`: what stands in strings is counted too. Some µs for 100 kB."""
    return raw.count(b",") + raw.count(b"[") + raw.count(b"{")


def nodes(raw: bytes) -> int:
    """Members of all arrays and objects, and these themselves: commas and opening brackets outside of strings.

    Exact for documents that are JSON; what is not will not be decoded. Some ms for a megabyte, most of them without
    Python's lock.
    """
    if b"\\" in raw:
        raw = raw.replace(b"\\\\", b"  ").replace(b'\\"', b"  ")
    data = np.frombuffer(raw, np.uint8)
    outside = ~np.logical_xor.accumulate(data == _QUOTE)
    counted = (data == _COMMA) | (data == _OPEN_ARRAY) | (data == _OPEN_OBJECT)
    return int(np.count_nonzero(counted & outside))
