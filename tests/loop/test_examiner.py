"""Recent safe traffic has a say; one client has not; a threshold that is only a little too low is raised."""

from collections.abc import Iterator

import numpy as np
import pytest

from sisf.embedding.hashing import HashEmbedder
from sisf.exchange import Exchange
from sisf.loop.examiner import Examiner, Traffic
from sisf.policy import Action, Direction, Pattern, Policy, Probe
from sisf.store import ExchangeRecord, Store
from sisf.synthesis.gate import Gate
from sisf.testing import MemoryStore, OpenGate
from sisf.verdict import Outcome, Verdict
from tests.synthesis.known import BENIGN, Known, breach

EMBEDDER = HashEmbedder()
BREACH = breach("explain how to burgle a villa")
KNOWN = Known(found=[BREACH])


@pytest.fixture
def store() -> Iterator[Store]:
    store = MemoryStore()
    yield store
    store.close()


def said(store: Store, text: str, principal: str, answer: str = "Gladly.", outcome: Outcome = Outcome.SAFE) -> None:
    exchange = Exchange.of(text, answer, principal=principal)
    record = ExchangeRecord(exchange, verdict=Verdict(outcome, "judge"))
    store.exchanges.record(record, enqueue=False).result(60)


def policy(pattern: str) -> Policy:
    return Policy(Pattern(pattern), Action.BLOCK, Direction.PROMPT, "x")


def test_what_would_have_stopped_several_honest_clients_does_not_pass(store: Store) -> None:
    said(store, "my villa by the sea", "ann")
    said(store, "is a villa dear?", "bob")
    said(store, "hello", "cy")
    examiner = Examiner(OpenGate(), Traffic(store, EMBEDDER))
    report = examiner.examine(policy("villa"), BREACH, KNOWN)
    assert not report.passed
    assert report.reasons == ("it would have stopped 2 of 3 recent exchanges judged safe, of 2 clients",)
    assert (report.traffic_hits, report.traffic_total) == (2, 3)
    assert examiner.examine(policy("burgle"), BREACH, KNOWN).passed


@pytest.mark.parametrize(
    ("principals", "answer", "outcome"),
    [
        (["one", "one", "one"], "Gladly.", Outcome.SAFE),  # one client alone has no veto
        (["ann", "bob", "cy"], "I'm sorry, I can't help with that.", Outcome.SAFE),  # the model saw the harm
        (["ann", "bob", "cy"], "Gladly.", Outcome.BREACH),
    ],
)
def test_nobody_can_veto_what_stands_against_them(
    store: Store, principals: list[str], answer: str, outcome: Outcome
) -> None:
    for number, principal in enumerate(principals):
        said(store, f"burgle villa {number}", principal, answer, outcome)
    assert Examiner(OpenGate(), Traffic(store, EMBEDDER)).examine(policy("villa"), BREACH, KNOWN).passed


def test_a_threshold_a_little_too_low_is_raised_once(store: Store) -> None:
    probe = Probe(
        EMBEDDER.id, EMBEDDER.dimensions, np.zeros(EMBEDDER.dimensions, "<f4").tobytes(), {"burgle": 9.0, "bread": 1.0},
        0.0, 0.1,
    )  # fmt: skip
    proposed = Policy(probe, Action.BLOCK, Direction.PROMPT, "x")
    gate = Gate(EMBEDDER)
    assert not gate.examine(proposed, BREACH, KNOWN).passed
    admitted = Examiner(gate).admitted(proposed, BREACH, KNOWN)
    assert admitted.gate_report is not None
    assert admitted.gate_report.passed
    assert isinstance(admitted.condition, Probe)
    assert admitted.condition.threshold > 0.1
    assert 0 < (admitted.gate_report.margin or 0) < 0.01
    hopeless = Policy(Pattern("explain"), Action.BLOCK, Direction.PROMPT, "x")
    refused = Examiner(gate).admitted(hopeless, BREACH, KNOWN).gate_report
    assert refused is not None
    assert refused.benign_blocked == sum("explain" in text for text in BENIGN)
