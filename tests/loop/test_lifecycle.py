"""How policies age: every rule once, over a real store."""

import dataclasses
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from sisf.embedding.hashing import HashEmbedder
from sisf.errors import PolicyError, StoreError
from sisf.exchange import Exchange, Fate, Sender
from sisf.loop import Lifecycle, Reference, Rules, StoreKnowledge
from sisf.loop.mistakes import narrowings
from sisf.loop.rules import rules_of
from sisf.loop.succession import succeeded
from sisf.loop.undoing import undo
from sisf.loop.workers import Patience
from sisf.policy import (
    Action,
    Change,
    Decision,
    Direction,
    Evidence,
    GateReport,
    Match,
    Pattern,
    Policy,
    Probe,
    Provenance,
    Snapshot,
    Status,
)
from sisf.settings import LifecycleSettings
from sisf.statistics import beta_bounds
from sisf.store import ExchangeRecord, Feedback, FeedbackKind, NoteKind, Store
from sisf.taxonomy import Hazard
from sisf.testing import MemoryStore, OpenGate, ScriptedAdjudicator
from sisf.verdict import Breach, Outcome, Verdict
from tests.loop.fakes import exchange, make_loop


@pytest.fixture
def store() -> Iterator[Store]:
    store = MemoryStore()
    yield store
    store.close()


def put(store: Store, name: str = "p", status: Status = Status.ACTIVE, condition: object = None) -> Policy:
    policy = Policy(
        condition or Pattern("bad"),  # type: ignore[arg-type]
        Action.BLOCK,
        Direction.PROMPT,
        "x",
        id=name,
        status=status,
        gate_report=GateReport(True),
    )
    store.policies.commit(Change((policy,), "loop", "x"), expected=store.policies.snapshot().revision)
    return store.policies.get(name)


def stopped(store: Store, name: str, *policies: str, principal: str = "", text: str = "a bad apple") -> str:
    matches = tuple(Match(p, Action.BLOCK, 0.8, 0.5) for p in policies)
    decision = Decision(Action.BLOCK, matches, 1, Direction.PROMPT)
    said = Exchange.of(text, id=name, principal=principal or name)
    store.exchanges.record(ExchangeRecord(said, (decision,), Fate.INTERCEPTED_PROMPT), enqueue=False).result(60)
    return name


def judged(store: Store, name: str, *, right: bool = False, sender: Sender | None = None, policy: str = "p") -> None:
    """A stopped exchange on which the judge spoke."""
    sender = sender or Sender(principal=name)
    stopped(store, name, policy, principal=sender.principal)
    kind = FeedbackKind.CONFIRMATION if right else FeedbackKind.FALSE_POSITIVE
    store.feedback.add(Feedback(policy, kind, sender, name, "adjudicator"))


def make(store: Store, gate: OpenGate | None = None, **options: object) -> Lifecycle:
    rules = Rules(**{k: v for k, v in options.items() if k != "now"})  # type: ignore[arg-type]
    now = options.get("now", datetime.now(UTC))
    knowledge = StoreKnowledge(store, Reference())
    return Lifecycle(store, gate or OpenGate(), knowledge, embedder=HashEmbedder(8), rules=rules, now=lambda: now)  # type: ignore[arg-type, return-value]


def test_bounds_tighten_with_evidence() -> None:
    assert beta_bounds(0, 0)[0] == pytest.approx(0.05)
    assert beta_bounds(58, 0)[0] > 0.95
    assert beta_bounds(0, 3)[1] < 0.55


def test_evidence_counts_principals_not_words(store: Store) -> None:
    put(store)
    lifecycle = make(store, demote_principals=2)
    for number in range(10):
        judged(store, f"e{number}", sender=Sender(principal="one loud voice"))
    lifecycle.review()
    policy = store.policies.get("p")
    assert policy.evidence == Evidence(0, 1, 10)
    assert policy.status is Status.ACTIVE


