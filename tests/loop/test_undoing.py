"""A step of the policy set is undone alone: what changed again since then stays."""

import dataclasses

import pytest

from sisf.errors import PolicyError, StoreError
from sisf.loop.undoing import plan, undo
from sisf.policy import Pattern, Status
from sisf.testing import MemoryStore
from tests.store.samples import change, pattern, probe


def test_what_a_step_changed_goes_back_and_the_rest_stays() -> None:
    store = MemoryStore()
    store.policies.commit(change(pattern("alpha")), expected=0)
    store.policies.commit(change(pattern("alpha", Status.RETIRED), pattern("beta"), pattern("gamma")), expected=1)
    store.policies.commit(change(pattern("gamma", Status.SHADOW)), expected=2)
    planned = plan(store, 2)
    assert {(p.id, p.status) for p in planned.policies} == {("alpha", Status.ACTIVE), ("beta", Status.RETIRED)}
    assert planned.left == ("gamma",)
    snapshot = undo(store, 2, actor="person:ann", reason="too broad")
    assert (snapshot.revision, {p.id: p.status for p in snapshot.policies}) == (
        4,
        {"alpha": Status.ACTIVE, "gamma": Status.SHADOW},
    )
    assert store.policies.revision(4).reason == "revision 2 undone: too broad"
    undo(store, 4, actor="person:ann")  # and the undoing itself
    assert {p.id for p in store.policies.snapshot().active} == {"beta"}
    store.close()


def test_an_edit_goes_back_with_its_condition() -> None:
    store = MemoryStore()
    before = pattern("alpha")
    store.policies.commit(change(before), expected=0)
    narrowed = dataclasses.replace(before, condition=Pattern(r"\balpha\b", ("a", "b")))
    store.policies.commit(change(narrowed), expected=1)
    undo(store, 2, actor="person:ann")
    assert store.policies.get("alpha").condition == before.condition
    store.close()


def test_what_cannot_be_undone() -> None:
    store = MemoryStore()
    store.policies.commit(change(pattern("alpha")), expected=0)
    store.policies.commit(change(pattern("alpha", Status.SHADOW)), expected=1)
    with pytest.raises(PolicyError, match="nothing of revision 1 is left"):
        undo(store, 1, actor="person:ann")
    with pytest.raises(StoreError, match="no revision 9"):
        undo(store, 9, actor="person:ann")
    store.close()


def test_no_version_comes_back_beside_a_later_one() -> None:
    store = MemoryStore()
    first, second, third = (probe(name) for name in ("first", "second", "third"))
    store.policies.commit(change(first), expected=0)
    store.policies.commit(
        change(dataclasses.replace(first, status=Status.RETIRED), second, pattern("beta")), expected=1
    )
    store.policies.commit(change(dataclasses.replace(second, status=Status.RETIRED), third), expected=2)
    planned = plan(store, 2)
    assert [(p.id, p.status) for p in planned.policies] == [("beta", Status.RETIRED)]
    assert planned.left == ("second", "first")
    assert {p.id for p in undo(store, 2, actor="person:ann").active} == {"third"}
    undo(store, 3, actor="person:ann")  # the latest one goes, and the one before it is back
    assert {p.id for p in store.policies.snapshot().active} == {"second"}
    store.close()
