"""What people decide beside the policies, on every store."""

from datetime import UTC, datetime, timedelta

import pytest

from sisf.errors import StoreError
from sisf.exchange import Sender
from sisf.store import Feedback, FeedbackKind, NoteKind, Said, Scope, Store
from sisf.store.records import person_sender
from tests.store.samples import change, pattern, record

HOUR = timedelta(hours=1)


def test_enforcement_is_suspended_until_a_time_and_resumed_by_anybody(store: Store) -> None:
    store.policies.commit(change(pattern()), expected=0)
    everything = store.oversight.suspend(Scope.ALL, "", HOUR, actor="person:ann", reason="honest users are hit")
    tenant = store.oversight.suspend(Scope.TENANT, "acme", HOUR, actor="person:ann", reason="")
    policy = store.oversight.suspend(Scope.POLICY, "alpha", HOUR, actor="person:ann", reason="")
    assert list(store.oversight.suspensions()) == [policy, tenant, everything]
    assert store.oversight.resume(tenant.id, actor="person:bob") == 1
    assert {s.scope for s in store.oversight.suspensions()} == {Scope.ALL, Scope.POLICY}
    assert store.oversight.resume(None, actor="person:bob") == 2
    assert store.oversight.suspensions() == []
    with pytest.raises(StoreError, match="no suspension"):
        store.oversight.resume(tenant.id, actor="person:bob")
    actions = [(row.actor, row.action) for row in store.audit.rows() if row.action.startswith("enforcement.")]
    assert actions.count(("person:ann", "enforcement.suspend")) == 3
    assert actions.count(("person:bob", "enforcement.resume")) == 3


def test_a_suspension_ends_by_itself(store: Store) -> None:
    made = store.oversight.suspend(Scope.ALL, "", timedelta(microseconds=1), actor="person:ann", reason="")
    assert made.until <= datetime.now(UTC)
    assert store.oversight.suspensions() == []


@pytest.mark.parametrize(
    ("scope", "subject", "lasts"),
    [
        (Scope.ALL, "", timedelta(0)),
        (Scope.ALL, "", timedelta(days=8)),
        (Scope.ALL, "acme", HOUR),
        (Scope.TENANT, "", HOUR),
        (Scope.POLICY, "none", HOUR),
    ],
)
def test_what_cannot_be_suspended(store: Store, scope: Scope, subject: str, lasts: timedelta) -> None:
    with pytest.raises(StoreError):
        store.oversight.suspend(scope, subject, lasts, actor="person:ann", reason="")
    assert store.oversight.suspensions() == []


def test_a_word_stands_until_it_is_taken_back_with_what_followed_from_it(store: Store) -> None:
    store.policies.commit(change(pattern()), expected=0)
    store.exchanges.record(record(), enqueue=False).result()
    before = store.feedback.case_mark()
    feedback = Feedback(
        "alpha", FeedbackKind.FALSE_POSITIVE, person_sender("person:ann"), "e1", "person:ann", "an honest text"
    )
    assert store.feedback.add(feedback)
    word = store.oversight.say("e1", Said.MISTAKE, actor="person:ann", revision=3)
    assert store.oversight.word("e1") == word
    for said in Said:
        with pytest.raises(StoreError, match="take that back first"):
            store.oversight.say("e1", said, actor="person:bob", revision=0)
    assert store.feedback.case_mark() != before
    assert store.oversight.take_back("e1", actor="person:bob") == word
    assert (store.oversight.word("e1"), store.feedback.case_mark()) == (None, before)
    assert store.policies.get("alpha").evidence.false_positives == 0
    assert store.feedback.add(feedback)  # it counts again
    with pytest.raises(StoreError, match="nothing to take back"):
        store.oversight.take_back("e1", actor="person:bob")


def test_notes_are_kept_in_order_and_go_with_the_exchange(store: Store) -> None:
    store.exchanges.record(record(), enqueue=False).result()
    store.oversight.note("e1", NoteKind.COMMENT, "looks honest\0 to me", actor="person:ann")
    store.oversight.note("e1", NoteKind.ASSIGNED, "bob", actor="person:ann")
    found = store.oversight.notes(["e1", "e2"])
    assert [note.kind for note in found["e1"]] == [NoteKind.COMMENT, NoteKind.ASSIGNED]
    assert found["e2"] == []
    store.oversight.say("e1", Said.RIGHT, actor="person:ann", revision=0)
    store.exchanges.delete(actor="person:ann", reason="asked for", sender=Sender(principal="p1"))
    assert (store.oversight.notes(["e1"])["e1"], store.oversight.word("e1")) == ([], None)
