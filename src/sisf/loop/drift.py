"""What is stopped of honest traffic, estimated from those who behave well.

Nobody labels the traffic, but who was answered harmlessly again and again and never breached is honest most of the
time. When much of what such principals send is stopped, it is the policies that are wrong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sisf.exchange import Sender
from sisf.policy import Action, Policy
from sisf.statistics import lower_bound
from sisf.store import ExchangeRecord
from sisf.verdict import Outcome

_WELL_BEHAVED = 5
"""Harmless exchanges, and no breach, that make a principal well-behaved."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """What was stopped of the exchanges of well-behaved principals."""

    blocked: int = 0
    total: int = 0
    principals: int = 0
    """Distinct ones that were stopped."""
    by_policy: Mapping[str, "Blocks"] = field(default_factory=dict)

    def exceed(self, rate: float, principals: int) -> bool:
        """Whether more than `rate` is stopped, with 95 % confidence, and of at least so many principals."""
        if self.principals < principals or not self.blocked:
            return False
        return lower_bound(self.blocked, self.total) > rate

    def of(self, policy: Policy) -> "Blocks":
        """What one policy stopped."""
        return self.by_policy.get(policy.id, Blocks())


def blocks_of_the_well_behaved(records: Sequence[ExchangeRecord], since: datetime) -> Blocks:
    """Count what was stopped since then. `records` are the latest exchanges."""
    trusted = _well_behaved(records)
    sent = [r for r in records if r.exchange.sender in trusted and r.exchange.time >= since]
    stops = [(r.exchange.sender, stopped_by(r)) for r in sent if r.fate.intercepted]
    policies = {policy_id for _, by in stops for policy_id in by}
    by_policy = {}
    for policy_id in policies:
        hit = [principal for principal, by in stops if policy_id in by]
        by_policy[policy_id] = Blocks(len(hit), len(sent), len(set(hit)))
    return Blocks(len(stops), len(sent), len({principal for principal, _ in stops}), by_policy)


def _well_behaved(records: Sequence[ExchangeRecord]) -> set[Sender]:
    safe: dict[Sender, int] = {}
    bad = set()
    for record in records:
        if record.verdict is None:
            continue
        principal = record.exchange.sender
        if record.verdict.outcome is Outcome.SAFE:
            safe[principal] = safe.get(principal, 0) + 1
        elif record.verdict.is_breach:
            bad.add(principal)
    return {principal for principal, count in safe.items() if count >= _WELL_BEHAVED and principal not in bad}


def stopped_by(record: ExchangeRecord) -> set[str]:
    """The policies that stopped an exchange, or would have in enforcing mode."""
    return {m.policy_id for d in record.decisions for m in d.matches if m.action is Action.BLOCK and not m.shadow}