def test_distinct_principals_demote(store: Store) -> None:
    put(store)
    lifecycle = make(store, demote_principals=3)
    for number in range(3):
        judged(store, f"e{number}")
    lifecycle.review()
    assert store.policies.get("p").status is Status.SHADOW
    assert store.policies.revisions()[0].actor == "lifecycle"
    lifecycle.readmissions.roll_back(1, actor="person:ada", reason="it was right")
    assert store.policies.get("p").status is Status.ACTIVE


def test_confirmed_policies_are_not_demoted_by_a_few(store: Store) -> None:
    put(store)
    lifecycle = make(store)
    for number in range(30):
        judged(store, f"good{number}", right=True)
    for number in range(3):
        judged(store, f"e{number}")
    lifecycle.review()
    assert store.policies.get("p").evidence == Evidence(30, 3, 33)
    assert store.policies.get("p").status is Status.ACTIVE


def test_a_persons_report_becomes_an_exception_and_a_benign_case_for_ever(store: Store) -> None:
    put(store)
    text = "My (bad) apple:\nwhat now?"
    stopped(store, "e1", "p", text=text)
    make(store).report_false_positive("e1", actor="person:ada")
    policy = store.policies.get("p")
    assert policy.status is Status.ACTIVE
    assert isinstance(policy.condition, Pattern)
    import re2

    (exception,) = policy.condition.exceptions
    assert re2.search(exception, text.upper())
    assert not re2.search(exception, text + " and more")
    make(store).readmissions.roll_back(1, actor="person:ada", reason="x")
    assert store.policies.get("p").condition == policy.condition
    assert [case.text for _, case in store.feedback.benign_cases()] == [text]
    assert StoreKnowledge(store, Reference(["r"])).benign_prompts() == ["r", text]
    assert [row.action for row in store.audit.rows()].count("feedback.false_positive") == 1


def test_a_policy_that_cannot_spare_the_text_becomes_a_shadow(store: Store) -> None:
    put(store)
    stopped(store, "e1", "p")
    make(store, OpenGate(lambda _policy: "still hits it")).report_false_positive("e1", actor="person:ada")
    assert store.policies.get("p").status is Status.SHADOW
    assert store.policies.get("p").gate_report == GateReport(False, ("still hits it",))


def test_a_learned_threshold_rises_above_the_score_or_the_text_is_an_exception() -> None:
    probe = Probe("e", 1, struct.pack("<f", 1.0), {}, 0.0, 0.5)
    policy = Policy(probe, Action.BLOCK, Direction.PROMPT, "x")
    raised, excepted = (p.condition for p in narrowings(policy, "text", Match("p", Action.BLOCK, 0.8, 0.5)))
    assert isinstance(raised, Probe)
    assert isinstance(excepted, Probe)
    assert 0.8 < raised.threshold < 0.801
    assert not raised.exceptions
    assert (excepted.threshold, excepted.exceptions) == (0.5, ("(?is)^text$",))


def test_what_no_policy_stopped_is_no_false_positive(store: Store) -> None:
    store.exchanges.record(ExchangeRecord(Exchange.of("hi", "yo", id="e1")), enqueue=False).result(60)
    with pytest.raises(StoreError, match="no policy stopped"):
        make(store).report_false_positive("e1", actor="client:eve")


def test_confirmed_shadows_are_promoted(store: Store) -> None:
    put(store, status=Status.SHADOW)
    lifecycle = make(store, promote_confirmations=2, promote_precision=0.3)
    for number in range(2):
        store.feedback.add(
            Feedback("p", FeedbackKind.CONFIRMATION, Sender(principal=f"u{number}"), f"e{number}", "adjudicator")
        )
    lifecycle.review()
    assert store.policies.get("p").status is Status.ACTIVE


def test_unused_policies_decay_and_used_ones_stay(store: Store) -> None:
    put(store, "idle")
    put(store, "used")
    later = datetime.now(UTC) + timedelta(days=60)
    stopped(store, "e1", "used")
    make(store, decay=timedelta(days=90), now=later).review()
    assert len(store.policies.snapshot().policies) == 2
    much_later = store.feedback.last_hits()["used"] + timedelta(days=90)
    make(store, decay=timedelta(days=90), now=much_later).review()
    assert [p.id for p in store.policies.snapshot().policies] == ["used"]


