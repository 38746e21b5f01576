"""The figures of the first page, each with what it stands on."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from sisf.console.charts import columns, marks
from sisf.loop.ageing import ageing, by_status
from sisf.policy import Status
from sisf.store import Store
from sisf.store.figures import Standing
from sisf.store.search import Query
from sisf.verdict import Outcome

RECENT = 5_000
"""So many of the latest exchanges in a range are counted."""
_PARTS = 24
MOST = 10_000
"""So many undecided exchanges are counted."""
_NEWEST, _STEPS, _MARKED = 8, 6, 200
_LABELS = 1_000


def overview(store: Store, wanted: Query = Query(), tenant: str = "") -> Mapping[str, Any]:  # noqa: B008 - frozen
    """What became of exchanges, how what was learned ages, and what waits for a person; for one tenant's people
    without the figures that are everybody's."""
    snapshot = store.policies.snapshot()
    runs = store.exchanges.standing(wanted, last=RECENT, parts=_PARTS)
    active = sorted(snapshot.active, key=lambda policy: policy.updated, reverse=True)
    steps = store.policies.revisions(_MARKED)
    quarter = max(1, len(runs) // 4)
    return {
        "revision": snapshot.revision,
        "active": len(active),
        "health": None if tenant else ageing(store),
        "total": summed(runs),
        "first": summed(runs[:quarter]) if len(runs) >= 4 else None,
        "last": summed(runs[-quarter:]) if len(runs) >= 4 else None,
        "runs": runs,
        "bars": columns(runs),
        "marks": marks(runs, steps),
        "agreement": agreement(store),
        "lag": None if tenant else store.jobs.lag(),
        "newest": active[:_NEWEST],
        "steps": steps[:_STEPS],
        "recent": RECENT,
        "most": MOST,
        **waiting(store),
    }


def waiting(store: Store) -> Mapping[str, Any]:
    """What waits for a person: exchanges that no judge could decide, proposals, work that was given up."""
    jobs = store.jobs.counts()
    return {
        "undecided": store.exchanges.count(Outcome.UNDECIDED, MOST),
        "proposals": by_status(store)[Status.PROPOSED],
        "dead": jobs["dead"],
        "jobs": jobs,
    }


def agreement(store: Store) -> tuple[int, int]:
    """In how many of the latest exchanges that a person judged the judge had said the same, and out of how many."""
    judged = [label for label in store.exchanges.labels(_LABELS) if label.judged is not None]
    return sum(label.judged is not None and label.judged.outcome is label.outcome for label in judged), len(judged)


def summed(runs: Sequence[Standing]) -> Standing:
    """Several runs taken together."""
    now = datetime.now(UTC)
    total = Standing(runs[0].since if runs else now, runs[-1].until if runs else now)
    for run in runs:
        for field in fields(Standing)[2:]:
            setattr(total, field.name, getattr(total, field.name) + getattr(run, field.name))
    return total
