"""The headers of requests by their names, and what the gateway's answers say in theirs."""

from collections.abc import Sequence

from sisf.pipeline import Turn

_NAMED = 100
"""Places that a header names at most."""


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