@pytest.mark.parametrize("status", [Status.ACTIVE, Status.SHADOW])
def test_the_cap_retires_what_is_least_used(store: Store, status: Status) -> None:
    for name in ("a", "b", "c", "d"):
        put(store, name, status)
    stopped(store, "e1", "a")
    make(store, active_limit=2).review()
    assert [p.id for p in store.policies.snapshot().policies] == ["a", "d"]
    assert make(store, active_limit=2).review().revision == 5


def test_the_breaker_stops_activation(store: Store) -> None:
    loop = make_loop(store, workers=0, rules=Rules(breaker_principals=3, demote_principals=99))
    loop.monitor(exchange("attack one"))
    assert loop.drain(60)
    (policy,) = store.policies.list()
    for number in range(3):
        assert not loop.lifecycle.tripped()
        stopped(store, f"e{number}", policy.id)
        loop.lifecycle.report_false_positive(f"e{number}", actor=f"person:{number}")
    assert loop.lifecycle.tripped()
    loop.monitor(exchange("attack two"))
    assert loop.drain(60)
    assert [p.status for p in store.policies.list()] == [Status.ACTIVE, Status.PROPOSED]


def test_a_broad_policy_needs_independent_principals(store: Store) -> None:
    probe = Probe("hash", 8, struct.pack("<8f", *([0.1] * 8)), {}, 0.0, 0.5)
    lifecycle = make(store, broad_principals=2)
    for name, principal in (("a", "u1"), ("b", "u1"), ("c", "u2")):
        said = ExchangeRecord(Exchange.of("x", "y", id=name, principal=principal), verdict=Verdict(Outcome.BREACH, "t"))
        store.exchanges.record(said, enqueue=False).result(60)
    policy = Policy(probe, Action.BLOCK, Direction.PROMPT, "x", provenance=Provenance(("a", "b")))
    assert lifecycle.entry(policy) is Status.SHADOW
    wider = dataclasses.replace(policy, provenance=Provenance(("a", "b", "c")))
    assert lifecycle.entry(wider) is Status.ACTIVE
    narrow_one = dataclasses.replace(policy, condition=Pattern("x"))
    assert lifecycle.entry(narrow_one) is Status.ACTIVE


def test_an_exception_must_not_cost_the_reach(store: Store) -> None:
    class Strict(OpenGate):
        def examine(self, policy: Policy, breach: Breach | None, knowledge: object) -> GateReport:
            return GateReport(True, catches_breach=False)

    said = ExchangeRecord(Exchange.of("bad", "y", id="b1"), verdict=Verdict(Outcome.BREACH, "t"))
    store.exchanges.record(said, enqueue=False).result(60)
    policy = dataclasses.replace(put(store), provenance=Provenance(("b1",)))
    store.policies.commit(Change((policy,), "loop", "x"), expected=1)
    stopped(store, "e1", "p")
    make(store, Strict()).report_false_positive("e1", actor="person:ada")
    assert store.policies.get("p").status is Status.SHADOW


def test_housekeeping_deletes_what_is_too_old(store: Store) -> None:
    from sisf.loop import Retention

    old = datetime.now(UTC) - timedelta(days=40)
    for name, verdict in (("s", Outcome.SAFE), ("b", Outcome.BREACH)):
        said = dataclasses.replace(Exchange.of("x", "y", id=name), time=old)
        record = ExchangeRecord(said, verdict=Verdict(verdict, "t"))
        store.exchanges.record(record, enqueue=False).result(60)
    today = ExchangeRecord(Exchange.of("x", "y", id="today"))  # the clock is right
    store.exchanges.record(today, enqueue=False).result(60)
    loop = make_loop(store, workers=1, patience=Patience(housekeeping_seconds=0.01), retention=Retention(30, 365))
    loop.start()
    from sisf.testing import wait_until

    assert wait_until(lambda: len(store.exchanges.recent()) == 2)
    loop.stop()
    assert [r.exchange.id for r in store.exchanges.recent()] == ["today", "b"]


