"""What a person reports passes at once, whatever stopped it, however it was kept; and only that."""

import dataclasses

import numpy as np
import pytest
import re2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sisf.embedding.hashing import HashEmbedder
from sisf.exchange import Exchange, Fate, Message, Role, Sender
from sisf.loop import Lifecycle, Reference, StoreKnowledge
from sisf.loop.mistakes import MOST_EXCEPTIONS, exception_for
from sisf.policy import Action, Change, Condition, Direction, GateReport, Pattern, Policy, Probe, Prototypes, Status
from sisf.store import ExchangeRecord, Store, open_store
from sisf.store.privacy import Keep, Privacy
from sisf.store.redaction import redact
from sisf.testing import OpenGate
from sisf.text.tricks import CHARACTERS
from sisf.warden import Warden
from sisf.warden.patterns import MAX_CHARS, validate

EMBEDDER = HashEmbedder()


def semantic(text: str) -> Prototypes:
    vector = EMBEDDER.embed([text]).astype("<f4").tobytes()
    return Prototypes(EMBEDDER.id, EMBEDDER.dimensions, vector, 0.5)


def put(store: Store, **conditions: Condition) -> None:
    policies = [
        Policy(c, Action.BLOCK, Direction.PROMPT, "x", id=name, status=Status.ACTIVE, gate_report=GateReport(True))
        for name, c in conditions.items()
    ]
    store.policies.commit(Change(tuple(policies), "loop", "x"), expected=store.policies.snapshot().revision)


def blocked(store: Store, *texts: str) -> bool:
    warden = Warden(EMBEDDER, threads=1)
    warden.activate(store.policies.snapshot())
    messages = tuple(Message(Role.USER, text) for text in texts)
    try:
        decision = warden.inspect(messages, Direction.PROMPT)
    finally:
        warden.close()
    return decision.blocked


def report(store: Store, *texts: str) -> None:
    warden = Warden(EMBEDDER, threads=1)
    warden.activate(store.policies.snapshot())
    said = Exchange(tuple(Message(Role.USER, text) for text in texts), sender=Sender(principal="u"))
    decision = warden.inspect(said.messages, Direction.PROMPT)
    warden.close()
    store.exchanges.record(ExchangeRecord(said, (decision,), Fate.INTERCEPTED_PROMPT), enqueue=False).result(60)
    lifecycle = Lifecycle(store, OpenGate(), StoreKnowledge(store, Reference()), embedder=EMBEDDER)
    lifecycle.report_false_positive(said.id, actor="person:ada")


def statuses(store: Store) -> dict[str, Status]:
    return {policy.id: policy.status for policy in store.policies.list()}


PLAIN = "mail bob@example.org about the bad apple of +44 20 7946 0958"


@pytest.mark.parametrize("keep", [Keep.FULL, Keep.REDACTED])
@pytest.mark.parametrize("trick", ["none", *CHARACTERS])
def test_the_text_passes_in_whatever_spelling_it_was_stopped(keep: Keep, trick: str) -> None:
    text = CHARACTERS.get(trick, str)(PLAIN)
    store = open_store("memory:", Privacy(keep, keep))
    put(store, p=Pattern("(?i)bad apple"))
    if blocked(store, text):
        report(store, text)
        assert not blocked(store, text)
    store.close()


@pytest.mark.parametrize("keep", [Keep.HASHED, Keep.NONE])
def test_a_text_that_was_not_kept_makes_the_pattern_a_shadow_and_lifts_a_threshold(keep: Keep) -> None:
    store = open_store("memory:", Privacy(keep, keep))
    put(store, p=Pattern("(?i)bad apple"))
    report(store, PLAIN)
    assert statuses(store) == {"p": Status.SHADOW}
    assert store.feedback.benign_cases() == []
    store.close()
    store = open_store("memory:", Privacy(keep, keep))
    put(store, p=semantic(PLAIN))
    report(store, PLAIN)
    assert statuses(store) == {"p": Status.ACTIVE}
    assert not blocked(store, PLAIN)
    store.close()


