"""Compressed request bodies: inflated within limits, so that what is inspected is what is forwarded."""

import zlib

from sisf.errors import HttpFailure, LimitExceeded

_WINDOW = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""Window bits that make zlib read this encoding."""
_RAW_DEFLATE = -15


def decoded(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its content encoding.

    Raises `HttpFailure`: 415 for an encoding that is not known here, 400 for a body that is not what its header says;
    and `LimitExceeded` for one that inflates to more than `limit` bytes.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return body
    if name not in _WINDOW:
        message = f"The content encoding `{name[:40]}` is not supported; send gzip, deflate or no encoding."
        raise HttpFailure(415, "unsupported_encoding", message)
    try:
        return _inflated(body, _WINDOW[name], limit)
    except zlib.error:
        if name == "deflate":  # many clients send it without the header that the standard asks for
            try:
                return _inflated(body, _RAW_DEFLATE, limit)
            except zlib.error:
                pass
    raise HttpFailure(400, "invalid_encoding", f"The body is not valid {name}, which its header says it is.")


def _inflated(body: bytes, window: int, limit: int) -> bytes:
    inflater = zlib.decompressobj(window)
    made = inflater.decompress(body, limit + 1)
    if len(made) > limit:
        raise LimitExceeded(f"The body inflates to more than {limit} bytes.")
    if not inflater.eof or inflater.unused_data:
        raise zlib.error("cut short, or followed by something else")
    return made