def answered(
    store: Store, name: str, verdict: Outcome, *matches: Match, principal: str = "", answer: str = "Sure."
) -> ExchangeRecord:
    decision = Decision(Action.ALLOW, matches, 1, Direction.PROMPT)
    said = Exchange.of("a bad apple", answer, id=name, principal=principal or name)
    record = ExchangeRecord(said, (decision,), Fate.RELEASED, Verdict(verdict, "judge"))
    store.exchanges.record(record, enqueue=False).result(60)
    return record


SEEN = Match("p", Action.BLOCK, 0.8, 0.5, shadow=True)


def test_verdicts_promote_a_shadow_that_recognised_breaches(store: Store) -> None:
    put(store, status=Status.SHADOW)
    lifecycle = make(store)
    for number in range(3):
        record = answered(store, f"e{number}", Outcome.BREACH, SEEN)
        lifecycle.heed(record, Verdict(Outcome.BREACH, "judge"))
        assert lifecycle.review().policies[0].status is (Status.ACTIVE if number == 2 else Status.SHADOW)
    assert store.policies.get("p").evidence.confirmations == 3


@pytest.mark.parametrize(
    ("outcome", "answer", "accused"),
    [
        (Outcome.SAFE, "Apples are good.", 1),
        (Outcome.SAFE, "I'm sorry, I can't help with that.", 0),
        (Outcome.UNDECIDED, "Hm", 0),
    ],
)
def test_a_safe_answer_speaks_against_a_shadow_and_a_refusal_does_not(
    store: Store, outcome: Outcome, answer: str, accused: int
) -> None:
    put(store, status=Status.SHADOW)
    record = answered(store, "e", outcome, SEEN, answer=answer)
    make(store).heed(record, Verdict(outcome, "judge"))
    assert store.policies.get("p").evidence.false_positives == accused
    assert store.feedback.benign_cases() == []


def test_the_loop_heeds_its_judge(store: Store) -> None:
    put(store, status=Status.SHADOW, condition=Pattern("attack"))
    loop = make_loop(store, workers=0)
    loop.start()
    said = Exchange.of("attack", "an answer")
    decision = loop._enforcement._warden.policy_set.inspect(said.messages, Direction.PROMPT, "")
    loop.monitor(ExchangeRecord(said, (decision,)))
    assert loop.drain(60)
    assert store.policies.get("p").evidence.confirmations == 1


def test_what_a_person_activated_is_questioned_and_never_demoted(store: Store) -> None:
    put(store)
    lifecycle = make(store, demote_principals=2)
    for number in range(2):
        judged(store, f"e{number}")
    assert lifecycle.review().policies[0].status is Status.SHADOW
    lifecycle.move("p", Status.ACTIVE, actor="person:ada", reason="it was right")
    lifecycle.review()
    assert store.oversight.questions() == []
    for number in range(8):
        judged(store, f"later{number}")
        lifecycle.review()
    assert store.policies.get("p").status is Status.ACTIVE
    assert [note.subject for note in store.oversight.questions()] == ["p"]
    assert len(store.oversight.notes(["p"])["p"]) == 1
    store.oversight.note("p", NoteKind.APPROVED, "it is right", actor="person:ada")
    lifecycle.review()
    assert store.oversight.questions() == []
    for number in range(2):
        judged(store, f"again{number}")
    lifecycle.review()
    assert len(store.oversight.questions()) == 1
    assert not lifecycle.tripped()


def test_what_a_person_activated_neither_decays_nor_yields_to_the_cap(store: Store) -> None:
    put(store, "theirs", Status.SHADOW)
    make(store).move("theirs", Status.ACTIVE, actor="person:ada", reason="x")
    put(store, "a")
    make(store, active_limit=1).review()
    assert [p.id for p in store.policies.snapshot().active] == ["theirs"]
    make(store, now=datetime.now(UTC) + timedelta(days=400)).review()
    assert [p.id for p in store.policies.snapshot().active] == ["theirs"]


def test_a_senders_own_report_asks_a_person_and_says_nothing(store: Store) -> None:
    put(store)
    lifecycle = make(store, demote_principals=1, breaker_principals=1)
    for number in range(3):
        stopped(store, f"e{number}", "p")
        for _ in range(2):
            lifecycle.report_false_positive(f"e{number}", actor=f"client:e{number}")
    assert lifecycle.review().policies[0].status is Status.ACTIVE
    assert store.policies.get("p").evidence.false_positives == 0
    assert sorted(note.subject for note in store.oversight.questions()) == ["e0", "e1", "e2"]
    assert not lifecycle.tripped()


