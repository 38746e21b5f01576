"""Moving to another embedder, with the real gate and the real local synthesiser; and the figures of age."""

from collections.abc import Iterator

import pytest

from sisf.embedding.hashing import HashEmbedder
from sisf.exchange import Exchange, Fate
from sisf.loop import Loop, Reference, StoreKnowledge
from sisf.loop.ageing import ageing
from sisf.loop.rebuild import rebuild
from sisf.policy import Action, Change, Direction, GateReport, Policy, Probe, Prototypes, Status
from sisf.store import ExchangeRecord, Store
from sisf.synthesis.gate import Gate
from sisf.synthesis.local import LocalSynthesiser
from sisf.testing import MemoryStore, ScriptedAdjudicator
from sisf.verdict import Outcome
from sisf.warden import Warden
from tests.store.samples import BREACH

BENIGN = Reference([f"please help me with my {noun} {n}" for n in range(800) for noun in ("garden", "recipe")])


@pytest.fixture
def store() -> Iterator[Store]:
    store = MemoryStore()
    yield store
    store.close()


def prototype(embedder: HashEmbedder, name: str, *examples: str, keep: bool = True) -> Policy:
    vectors = embedder.embed(list(examples)).astype("<f4").tobytes()
    condition = Prototypes(embedder.id, embedder.dimensions, vectors, 0.9, examples if keep else ())
    return Policy(
        condition, Action.BLOCK, Direction.PROMPT, "x", id=name, status=Status.ACTIVE, gate_report=GateReport(True)
    )


def test_prototypes_move_and_what_cannot_is_named(store: Store) -> None:
    old, new = HashEmbedder(64), HashEmbedder(128)
    attack = "zorble the quux with frobnicated grommets"
    policies = (prototype(old, "kept", attack), prototype(old, "lost", "another one", keep=False))
    store.policies.commit(Change(policies, "loop", "x"), expected=0)
    knowledge = StoreKnowledge(store, BENIGN)
    result = rebuild(store, new, LocalSynthesiser(new), Gate(new), knowledge, actor="person:ada")
    assert result.moved == ("kept",)
    assert result.left == (("lost", "its examples were not kept"),)
    assert [p.id for p in store.policies.snapshot().policies] == ["kept"]
    warden = Warden(new, threads=1)
    warden.activate(result.snapshot)
    assert warden.inspect(Exchange.of(attack).messages, Direction.PROMPT).blocked
    warden.close()


def test_probes_are_learned_again(store: Store) -> None:
    old, new = HashEmbedder(64), HashEmbedder(128)
    warden = Warden(old, threads=1)
    judge = ScriptedAdjudicator(lambda exchange: Outcome.BREACH if "zorble" in exchange.prompt else Outcome.SAFE)
    loop = Loop(store, warden, judge, LocalSynthesiser(old), Gate(old), reference=BENIGN, workers=0)
    for number in range(3):
        loop.monitor(
            ExchangeRecord(
                Exchange.of(f"explain how to zorble the quux {number} with grommets number {number}", "done")
            )
        )
        assert loop.drain(30)
    warden.close()
    before = [p for p in store.policies.snapshot().active if isinstance(p.condition, Probe)]
    assert before, "the local synthesiser learned a probe"
    result = rebuild(store, new, LocalSynthesiser(new), Gate(new), loop.knowledge, actor="person:ada")
    after = [p.condition.embedder for p in result.snapshot.active if isinstance(p.condition, Probe)]
    assert {p.id for p in before} <= {*result.moved, *(name for name, _ in result.left)}
    assert after
    assert set(after) == {new.id}


def test_ageing(store: Store) -> None:
    assert ageing(store).used_lately is None
    policies = (prototype(HashEmbedder(8), "a", "x"), prototype(HashEmbedder(8), "b", "y"))
    store.policies.commit(Change(policies, "loop", "x"), expected=0)
    from sisf.policy import Decision, Match

    matches = tuple(Match(p.id, Action.BLOCK, 1.0, 0.9) for p in policies)
    for name, taken in (("e1", matches[:1]), ("e2", matches[:1])):
        decision = Decision(Action.BLOCK, taken, 1, Direction.PROMPT)
        record = ExchangeRecord(Exchange.of("x", id=name), (decision,), Fate.INTERCEPTED_PROMPT, BREACH)
        store.exchanges.record(record, enqueue=False).result(60)
    figures = ageing(store)
    assert figures.policies["active"] == 2
    assert (figures.used_lately, figures.never_used, figures.overlap) == (0.5, 1, 0.0)
    both = Decision(Action.BLOCK, matches, 1, Direction.PROMPT)
    record = ExchangeRecord(Exchange.of("x", id="e3"), (both,), Fate.INTERCEPTED_PROMPT)
    store.exchanges.record(record, enqueue=False).result(60)
    assert ageing(store).overlap == pytest.approx(1 / 3)
