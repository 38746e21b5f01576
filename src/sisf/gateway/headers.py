"""The headers of requests by their names, and what the gateway's answers say in theirs."""

import hashlib
from collections.abc import Mapping, Sequence

from sisf.exchange import Message, Role, Sender
from sisf.gateway.texts import is_opaque_id, with_words
from sisf.pipeline import Turn

_IDEMPOTENCY = b"idempotency-key"
_NAMED = 100
"""Places that a header names at most."""
_TYPES = ("application/json", "text/event-stream", "text/plain", "text/html")
SAY_NOTHING = frozenset(
    (name, value)
    for name, values in {
        b"content-type": [f"{kind}{end}".encode() for kind in _TYPES for end in ("", "; charset=utf-8")],
        b"cache-control": [b"no-cache", b"no-store"],
        b"x-accel-buffering": [b"no"],
        b"vary": [b"origin", b"Origin", b"accept-encoding", b"Accept-Encoding"],
        b"x-content-type-options": [b"nosniff"],
    }.items()
    for value in values
)
"""What servers send with every answer."""


def fields(given: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The headers of a request by their names; lines of one name are one list (RFC 9110, 5.3), as proxies make them
    that add a line of their own below the one that they were given."""
    found = dict(given)
    if len(found) != len(given):
        lines: dict[bytes, list[bytes]] = {}
        for name, value in given:
            lines.setdefault(name, []).append(value)
        found = {name: b", ".join(values) for name, values in lines.items()}
    return found


def with_own_key(headers: Mapping[bytes, bytes], sender: Sender) -> Mapping[bytes, bytes]:
    """The headers of a request with an idempotency key that no other sender can have: servers give the answer to the
    first request once more, and to them all senders are one."""
    key = headers.get(_IDEMPOTENCY)
    if key is None:
        return headers
    named = "\0".join((sender.tenant, sender.principal)).encode() + b"\0" + key
    return {**headers, _IDEMPOTENCY: hashlib.blake2b(named, digest_size=16).hexdigest().encode()}


def turn_headers(turn: Turn) -> list[tuple[bytes, bytes]]:
    """`x-sisf-…` of the response: nothing of a policy's content, and which one it was for those who may know."""
    made = [
        (b"x-sisf-decision", turn.label.encode()),
        (b"x-sisf-elapsed-ms", b"%.3f" % (turn.added * 1000)),
        (b"x-sisf-exchange", turn.id.encode()),
    ]
    decision = turn.strongest
    if decision is not None:
        made.append((b"x-sisf-revision", b"%d" % decision.revision))
        policy_id = turn.policy_id
        if policy_id and turn.caller.informed:
            made.append((b"x-sisf-policy", policy_id.encode("ascii", "replace")))
    if turn.redacted:
        made.append((b"x-sisf-redacted", ",".join(turn.redacted[:_NAMED]).encode()))
    if turn.blamed:
        made.append((b"x-sisf-blocked-at", turn.blamed.encode()))
    return made


def said(headers: Sequence[tuple[bytes, bytes]]) -> list[Message]:
    """What can be read in the headers of an upstream's answer: names apart from values, which change with each."""
    odd = [header for header in headers if header not in SAY_NOTHING]
    names = "\n".join(sorted({name.decode("latin-1") for name, _ in odd}))
    values = "\n".join(read for _, value in odd for read in _read(value) if with_words(read) and not is_opaque_id(read))
    return [Message(Role.ASSISTANT, text, "headers") for text in (names, values) if text]


def harmless(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Of the headers of an upstream's answer what servers send with every answer."""
    kept = [header for header in headers if header in SAY_NOTHING]
    return kept if b"content-type" in dict(kept) else [*kept, (b"content-type", b"application/json")]


def _read(value: bytes) -> list[str]:
    """A value as clients may read it: they do not agree on the encoding."""
    return list(dict.fromkeys((value.decode("latin-1"), value.decode("utf-8", "replace"))))
