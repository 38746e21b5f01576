"""How people are shown many policies: narrow ones that differ in nothing but the request stand on one line."""

from collections.abc import Hashable, Sequence

from sisf.policy import Policy
from sisf.synthesis.lines import TEACHER

Group = Sequence[Policy]
"""Policies that stand on one line; most often one."""


def folded(policies: Sequence[Policy]) -> list[Group]:
    """The policies in their order, all narrow ones that differ in nothing but the request that they were learned from
    where the first of them stands."""
    groups: dict[Hashable, list[Policy]] = {}
    for policy in policies:
        alone = policy.provenance.synthesiser not in TEACHER
        groups.setdefault(policy.id if alone else _alike(policy), []).append(policy)
    return list(groups.values())


def in_plain_words(group: Group) -> str:
    """What the policies of a line do."""
    first = group[0]
    if len(group) == 1:
        return first.description
    return f"Requests nearly like one of {len(group)} that {TEACHER[first.provenance.synthesiser]}"


def _alike(policy: Policy) -> tuple[Hashable, ...]:
    made = (policy.provenance.synthesiser, policy.tenant, policy.kind, policy.hazard)
    return (*made, policy.status, policy.action, policy.direction)
