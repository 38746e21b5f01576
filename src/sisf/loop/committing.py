"""The one compare-and-swap step: plan on the newest policy set, commit, and plan again when the set moved on."""

from collections.abc import Callable

from sisf.errors import RevisionConflict, StoreError
from sisf.policy import Change, Snapshot
from sisf.store import Job, Store
from sisf.store.records import BundleMark

_CONFLICTS = 100


def commit(
    store: Store,
    plan: Callable[[Snapshot], Change | None],
    what: str,
    *,
    completes: Job | None = None,
    bundle: BundleMark | None = None,
) -> tuple[Snapshot, Change | None]:
    """The snapshot after the change that `plan` makes of the set in force, and the change.

    Without a change the set stays as it is. `completes` is a job that ends, `bundle` a mark that is set, in the same
    transaction. Raises `StoreError` naming `what` when others were faster every time, and what `plan` raises.
    """
    for _ in range(_CONFLICTS):
        snapshot = store.policies.snapshot()
        change = plan(snapshot)
        if change is None:
            return snapshot, None
        try:
            following = store.policies.commit(change, expected=snapshot.revision, completes=completes, bundle=bundle)
        except RevisionConflict:
            continue
        return following, change
    raise StoreError(f"the policy set changed {_CONFLICTS} times during {what}; try again")