def test_one_tenant_does_not_outvote_the_others(store: Store) -> None:
    put(store)
    for tenant in range(3):
        for number in range(10):
            judged(store, f"t{tenant}-{number}", right=True, sender=Sender(f"t{tenant}", f"u{number}"))
    for number in range(60):
        judged(store, f"e{number}", sender=Sender("evil", f"u{number}"))
    assert make(store).review().policies[0].status is Status.ACTIVE
    assert store.feedback.weigh("p") == (30, 10)


def test_a_person_activates_what_waited_and_it_replaces_its_predecessor(store: Store) -> None:
    probe = Probe(HashEmbedder(8).id, 8, struct.pack("<8f", 1.0, *[0.0] * 7), {}, 0.0, 0.5)
    for name in ("old", "new"):
        policy = dataclasses.replace(put(store, name, Status.SHADOW, probe), provenance=Provenance((), "local"))
        store.policies.commit(Change((policy,), "loop", "x"), expected=store.policies.snapshot().revision)
    lifecycle = make(store)
    lifecycle.move("old", Status.ACTIVE, actor="person:ada", reason="x")
    lifecycle.move("new", Status.ACTIVE, actor="person:ada", reason="x")
    assert {p.id: p.status for p in store.policies.list()} == {"old": Status.RETIRED, "new": Status.ACTIVE}
    with pytest.raises(PolicyError, match="active already"):
        lifecycle.move("new", Status.ACTIVE, actor="person:ada", reason="x")


def test_what_was_retired_comes_back_through_the_gate_only(store: Store) -> None:
    put(store, status=Status.RETIRED)
    with pytest.raises(PolicyError, match="does not pass the gate any more: it stops a greeting"):
        make(store, OpenGate(lambda _policy: "it stops a greeting")).move(
            "p", Status.ACTIVE, actor="person:a", reason="x"
        )
    assert store.policies.get("p").status is Status.RETIRED
    make(store).move("p", Status.ACTIVE, actor="person:ada", reason="x")
    assert store.policies.get("p").status is Status.ACTIVE


def well_behaved_and_stopped(store: Store, clients: int, stops: int = 1) -> None:
    for client in range(clients):
        for number in range(5):
            answered(store, f"s{client}-{number}", Outcome.SAFE, principal=f"c{client}")
        for number in range(stops):
            stopped(store, f"x{client}-{number}", "p", principal=f"c{client}")


@pytest.mark.parametrize(
    ("outcome", "demoted"), [(Outcome.SAFE, True), (Outcome.BREACH, False), (Outcome.UNDECIDED, False)]
)
def test_what_is_stopped_of_the_well_behaved_counts_as_it_is_judged(
    store: Store, outcome: Outcome, demoted: bool
) -> None:
    put(store)
    put(store, "innocent")
    well_behaved_and_stopped(store, 6)
    lifecycle = Lifecycle(
        store,
        OpenGate(),
        StoreKnowledge(store, Reference()),
        embedder=HashEmbedder(8),
        judge=ScriptedAdjudicator(lambda _exchange: outcome),
    )
    lifecycle.review()
    assert lifecycle.tripped() is demoted
    expected = Status.SHADOW if demoted else Status.ACTIVE
    assert {p.id: p.status for p in store.policies.list()} == {"p": expected, "innocent": Status.ACTIVE}


def test_unjudged_blocks_are_no_evidence(store: Store) -> None:
    put(store)
    well_behaved_and_stopped(store, 10, stops=20)
    lifecycle = make(store)
    lifecycle.review()
    assert not lifecycle.tripped()
    assert store.policies.get("p").status is Status.ACTIVE


