"""Policies that others replace: what they catch of known breaches, and stopped of late, the others catch as well."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sisf.exchange import Exchange
from sisf.loop.drift import stopped_by
from sisf.policy import Policy
from sisf.store import Store
from sisf.synthesis.base import Knowledge, PolicyGate

_RECENT = 2_000
"""Of the latest exchanges: what a policy stopped of late."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """One policy that could go, and what speaks for it."""

    policy: Policy
    others: tuple[Policy, ...]
    """These catch every known breach that it catches."""
    stopped: int
    """So many exchanges it stopped of late; others would have stopped each."""

    @property
    def freed(self) -> float:
        """How much of the benign margin would be spent no more: the bound of its false-positive rate."""
        return self.policy.gate_report.fpr_upper if self.policy.gate_report is not None else 0.0


def overlaps(store: Store, gate: PolicyGate, knowledge: Knowledge) -> list[Overlap]:
    """All active policies that could go together, as the gate sees it. Costs a look at every known breach."""
    active = store.policies.snapshot().active
    known = {policy.id: policy for policy in active}
    stopped = stopped_of_late(store)
    gone = gate.redundant(active, active, knowledge, stopped)
    return [
        Overlap(known[name], tuple(known[other] for other in others), len(stopped.get(name, ())))
        for name, others in gone.items()
    ]


def stopped_of_late(store: Store) -> Mapping[str, Sequence[Exchange]]:
    """What each policy stopped among the latest exchanges."""
    stopped: dict[str, list[Exchange]] = {}
    for record in store.exchanges.recent(_RECENT):
        for policy_id in stopped_by(record):
            stopped.setdefault(policy_id, []).append(record.exchange)
    return stopped
