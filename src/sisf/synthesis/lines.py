"""Lines of policies: a synthesiser learns one probe again and again, and each version takes the place of the last."""

from types import MappingProxyType
from typing import Final

from sisf.policy import Policy, Probe

NARROW: Final = "narrow"
"""The synthesiser that provenance names for policies that recognise one breach and its close paraphrases."""
WAITING: Final = "narrow, waiting"
"""The same, where the encoder reads no harm, and only the local judge calls it a breach or something else in the
request may be the reason: a shadow until others speak for it."""
TEACHER: Final = MappingProxyType({NARROW: "breached the model", WAITING: "may have breached the model"})
"""What is said of the request that such a policy was learned from."""


def same_line(one: Policy, other: Policy) -> bool:
    """Whether both are versions of the one probe that a synthesiser keeps for a direction, a hazard and a tenant."""
    return (
        isinstance(one.condition, Probe)
        and isinstance(other.condition, Probe)
        and one.hazard is other.hazard
        and one.tenant == other.tenant
        and one.provenance.synthesiser == other.provenance.synthesiser
        and one.direction is other.direction
    )


def stands_in(narrow: Policy, policy: Policy) -> bool:
    """Whether a narrow policy stands in for a broad one of its hazard, direction and tenant."""
    return (
        narrow.provenance.synthesiser in (NARROW, WAITING)
        and isinstance(policy.condition, Probe)
        and narrow.hazard is policy.hazard
        and narrow.direction is policy.direction
        and narrow.tenant == policy.tenant
    )
