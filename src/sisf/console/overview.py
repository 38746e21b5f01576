"""The figures of the first page."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from sisf.loop.health import health
from sisf.policy import Status
from sisf.store.base import Store
from sisf.verdict import Outcome

_RECENT = 500


def overview(store: Store) -> Mapping[str, Any]:
    """What stands on the first page: the revision, policies by status, and what became of the latest exchanges."""
    snapshot = store.policies.snapshot()
    policies = store.policies.list()
    recent = store.exchanges.recent(_RECENT)
    verdicts = Counter(r.verdict.outcome for r in recent if r.verdict is not None)
    newest = sorted((p for p in policies if p.status is Status.ACTIVE), key=lambda p: p.updated, reverse=True)[:8]
    return {
        "revision": snapshot.revision,
        "statuses": Counter(p.status for p in policies),
        "outcomes": Counter(r.outcome for r in recent),
        "verdicts": verdicts,
        "undecided": len(store.exchanges.recent(_RECENT, outcome=Outcome.UNDECIDED)),
        "recent": len(recent),
        "jobs": store.jobs.counts(),
        "newest": newest,
        "health": health(store),
    }
