"""Two people for a broad policy: whoever puts one in force, on the console, by its API or on the command line."""

from collections.abc import Sequence

from sisf.errors import PolicyError
from sisf.policy import Policy
from sisf.store import NoteKind, Store
from sisf.synthesis.base import is_broad


def approvals(store: Store, policy: Policy) -> Sequence[str]:
    """Who approved a policy, in order."""
    notes = store.oversight.notes([policy.id])[policy.id]
    return list(dict.fromkeys(note.actor for note in notes if note.kind is NoteKind.APPROVED))


def approve(store: Store, policy: Policy, actor: str) -> None:
    """Let a person put a policy in force. Raises `PolicyError` while a broad one lacks a second person's approval: the
    first one's word is kept."""
    if not is_broad(policy.condition):
        return
    known = approvals(store, policy)
    if set(known) - {actor}:
        return
    if actor not in known:
        store.oversight.note(policy.id, NoteKind.APPROVED, actor=actor)
    raise PolicyError(f"approved by {actor}; policy {policy.id} is broad, so a second person must approve it too")
