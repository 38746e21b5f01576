"""The lines of `sisf policy list`: narrow policies of one hazard stand on one, unless each is asked for."""

from collections.abc import Sequence

from sisf.cli.base import shown
from sisf.policy import Policy
from sisf.synthesis.folding import Group, folded, in_plain_words

HEADINGS = ("id", "status", "action", "side", "kind", "hazard", "in plain words")
_Line = tuple[str, ...]


def lines(policies: Sequence[Policy], *, each: bool) -> list[_Line]:
    """A line for each policy, in their order; with `each` false one for all narrow policies that differ in nothing but
    the request that they were learned from, where the first of them stands."""
    return [_line(group) for group in ([[policy] for policy in policies] if each else folded(policies))]


def _line(group: Group) -> _Line:
    first = group[0]
    name = first.id if len(group) == 1 else f"{len(group)} narrow"
    cells = (first.status, first.action, first.direction, first.kind, first.hazard.label)
    return (name, *cells, shown(in_plain_words(group)))
