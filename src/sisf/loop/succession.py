"""Which policies give way when another comes into force."""

from collections.abc import Sequence

from sisf.policy import Policy, Snapshot, Status
from sisf.synthesis.lines import same_line


def succeeded(policy: Policy, snapshot: Snapshot) -> list[Policy]:
    """What in `snapshot` retires when `policy` becomes active: what it names, and a learned probe's predecessors."""
    return [
        p
        for p in snapshot.policies
        if p.id != policy.id and (p.id in policy.provenance.supersedes or _later(policy, p))
    ]


def answers(policy: Policy, proposal: Policy) -> bool:
    """Whether `policy` does what `proposal` was made for: it names it, or was learned from all its breaches too."""
    if proposal.id == policy.id or policy.provenance.synthesiser == "person":
        return False
    theirs, ours = set(proposal.provenance.breach_ids), set(policy.provenance.breach_ids)
    within = bool(theirs) and theirs <= ours and proposal.tenant == policy.tenant
    return proposal.id in policy.provenance.supersedes or within or _later(policy, proposal)


def taken_out(policy: Policy, settled: Sequence[Policy]) -> bool:
    """Whether a person took a learned probe out of force, of which `policy` is a later version, and nobody brought it
    back: of the versions that persons decided on last, the latest one retired. `settled`: see
    `PolicyStore.settled_by_persons`."""
    line = [p for p in settled if p.id != policy.id and same_line(policy, p)]
    decided = max((p.revision for p in line), default=None)
    latest = max((p for p in line if p.revision == decided), key=lambda p: p.created, default=None)
    return latest is not None and latest.status is Status.RETIRED


def _later(new: Policy, old: Policy) -> bool:
    """Whether `new` is the later of two probes of one line; what persons bring makes none."""
    return (
        same_line(new, old)
        and new.provenance.synthesiser != "person"
        and new.tenant == old.tenant
        and old.created <= new.created
    )
