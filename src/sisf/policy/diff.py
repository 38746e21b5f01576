"""What distinguishes two policy sets, for people."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from sisf.policy.model import Policy
from sisf.policy.snapshot import Snapshot

_IGNORED = ("revision", "updated", "created", "evidence")


@dataclass(frozen=True, slots=True)
class Diff:
    """The step from one policy set to another."""

    added: tuple[Policy, ...] = ()
    removed: tuple[Policy, ...] = ()
    changed: tuple[tuple[Policy, Policy], ...] = ()
    """Before and after."""

    def __bool__(self) -> bool:
        """Whether there is any difference."""
        return bool(self.added or self.removed or self.changed)

    def lines(self) -> list[str]:
        """One line for each policy: `+` added, `-` removed, `~` changed and how."""
        return [
            *(f"+ {_title(policy)}" for policy in self.added),
            *(f"- {_title(policy)}" for policy in self.removed),
            *(f"~ {_title(after)}: {'; '.join(changes(before, after))}" for before, after in self.changed),
        ]


def compare(before: Snapshot, after: Snapshot) -> Diff:
    """The difference between two policy sets. Times, evidence and revision numbers do not count."""
    old, new = ({policy.id: policy for policy in snapshot.policies} for snapshot in (before, after))
    return Diff(
        tuple(policy for policy_id, policy in new.items() if policy_id not in old),
        tuple(policy for policy_id, policy in old.items() if policy_id not in new),
        tuple((old[i], new[i]) for i in old.keys() & new.keys() if changes(old[i], new[i])),
    )


def changes(before: Policy, after: Policy) -> list[str]:
    """What changed in one policy, field by field, in plain words."""
    found = _changes("", before, after)
    return found if type(before.condition) is type(after.condition) else [f"{before.kind} → {after.kind}", *found]


def _changes(prefix: str, before: Any, after: Any) -> list[str]:
    found = []
    for field in dataclasses.fields(before):
        if field.name in _IGNORED or not hasattr(after, field.name):
            continue
        old, new = getattr(before, field.name), getattr(after, field.name)
        if old == new:
            continue
        if dataclasses.is_dataclass(old) and dataclasses.is_dataclass(new):
            found += _changes(f"{prefix}{field.name}.", old, new)
        else:
            found.append(f"{prefix}{field.name} {_short(old)} → {_short(new)}")
    return found


def _short(value: object) -> str:
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, tuple | dict):
        return f"{len(value)} entries"
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _title(policy: Policy) -> str:
    return f"{policy.id} [{policy.status}, {policy.kind}, {policy.action}] {policy.description}"
