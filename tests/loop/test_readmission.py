"""What comes into force from elsewhere stops no text that was reported as a mistake, on either store."""

import dataclasses
from collections.abc import Callable, Iterator

import pytest

from sisf.embedding.hashing import HashEmbedder
from sisf.errors import PolicyError, StoreError
from sisf.exchange import Exchange, Fate, Message, Role
from sisf.loop import Lifecycle, Readmissions, Reference, StoreKnowledge
from sisf.loop.bundle import export_bundle, import_bundle, read_bundle
from sisf.loop.rebuild import rebuild
from sisf.policy import (
    Action,
    Change,
    Condition,
    Direction,
    GateReport,
    Pattern,
    Policy,
    Prototypes,
    Snapshot,
    Status,
    Substitution,
)
from sisf.store import ExchangeRecord, Store, open_store
from sisf.store.memory import MemoryStore
from sisf.testing import OpenGate, ScriptedSynthesiser
from sisf.warden import PolicySet

EMBEDDER = HashEmbedder()
MISTAKE = "How do I kill a frozen process?"
ATTACK = "how do i kill my neighbour"


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "postgres":
        database: Callable[[], str] = request.getfixturevalue("postgres_store")
        opened = open_store(database())
    else:
        opened = MemoryStore()
    yield opened
    opened.close()


def policy(name: str, condition: Condition, **more: object) -> Policy:
    action = Action.REWRITE if isinstance(condition, Substitution) else Action.BLOCK
    made = Policy(condition, action, Direction.PROMPT, name, id=name, status=Status.ACTIVE)
    return dataclasses.replace(made, gate_report=GateReport(True), **more)  # type: ignore[arg-type]


def near(text: str, embedder: HashEmbedder = EMBEDDER) -> Prototypes:
    vector = embedder.embed([text]).astype("<f4").tobytes()
    return Prototypes(embedder.id, embedder.dimensions, vector, 0.5, (text,))


POLICIES = (
    policy("pattern", Pattern("how do i kill")),
    policy("prototypes", near("how do i kill a process")),
    policy("tenants", Pattern("frozen"), tenant="acme"),
    policy("watching", Pattern("process"), status=Status.SHADOW),
)


def commit(store: Store, *policies: Policy) -> Snapshot:
    expected = store.policies.snapshot().revision
    return store.policies.commit(Change(policies, "loop", "x"), expected=expected)


def lifecycle_of(store: Store) -> Lifecycle:
    return Lifecycle(store, OpenGate(), StoreKnowledge(store, Reference()), embedder=EMBEDDER)


def stops(policies: tuple[Policy, ...], text: str) -> bool:
    found = PolicySet.compile(Snapshot(1, policies), EMBEDDER)
    return any(found.inspect((Message(Role.USER, text),), Direction.PROMPT, t).blocked for t in ("", "acme"))


def reported(store: Store, text: str = MISTAKE) -> str:
    """The text was stopped, and a person said that this was a mistake."""
    said = Exchange.of(text)
    decision = PolicySet.compile(store.policies.snapshot(), EMBEDDER).inspect(said.messages, Direction.PROMPT, "acme")
    record = ExchangeRecord(said, (decision,), Fate.INTERCEPTED_PROMPT)
    store.exchanges.record(record, enqueue=False).result(60)
    lifecycle_of(store).report_false_positive(said.id, actor="person:ada")
    assert not stops(store.policies.snapshot().policies, text)
    return said.id


def test_a_rollback_brings_exceptions_and_the_preview_says_so(store: Store) -> None:
    commit(store, *POLICIES)
    exchange = reported(store)
    readmissions = Readmissions(store, EMBEDDER)
    preview = readmissions.preview(1)
    assert store.policies.snapshot().revision == 2
    done = readmissions.roll_back(1, actor="person:ada", reason="x")
    assert done.readmission.excepted == preview.readmission.excepted
    assert done.readmission.excepted == dict.fromkeys(("pattern", "prototypes", "tenants"), (exchange,))
    assert not done.readmission.refused
    assert done.snapshot == store.policies.snapshot()
    assert [(p.id, p.condition) for p in preview.snapshot.policies] == [
        (p.id, p.condition) for p in done.snapshot.policies
    ]
    assert stops(done.snapshot.policies, ATTACK)
    assert not stops(done.snapshot.policies, MISTAKE)
    assert [line.split(":")[0] for line in preview.readmission.lines()] == ["pattern", "prototypes", "tenants"]


def test_what_can_have_no_exception_stays_out_of_force(store: Store) -> None:
    full = tuple(f"^exception {number}$" for number in range(16))
    hidden = policy("hidden", Substitution("frozen process", "~"))
    commit(store, policy("full", Pattern("how do i kill", full)), hidden)
    commit(store, policy("other", Pattern("a frozen")))
    reported(store, MISTAKE.replace("o", "\u043e"))  # Cyrillic: a substitution must block what it cannot rewrite
    done = Readmissions(store, EMBEDDER).roll_back(1, actor="person:ada", reason="x")
    assert set(done.readmission.refused) == {"full", "hidden"}
    assert done.snapshot.policies == ()
    assert {store.policies.get(name).status for name in ("full", "hidden", "other")} == {Status.RETIRED}


