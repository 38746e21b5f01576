"""The age of what was learned, as figures: how much there is, how much of it is still confirmed, what it costs."""

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sisf.exchange import Fate
from sisf.policy import Action, Policy, Status
from sisf.store import Store

LATELY = timedelta(days=7)
_SAMPLE = 500
_STOPPED = [fate for fate in Fate if fate.intercepted]


@dataclass(frozen=True, slots=True)
class Ageing:
    """Figures of the policy set now."""

    revision: int
    policies: Mapping[str, int]
    """How many, by status."""
    used_lately: float | None
    """Share of the active policies that matched something within a week; None without active policies."""
    never_used: int
    """Active policies that never matched anything."""
    confirmed_lately: float | None
    """Share of the active policies that somebody (a person, or the judge) confirmed within a week; None without any."""
    on_probation: int
    """Shadows that passed the gate and wait for evidence."""
    false_positives_lately: int
    """Reports within a week, each principal counted once for a policy."""
    fpr_upper: float
    """Sum of the upper bounds of the active policies' false-positive rates, at most 1: the benign margin spent."""
    margin: float | None
    """How near the nearest known benign text comes to a learned threshold, over all active policies: the less, the
    nearer honest users are to being stopped. None without learned policies."""
    reach: float | None
    """Share of the variants of their breaches that active policies caught when they were examined."""
    overlap: float | None
    """Of the latest stopped exchanges, the share that more than one policy stopped: high means redundant policies."""
    cost_us: float
    """Sum of what one evaluation of each active policy alone takes, in microseconds."""
    oldest: datetime | None
    """When the oldest active policy was made."""

    def figures(self) -> Mapping[str, float]:
        """The plain numbers by name; those that cannot be said yet are left out."""
        found = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: float(value) for name, value in found.items() if isinstance(value, int | float)}


def ageing(store: Store) -> Ageing:
    """Take the figures."""
    now = datetime.now(UTC)
    snapshot = store.policies.snapshot()
    active = snapshot.active
    last_hits = store.feedback.last_hits()
    used = [policy for policy in active if policy.id in last_hits and now - last_hits[policy.id] <= LATELY]
    reports = [policy.gate_report for policy in active if policy.gate_report]
    confirmed = store.feedback.confirmed(now - LATELY)
    variants = sum(report.variants for report in reports)
    return Ageing(
        revision=snapshot.revision,
        policies={status.value: count for status, count in by_status(store).items()},
        used_lately=len(used) / len(active) if active else None,
        never_used=sum(policy.id not in last_hits for policy in active),
        confirmed_lately=sum(policy.id in confirmed for policy in active) / len(active) if active else None,
        on_probation=sum(policy.status is Status.SHADOW and _passed(policy) for policy in snapshot.policies),
        false_positives_lately=sum(store.feedback.false_positives(now - LATELY).values()),
        fpr_upper=min(1.0, sum(report.fpr_upper for report in reports)),
        margin=min((report.margin for report in reports if report.margin is not None), default=None),
        reach=sum(report.variants_caught for report in reports) / variants if variants else None,
        overlap=_overlap(store),
        cost_us=sum(report.cost_us for report in reports),
        oldest=min((policy.created for policy in active), default=None),
    )


def _passed(policy: Policy) -> bool:
    return policy.gate_report is not None and policy.gate_report.passed


def by_status(store: Store) -> Mapping[Status, int]:
    """How many policies there are of each status."""
    counts: Counter[Status] = Counter()
    for (status, _), count in store.policies.counts().items():
        counts[status] += count
    return {status: counts[status] for status in Status}


def _overlap(store: Store) -> float | None:
    stopped = [
        {m.policy_id for d in record.decisions for m in d.matches if m.action is Action.BLOCK and not m.shadow}
        for record in store.exchanges.recent(_SAMPLE, became=_STOPPED)
    ]
    return sum(len(policies) > 1 for policies in stopped) / len(stopped) if stopped else None