def test_the_judge_is_asked_once_for_each_sender_and_of_a_tenant_for_a_few(store: Store) -> None:
    put(store)
    well_behaved_and_stopped(store, 15, stops=4)
    asked: list[str] = []

    def rule(exchange: Exchange) -> Outcome:
        asked.append(exchange.sender.principal)
        return Outcome.BREACH

    lifecycle = Lifecycle(
        store, OpenGate(), StoreKnowledge(store, Reference()), embedder=HashEmbedder(8), judge=ScriptedAdjudicator(rule)
    )
    for _ in range(3):
        lifecycle.review()
    assert len(asked) == len(set(asked)) == 10


def test_what_others_replace_retires(store: Store) -> None:
    from sisf.synthesis.gate import Gate

    for name, pattern in (
        ("narrow", "bad apple"),
        ("other", "bad pear"),
        ("wide", "bad (apple|pear)"),
        ("last", "plum"),
    ):
        put(store, name, condition=Pattern(pattern))
    for number, fruit in enumerate(("apple", "pear", "plum")):
        said = Exchange.of(f"a bad {fruit}", "y", id=f"b{number}")
        store.exchanges.record(ExchangeRecord(said, verdict=Verdict(Outcome.BREACH, "t")), enqueue=False).result(60)
    stopped(store, "only", "other", text="bad pear indeed")
    later = datetime.now(UTC) + timedelta(days=2)
    knowledge = StoreKnowledge(store, Reference())
    Lifecycle(store, Gate(HashEmbedder()), knowledge, embedder=HashEmbedder(), now=lambda: later).review()
    assert [p.id for p in store.policies.snapshot().active] == ["wide", "last"]


def test_what_stopped_something_alone_of_late_stays(store: Store) -> None:
    from sisf.synthesis.gate import Gate

    put(store, "a", condition=Pattern("bad apple|rotten"))
    put(store, "b", condition=Pattern("bad (apple|pear)"))
    said = Exchange.of("a bad apple", "y", id="b1")
    store.exchanges.record(ExchangeRecord(said, verdict=Verdict(Outcome.BREACH, "t")), enqueue=False).result(60)
    stopped(store, "only", "a", text="something rotten")
    later = datetime.now(UTC) + timedelta(days=2)
    knowledge = StoreKnowledge(store, Reference())
    Lifecycle(store, Gate(HashEmbedder()), knowledge, embedder=HashEmbedder(), now=lambda: later).review()
    # `a` alone knows what is rotten; `b` catches nothing that `a` does not.
    assert [p.id for p in store.policies.snapshot().active] == ["a"]


def test_a_flood_of_one_principal_does_not_make_the_loop_learn_without_end(store: Store) -> None:
    events: list[object] = []
    loop = make_loop(store, workers=0, rules=Rules(triggers=2, trigger_seconds=3600))
    loop.listen(events.append)
    for number in range(5):
        said = Exchange.of(f"attack {number}", "y", principal="flooder")
        loop.monitor(ExchangeRecord(said)).result(60)
    loop.monitor(ExchangeRecord(Exchange.of("attack of another", "y", principal="someone"))).result(60)
    assert loop.drain(10)
    from sisf.loop import Planned

    assert [e.postponed for e in events if isinstance(e, Planned)] == [False, False, True, True, True, False]
    assert store.exchanges.breach_count() == 6
    assert len(store.policies.snapshot().active) == 3


def test_where_no_broad_policy_may_act_yet_a_narrow_one_stands_in(store: Store) -> None:
    from sisf.testing import ScriptedSynthesiser

    probe = Probe("hash/8", 8, struct.pack("<8f", *([0.1] * 8)), {}, 0.0, -9.0)

    def write(breach: Breach, _knowledge: object) -> list[Policy]:
        return [Policy(probe, Action.BLOCK, Direction.PROMPT, "x", provenance=Provenance((breach.id,), "local"))]

    probe = dataclasses.replace(probe, embedder=HashEmbedder(8).id)
    loop = make_loop(store, workers=0, rules=Rules(broad_principals=2), synthesiser=ScriptedSynthesiser(write))
    loop.start()
    loop.monitor(ExchangeRecord(Exchange.of("attack the castle", "y", principal="ann")))
    assert loop.drain(60)
    statuses = {p.provenance.synthesiser: p.status for p in store.policies.list()}
    assert statuses == {"local": Status.SHADOW, "narrow": Status.ACTIVE}
    decision = loop._enforcement._warden.policy_set.inspect(
        Exchange.of("Attack the castle").messages, Direction.PROMPT, ""
    )
    assert decision.blocked