def test_policies_that_hid_behind_the_first_one_learn_too() -> None:
    """A pattern stops a text before anything semantic is asked."""
    store = open_store("memory:")
    put(store, pattern=Pattern("(?i)bad apple"), near=semantic("a bad apple pie"), far=semantic("zebra"))
    report(store, "a bad apple pie")
    assert not blocked(store, "a bad apple pie")
    assert blocked(store, "another bad apple")
    assert statuses(store) == dict.fromkeys(("pattern", "near", "far"), Status.ACTIVE)
    assert len(store.policies.revisions()) == 2
    store.close()


def test_what_is_split_over_messages_passes_as_one() -> None:
    store = open_store("memory:")
    put(store, p=Pattern(r"(?i)bad\s+apple"))
    report(store, "this is a bad", "apple from the market")
    assert not blocked(store, "this is a bad", "apple from the market")
    assert blocked(store, "this is a bad", "apple")
    store.close()


def test_a_probe_that_would_lose_its_breaches_gets_an_exception_in_place_of_a_threshold() -> None:
    class Weighing(OpenGate):
        """Says of a policy with a raised threshold that it misses its breach."""

        def examine(self, policy, breach, knowledge):  # type: ignore[no-untyped-def]
            report = super().examine(policy, breach, knowledge)
            return dataclasses.replace(report, catches_breach=policy.condition.threshold <= 0.5)

    store = open_store("memory:")
    weights = np.zeros(EMBEDDER.dimensions, "<f4").tobytes()
    put(store, p=Probe(EMBEDDER.id, EMBEDDER.dimensions, weights, {"apple": 9.0}, 0.0, 0.5))
    from sisf.policy import Provenance
    from sisf.verdict import Outcome, Verdict

    learned = ExchangeRecord(Exchange.of("apple", "y", id="b1"), verdict=Verdict(Outcome.BREACH, "t"))
    store.exchanges.record(learned, enqueue=False).result(60)
    policy = dataclasses.replace(store.policies.get("p"), provenance=Provenance(("b1",)))
    store.policies.commit(Change((policy,), "loop", "x"), expected=1)
    said = Exchange.of("an apple a day", principal="u")
    warden = Warden(EMBEDDER, threads=1)
    warden.activate(store.policies.snapshot())
    record = ExchangeRecord(said, (warden.inspect(said.messages, Direction.PROMPT),), Fate.INTERCEPTED_PROMPT)
    warden.close()
    store.exchanges.record(record, enqueue=False).result(60)
    lifecycle = Lifecycle(store, Weighing(), StoreKnowledge(store, Reference()), embedder=EMBEDDER)
    lifecycle.report_false_positive(said.id, actor="person:ada")
    condition = store.policies.get("p").condition
    assert isinstance(condition, Probe)
    assert condition.threshold == 0.5
    assert condition.exceptions == (r"(?is)^an\ apple\ a\ day$",)
    assert not blocked(store, "an apple a day")
    assert blocked(store, "an apple a week")
    store.close()


def test_a_pattern_that_needs_too_many_exceptions_is_wrong() -> None:
    store = open_store("memory:")
    put(store, p=Pattern("(?i)bad apple", tuple(f"^never {n}$" for n in range(MOST_EXCEPTIONS))))
    report(store, "one more bad apple")
    assert statuses(store) == {"p": Status.SHADOW}
    store.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(min_size=1, max_size=900), st.text(min_size=1, max_size=40))
def test_an_exception_recognises_its_text_and_is_within_the_limits(text: str, more: str) -> None:
    exception = exception_for(text)
    if exception is None:
        return
    assert len(exception) <= MAX_CHARS
    validate(exception)
    from sisf.text.views import views

    assert re2.search(exception, views(text)[0].text) is not None
    kept = exception_for(redact(text))
    assert kept is None or re2.search(kept, views(text)[0].text) is not None
    if len(text) < 60:
        assert re2.search(exception, more + views(text)[0].text + "!") is None