def test_a_rollback_restores_the_earlier_set(store: Store) -> None:
    commit(store, *POLICIES)
    edited = dataclasses.replace(POLICIES[0], description="edited")
    commit(store, edited, dataclasses.replace(POLICIES[1], status=Status.RETIRED), policy("new", Pattern("new")))
    done = Readmissions(store, EMBEDDER).roll_back(1, actor="person:ada", reason="too eager")
    assert done.snapshot.revision == 3
    assert [(p.id, p.description, p.status) for p in done.snapshot.policies] == [
        (p.id, p.description, p.status) for p in store.policies.snapshot(1).policies
    ]
    assert store.policies.get("new").status is Status.RETIRED
    assert store.policies.revisions()[0].actor == "person:ada"
    with pytest.raises(StoreError, match="no revision"):
        Readmissions(store, EMBEDDER).roll_back(9, actor="person:ada", reason="x")


def test_policies_of_another_embedder_do_not_come_back(store: Store) -> None:
    commit(store, policy("old", near("a", HashEmbedder(8))), POLICIES[0])
    done = Readmissions(store, EMBEDDER).roll_back(0, actor="person:ada", reason="x")
    assert done.snapshot.policies == ()
    done = Readmissions(store, EMBEDDER).roll_back(1, actor="person:ada", reason="x")
    assert [p.id for p in done.snapshot.policies] == ["pattern"]
    assert "hash-8-1" in done.readmission.refused["old"]


def test_a_bundle_comes_with_the_exceptions_of_this_store(store: Store) -> None:
    source = MemoryStore()
    commit(source, *POLICIES)
    text = export_bundle(source)
    source.close()
    commit(store, policy("own", Pattern("frozen process")))
    exchange = reported(store)
    knowledge = StoreKnowledge(store, Reference())
    snapshot, come = import_bundle(
        store, read_bundle(text, "b.yaml"), OpenGate(), knowledge, embedder=EMBEDDER, actor="person:ada"
    )
    assert set(come.excepted) == {"pattern", "prototypes", "tenants"}
    assert come.excepted["pattern"] == (exchange,)
    assert stops(snapshot.policies, ATTACK)
    assert not stops(snapshot.policies, MISTAKE)


def test_a_bundle_with_a_policy_that_stops_a_mistake_is_refused_whole(store: Store) -> None:
    source = MemoryStore()
    commit(source, policy("full", Pattern("frozen", tuple(f"^exception {n}$" for n in range(16)))))
    bundle = read_bundle(export_bundle(source), "b.yaml")
    source.close()
    commit(store, policy("own", Pattern("frozen process")))
    exchange, before = reported(store), store.policies.snapshot()
    knowledge = StoreKnowledge(store, Reference())
    with pytest.raises(PolicyError, match=exchange):
        import_bundle(store, bundle, OpenGate(), knowledge, embedder=EMBEDDER, actor="person:ada")
    assert store.policies.snapshot() == before


def test_what_moves_to_another_embedder_comes_with_its_exceptions(store: Store) -> None:
    old = HashEmbedder(64)
    examples = near(MISTAKE, old)
    commit(store, policy("moving", dataclasses.replace(examples, threshold=0.9)), policy("own", Pattern("frozen")))
    record = Exchange.of(MISTAKE)
    decision = PolicySet.compile(Snapshot(1, (POLICIES[2],)), EMBEDDER).inspect(
        record.messages, Direction.PROMPT, "acme"
    )
    store.exchanges.record(ExchangeRecord(record, (decision,), Fate.INTERCEPTED_PROMPT), enqueue=False).result(60)
    commit(store, POLICIES[2])
    lifecycle = Lifecycle(store, OpenGate(), StoreKnowledge(store, Reference()), embedder=old)
    lifecycle.report_false_positive(record.id, actor="person:ada")
    result = rebuild(
        store, EMBEDDER, ScriptedSynthesiser(), OpenGate(), StoreKnowledge(store, Reference()), actor="person:ada"
    )
    assert result.moved == ("moving",)
    assert not stops(result.snapshot.policies, MISTAKE)


def test_a_shadow_is_activated_with_the_exception(store: Store) -> None:
    commit(store, *POLICIES)
    reported(store)
    snapshot = lifecycle_of(store).move("watching", Status.ACTIVE, actor="person:ada", reason="x")
    assert "watching" in {p.id for p in snapshot.active}
    assert not stops(snapshot.policies, MISTAKE)
    assert stops(snapshot.policies, "another process")
