"""Undoing one step of the policy set: what it changed goes back, what changed again since then stays."""

import dataclasses
from dataclasses import dataclass

from sisf.errors import PolicyError, RevisionConflict
from sisf.loop.readmission import Readmissions
from sisf.loop.succession import succeeded
from sisf.policy import Change, Policy, Snapshot, Status
from sisf.store import Store

_CONFLICTS = 20
_ROLLBACK = "rollback to revision"


@dataclass(frozen=True, slots=True)
class Undoing:
    """What undoing a revision would write."""

    policies: tuple[Policy, ...]
    """Each as it was before; one that the revision brought in retires."""
    left: tuple[str, ...] = ()
    """Ids of the policies that changed again since then, or whose later versions are in force."""


def plan(store: Store, revision: int) -> Undoing:
    """What undoing would write: no policy comes back beside a later version of itself. Raises `StoreError` for an
    unknown revision."""
    store.policies.revision(revision)
    back, left = [], []
    for policy_id in store.policies.changed(revision):
        versions = store.policies.versions(policy_id)
        place = next(i for i, (number, _) in enumerate(versions) if number == revision)
        if place != len(versions) - 1:
            left.append(policy_id)
            continue
        now = versions[place][1]
        if place:
            back.append(versions[place - 1][1])
        elif now.status in (Status.ACTIVE, Status.SHADOW):
            back.append(dataclasses.replace(now, status=Status.RETIRED))
    moved = {policy.id for policy in back}
    stay = [policy for policy in store.policies.snapshot().active if policy.id not in moved]
    coming = Snapshot(0, tuple(policy for policy in back if policy.status in (Status.ACTIVE, Status.SHADOW)))
    outdated = {old.id for policy in stay for old in succeeded(policy, coming)}
    return Undoing(tuple(policy for policy in back if policy.id not in outdated), (*left, *sorted(outdated)))


def undo(
    store: Store, revision: int, readmissions: Readmissions | None = None, *, actor: str, reason: str = ""
) -> Snapshot:
    """Undo one step, as the next revision. What comes back is first tried on every reported mistake, where
    `readmissions` can. Raises `PolicyError` when nothing of it is left to undo, or none of it may come back."""
    for _ in range(_CONFLICTS):
        expected = store.policies.snapshot().revision
        planned = plan(store, revision)
        if not planned.policies:
            raise PolicyError(
                f"nothing of revision {revision} is left to undo: its policies changed again since then, or later "
                "versions of them are in force"
            )
        policies = planned.policies
        if readmissions is not None:
            tried = readmissions.admit(policies)
            policies = tried.policies
            if not policies:
                raise PolicyError(f"revision {revision} cannot be undone: {'; '.join(tried.lines())}")
        why = f"revision {revision} undone" + (f": {reason}" if reason else "")
        try:
            return store.policies.commit(Change(policies, actor, why), expected=expected)
        except RevisionConflict:
            continue
    raise PolicyError(f"the policy set changed {_CONFLICTS} times while revision {revision} was being undone")


def is_rollback(reason: str) -> bool:
    """Whether the reason of a revision says that it was a rollback: undoing one needs who may roll back."""
    return reason.startswith(_ROLLBACK)
