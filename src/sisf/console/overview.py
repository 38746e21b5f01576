"""The figures of the first page."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import reduce
from typing import Any

from sisf.console.charts import columns
from sisf.loop.ageing import ageing
from sisf.policy import Status
from sisf.store.base import Store
from sisf.store.figures import Tally
from sisf.verdict import Outcome

_RECENT = 20_000
_PARTS = 24
_QUEUE = 100
_NEWEST, _STEPS = 8, 6


def overview(store: Store) -> Mapping[str, Any]:
    """What stands on the first page: the learning curve, how what was learned ages, and what waits for a person."""
    snapshot = store.policies.snapshot()
    tallies = store.exchanges.tally(_RECENT, parts=_PARTS)
    active = sorted(snapshot.active, key=lambda policy: policy.updated, reverse=True)
    return {
        "revision": snapshot.revision,
        "health": ageing(store),
        "total": _sum(tallies),
        "first": _sum(tallies[: len(tallies) // 4]),
        "last": _sum(tallies[-(len(tallies) // 4) :]) if len(tallies) >= 4 else _sum(tallies),
        "tallies": tallies,
        "bars": columns(tallies),
        "lag": store.jobs.lag(),
        "newest": active[:_NEWEST],
        "steps": store.policies.revisions(_STEPS),
        **waiting(store),
    }


def waiting(store: Store) -> Mapping[str, Any]:
    """What waits for a person: exchanges that no judge could decide, proposals, work that was given up."""
    return {
        "undecided": store.exchanges.recent(_QUEUE, outcome=Outcome.UNDECIDED),
        "proposals": store.policies.list(Status.PROPOSED),
        "dead": store.jobs.dead(),
        "jobs": store.jobs.counts(),
    }


def _sum(tallies: Sequence[Tally]) -> Tally:
    """Several runs taken together."""
    now = datetime.now(UTC)
    return reduce(_plus, tallies) if tallies else Tally(now, now)


def _plus(one: Tally, other: Tally) -> Tally:
    return Tally(
        one.since,
        other.until,
        one.intercepted + other.intercepted,
        one.withheld + other.withheld,
        one.breached + other.breached,
        one.mistakes + other.mistakes,
        one.passed + other.passed,
        one.undecided + other.undecided,
    )
