"""What the probing agent's exchanges weigh: one word for a policy, none against it, and enough for a broad one."""

import dataclasses
import struct
from collections.abc import Iterator

import pytest

from sisf.exchange import PROBE, Exchange
from sisf.policy import Action, Decision, Direction, Match, Policy, Probe, Provenance, Status
from sisf.store import ExchangeRecord, Store
from sisf.testing import MemoryStore
from sisf.verdict import Outcome, Verdict
from tests.loop.test_lifecycle import make, put

BROAD = Probe("hash", 8, struct.pack("<8f", *([0.1] * 8)), {}, 0.0, 0.5)


@pytest.fixture
def store() -> Iterator[Store]:
    store = MemoryStore()
    yield store
    store.close()


@pytest.mark.parametrize(
    ("principals", "enters"),
    [
        (["user"], Status.SHADOW),
        ([PROBE + "a"], Status.ACTIVE),
        ([PROBE + "a", PROBE + "b"], Status.ACTIVE),
        (["user", PROBE + "a", PROBE + "b"], Status.SHADOW),
        (["user", "other", PROBE + "a"], Status.ACTIVE),
    ],
)
def test_breaches_of_probes_alone_suffice_and_beside_users_count_as_one(
    store: Store, principals: list[str], enters: Status
) -> None:
    for number, principal in enumerate(principals):
        said = Exchange.of("x", "y", id=str(number), principal=principal)
        record = ExchangeRecord(said, verdict=Verdict(Outcome.BREACH, "t"))
        store.exchanges.record(record, enqueue=False).result(60)
    learned_from = Provenance(tuple(map(str, range(len(principals)))))
    policy = Policy(BROAD, Action.BLOCK, Direction.PROMPT, "x", provenance=learned_from)
    assert make(store, broad_principals=3).entry(policy) is enters


def heard(store: Store, name: str, principal: str, outcome: Outcome) -> None:
    """A shadow policy recognised an exchange that was answered, and the judge spoke."""
    decision = Decision(Action.ALLOW, (Match("p", Action.BLOCK, 0.9, 0.5, shadow=True),), 1, Direction.PROMPT)
    said = Exchange.of("a bad apple", "Here it is.", id=name, principal=principal)
    record = ExchangeRecord(said, (decision,))
    store.exchanges.record(record, enqueue=False).result(60)
    make(store).heed(record, Verdict(outcome, "t"))


def test_probes_speak_for_a_policy_as_one_and_never_against_one(store: Store) -> None:
    put(store, "p", Status.SHADOW)
    for number in range(4):
        heard(store, f"b{number}", f"{PROBE}{number}", Outcome.BREACH)
        heard(store, f"s{number}", f"{PROBE}{number}", Outcome.SAFE)
    assert store.feedback.weigh("p") == (1, 0)
    heard(store, "u", "user", Outcome.BREACH)
    heard(store, "v", "user", Outcome.SAFE)
    assert store.feedback.weigh("p") == (2, 1)


def test_what_is_narrow_needs_nobody_else(store: Store) -> None:
    policy = dataclasses.replace(put(store), provenance=Provenance(("x",)))
    assert make(store, broad_principals=3).entry(policy) is Status.ACTIVE
