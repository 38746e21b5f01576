"""The lines of `sisf policy list`: narrow policies of one hazard stand on one, unless each is asked for."""

from collections.abc import Sequence

from sisf.cli.base import shown
from sisf.policy import Policy
from sisf.synthesis.lines import TEACHER

HEADINGS = ("id", "status", "action", "side", "kind", "hazard", "in plain words")
_Line = tuple[str, ...]


def lines(policies: Sequence[Policy], *, each: bool) -> list[_Line]:
    """A line for each policy, in their order; with `each` false one for all narrow policies that differ in nothing but
    the request that they were learned from, where the first of them stands."""
    groups: dict[_Line, list[Policy]] = {}
    for policy in policies:
        alone = each or policy.provenance.synthesiser not in TEACHER
        alike = (policy.provenance.synthesiser, policy.tenant, *_cells(policy))
        groups.setdefault((policy.id,) if alone else alike, []).append(policy)
    return [_line(group) for group in groups.values()]


def _line(group: Sequence[Policy]) -> _Line:
    first = group[0]
    if len(group) == 1:
        return (first.id, *_cells(first), shown(first.description))
    how = TEACHER[first.provenance.synthesiser]
    return (f"{len(group)} narrow", *_cells(first), f"Requests nearly like one of {len(group)} that {how}")


def _cells(policy: Policy) -> _Line:
    return (policy.status, policy.action, policy.direction, policy.kind, policy.hazard.label)