def test_a_probe_takes_the_place_of_that_of_its_own_hazard_only() -> None:
    condition = Probe("e", 1, struct.pack("<f", 1.0), {}, 0.0, 0.5)

    def probe(name: str, hazard: Hazard) -> Policy:
        learned = Provenance((), "local")
        return Policy(condition, Action.BLOCK, Direction.PROMPT, name, hazard=hazard, id=name, provenance=learned)

    old = (probe("privacy", Hazard.PRIVACY), probe("hate", Hazard.HATE))
    assert [p.id for p in succeeded(probe("new", Hazard.PRIVACY), Snapshot(1, old))] == ["privacy"]
    assert [p.id for p in succeeded(probe("new", Hazard.HATE), Snapshot(1, old))] == ["hate"]


def version(store: Store, name: str, status: Status, *, hazard: Hazard = Hazard.HATE, actor: str = "loop") -> Policy:
    """One version of the probe that is learned of a hazard."""
    condition = Probe(HashEmbedder(8).id, 8, struct.pack("<8f", 1.0, *[0.0] * 7), {}, 0.0, 0.5)
    policy = dataclasses.replace(
        put(store, name, Status.PROPOSED, condition), provenance=Provenance((), "local"), hazard=hazard, status=status
    )
    store.policies.commit(Change((policy,), actor, "x"), expected=store.policies.snapshot().revision)
    return store.policies.get(name)


def later(store: Store, hazard: Hazard = Hazard.HATE) -> Status:
    """How the next version enters."""
    probe = version(store, "later", Status.PROPOSED, hazard=hazard)
    return make(store).entry(probe)


def test_what_a_person_took_out_of_force_comes_back_by_a_person_only(store: Store) -> None:
    version(store, "first", Status.ACTIVE)
    assert later(store) is Status.ACTIVE
    lifecycle = make(store, promote_confirmations=2, promote_precision=0.3)
    lifecycle.move("first", Status.RETIRED, actor="person:ada", reason="it stops our users")
    assert later(store) is Status.SHADOW
    assert later(store, Hazard.PRIVACY) is Status.ACTIVE  # other hazards are learned from as before

    version(store, "second", Status.SHADOW)
    for number in range(2):
        word = Feedback(
            "second", FeedbackKind.CONFIRMATION, Sender(principal=f"u{number}"), f"e{number}", "adjudicator"
        )
        store.feedback.add(word)
    lifecycle.review()
    assert store.policies.get("second").status is Status.SHADOW  # whatever speaks for it
    lifecycle.move("second", Status.ACTIVE, actor="person:ada", reason="now it is right")
    assert later(store) is Status.ACTIVE


def test_an_undone_version_stays_out_of_force_though_the_one_before_is_back(store: Store) -> None:
    first = version(store, "first", Status.ACTIVE)
    second = dataclasses.replace(first, id="second", created=first.created + timedelta(seconds=1))
    gone = dataclasses.replace(first, status=Status.RETIRED)
    store.policies.commit(Change((gone, second), "loop", "x"), expected=store.policies.snapshot().revision)
    undo(store, store.policies.snapshot().revision, actor="person:ada")
    assert {p.id: p.status for p in store.policies.list()} == {"first": Status.ACTIVE, "second": Status.RETIRED}
    assert later(store) is Status.SHADOW


@pytest.mark.parametrize("actor", ["loop", "lifecycle"])
def test_what_the_machine_retired_it_may_learn_again(store: Store, actor: str) -> None:
    version(store, "first", Status.ACTIVE)
    version(store, "first", Status.RETIRED, actor=actor)
    assert later(store) is Status.ACTIVE


def test_rules_that_nobody_changes_are_those_of_the_settings() -> None:
    assert rules_of(LifecycleSettings(), keys=False) == Rules()
    assert rules_of(LifecycleSettings(), keys=True).broad_principals == 2
