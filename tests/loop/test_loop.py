"""The loop over a real store: what it learns, and what it does when a part fails."""

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from sisf.adjudicator.base import Adjudicator
from sisf.adjudicator.escalation import EscalatingAdjudicator
from sisf.errors import ModelError
from sisf.exchange import Exchange, Fate
from sisf.loop import Activated, Event, Failed, Judged, Loop, Monitored, Planned, Reference, StoreKnowledge, Worked
from sisf.loop.workers import Patience
from sisf.policy import Action, Change, Direction, GateReport, Pattern, Policy, Provenance, Status
from sisf.store import ExchangeRecord, Stage, Store, open_store
from sisf.synthesis.base import Knowledge, Reading
from sisf.testing import OpenGate, ScriptedAdjudicator, ScriptedSynthesiser, wait_until
from sisf.verdict import Breach, Outcome, Verdict
from tests.loop.fakes import FailingWarden, exchange, judge_attacks, make_loop


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    store = open_store("memory:" if request.param == "memory" else f"sqlite:///{tmp_path / 'sisf.db'}")
    yield store
    store.close()


def run(loop: Loop, *prompts: str) -> None:
    for prompt in prompts:
        loop.monitor(exchange(prompt)).result(60)
        assert loop.drain(10)


@pytest.mark.smoke
@pytest.mark.parametrize("workers", [0, 2])
def test_a_breach_becomes_an_enforced_policy(store: Store, workers: int) -> None:
    warden = FailingWarden()
    loop = make_loop(store, warden, workers=workers)
    events: list[Event] = []
    loop.listen(events.append)
    loop.start()
    run(loop, "attack one", "hello")
    loop.stop()
    assert [p.status for p in store.policies.list()] == [Status.ACTIVE]
    assert warden.policy_set.revision == store.policies.snapshot().revision == 1
    told = [type(e) for e in events if not isinstance(e, Worked)]
    assert told == [Monitored, Judged, Planned, Activated, Monitored, Judged]
    assert [e.stage for e in events if isinstance(e, Worked)] == [*Stage, Stage.ANALYZE]
    assert [r.verdict.outcome for r in store.exchanges.recent() if r.verdict] == [Outcome.SAFE, Outcome.BREACH]
    (policy,) = store.policies.list()
    assert policy.provenance.breach_ids == (store.exchanges.breaches()[0][1].id,)
    assert store.audit.verify() == 2


def test_what_is_caught_by_now_is_not_learned_again(store: Store) -> None:
    loop = make_loop(store, workers=0)
    for name in ("a", "b", "c"):
        loop.monitor(exchange("the same attack", name))
    events: list[Event] = []
    loop.listen(events.append)
    loop.start()
    assert loop.drain(10)
    assert len(store.policies.list()) == 1
    assert [e.already_caught for e in events if isinstance(e, Planned)] == [False, True, True]
    assert store.exchanges.breach_count() == 3


def test_the_log_tells_what_was_learned_and_what_was_not_and_quotes_nobody(store: Store) -> None:
    loop = make_loop(store, workers=0)
    for prompt, name in (("attack one", "a"), ("attack one", "b"), ("unclear", "c"), ("hello", "d")):
        loop.monitor(exchange(prompt, name))
    with structlog.testing.capture_logs() as lines:
        loop.start()
        assert loop.drain(10)
    (policy,) = store.policies.list()
    told = [(line["event"], line.get("outcome")) for line in lines]
    learned, caught = (
        [("judged", "breach"), ("policy_set_changed", None)],
        [("judged", "breach"), ("nothing_learned", None)],
    )
    assert sorted(told, key=str) == sorted([*learned, *caught, ("judged", "undecided")], key=str)
    (changed,) = (line for line in lines if line["event"] == "policy_set_changed")
    assert changed["exchanges"] == list(policy.provenance.breach_ids)
    assert (changed["revision"], changed["actor"], changed["active"]) == (1, "loop", [policy.id])
    assert not any(said in str(lines) for said in ("attack one", "unclear", "hello"))


def test_many_workers_learn_a_breach_once(store: Store) -> None:
    loop = make_loop(store, workers=4)
    for number in range(40):
        loop.monitor(exchange(f"attack {number % 4}"))
    loop.start()
    assert loop.drain(20)
    loop.stop()
    assert len(store.policies.list()) == 4
    assert store.policies.snapshot().revision == 4


def test_the_undecided_wait_for_a_person(store: Store) -> None:
    loop = make_loop(store, workers=0)
    run(loop, "unclear")
    assert [r.exchange.prompt for r in store.exchanges.recent(outcome=Outcome.UNDECIDED)] == ["unclear"]
    assert store.policies.list() == []
    assert store.exchanges.breach_count() == 0


def test_a_judge_that_raises_is_undecided_never_safe(store: Store) -> None:
    def broken(_exchange: Exchange) -> Outcome:
        raise RuntimeError("out of order")

    loop = make_loop(store, workers=0, adjudicator=ScriptedAdjudicator(broken))
    run(loop, "attack")
    (record,) = store.exchanges.recent()
    assert record.verdict is not None
    assert record.verdict.outcome is Outcome.UNDECIDED
    assert "out of order" in record.verdict.rationale


def test_an_inline_verdict_is_not_asked_for_again(store: Store) -> None:
    def broken(_exchange: Exchange) -> Outcome:
        raise AssertionError("asked again")

    loop = make_loop(store, workers=0, adjudicator=ScriptedAdjudicator(broken))
    verdict = Verdict(Outcome.BREACH, "inline", confidence=1.0)
    record = ExchangeRecord(Exchange.of("attack", "yes"), (), Fate.WITHHELD, verdict)
    loop.monitor(record)
    assert loop.drain(10)
    assert [p.status for p in store.policies.list()] == [Status.ACTIVE]
    assert [r.action for r in store.audit.rows()] == ["exchange.withhold", "policy.propose", "policy.activate"]


def test_a_prompt_whose_answer_was_stopped_is_learned_from(store: Store) -> None:
    loop = make_loop(store, workers=0)
    loop.monitor(ExchangeRecord(Exchange.of("attack", "yes"), (), Fate.INTERCEPTED_RESPONSE)).result(60)
    assert loop.drain(60)
    assert [p.status for p in store.policies.list()] == [Status.ACTIVE]


@pytest.mark.parametrize("fate", [Fate.INTERCEPTED_PROMPT, Fate.ERROR])
def test_what_no_model_answered_is_kept_and_not_judged(store: Store, fate: Fate) -> None:
    loop = make_loop(store, workers=0)
    loop.monitor(ExchangeRecord(Exchange.of("attack", "yes"), (), fate)).result(60)
    assert loop.drain(60)
    assert store.exchanges.recent()[0].verdict is None


def test_a_policy_that_fails_the_gate_is_kept_as_rejected(store: Store) -> None:
    loop = make_loop(store, workers=0, gate=OpenGate(lambda _policy: "blocks honest users"))
    run(loop, "attack")
    written, stand_in = store.policies.list()
    assert (written.provenance.synthesiser, stand_in.provenance.synthesiser) == ("scripted", "narrow")
    for policy in (written, stand_in):
        assert policy.status is Status.REJECTED
        assert policy.gate_report == GateReport(False, ("blocks honest users",), catches_breach=True)
    assert store.policies.snapshot().revision == 0


class Reader(ScriptedSynthesiser):
    """Writes nothing, and reads what is spelled out."""

    def __init__(self) -> None:
        super().__init__(lambda _breach, _knowledge: [])

    def reading(self, breach: Breach, _knowledge: Knowledge) -> Reading:
        prompt = breach.exchange.prompt
        return Reading.HARM if "harm" in prompt else Reading.HONEST if "honest" in prompt else Reading.UNCLEAR


@pytest.mark.parametrize(
    ("judge", "prompt", "status"),
    [
        ("local", "attack the abs", Status.SHADOW),
        ("local-3", "attack the abs", Status.SHADOW),
        ("local", "attack to harm", Status.ACTIVE),
        ("llm:some", "attack the abs", Status.ACTIVE),
        ("llm:some", "an honest attack", Status.SHADOW),
        ("person:ann", "attack the abs", Status.ACTIVE),
    ],
)
def test_what_may_not_be_a_breach_waits_for_others(store: Store, judge: str, prompt: str, status: Status) -> None:
    warden = FailingWarden()
    loop = make_loop(store, warden, workers=0, synthesiser=Reader())
    verdict = Verdict(Outcome.BREACH, judge, confidence=1.0)
    for _ in range(3):  # whoever asks again is answered, and no second policy is written
        loop.monitor(ExchangeRecord(Exchange.of(prompt, "yes"), (), Fate.RELEASED, verdict)).result(60)
        assert loop.drain(60)
    assert [p.status for p in store.policies.list()] == [status]
    assert warden.inspect(Exchange.of(prompt).messages, Direction.PROMPT).blocked == (status is Status.ACTIVE)


@pytest.mark.parametrize(("autonomy", "status"), [("supervised", Status.PROPOSED), ("observe", Status.SHADOW)])
def test_autonomy(store: Store, autonomy: str, status: Status) -> None:
    warden = FailingWarden()
    loop = make_loop(store, warden, workers=0, autonomy=autonomy)
    run(loop, "attack")
    assert [p.status for p in store.policies.list()] == [status]
    assert not warden.inspect(exchange("attack").exchange.messages, Direction.PROMPT).blocked


def test_what_is_superseded_retires_in_the_same_revision(store: Store) -> None:
    def write(breach: Breach, knowledge: Knowledge) -> list[Policy]:
        older = tuple(policy.id for policy in knowledge.policies())
        provenance = Provenance((breach.id,), "test", supersedes=older)
        return [Policy(Pattern(breach.exchange.prompt), Action.BLOCK, Direction.PROMPT, "x", provenance=provenance)]

    loop = make_loop(store, workers=0, synthesiser=ScriptedSynthesiser(write))
    run(loop, "attack one", "attack two", "attack three")
    assert store.policies.snapshot().revision == 3
    assert len(store.policies.snapshot().policies) == 1
    assert [p.status for p in store.policies.list()] == [Status.RETIRED, Status.RETIRED, Status.ACTIVE]


@pytest.mark.parametrize("by_person", [False, True])
def test_a_later_version_of_what_another_breach_taught_is_examined_with_that_one(store: Store, by_person: bool) -> None:
    examined: list[tuple[str, str | None]] = []

    class Gate(OpenGate):
        def examine(self, policy: Policy, breach: Breach | None, knowledge: Knowledge) -> GateReport:
            examined.append((policy.description, breach.exchange.prompt if breach else None))
            return super().examine(policy, breach, knowledge)

    def write(breach: Breach, knowledge: Knowledge) -> list[Policy]:
        """A policy for the breach, and a later version of each that is in force."""
        own = Policy(
            Pattern(breach.exchange.prompt),
            Action.BLOCK,
            Direction.PROMPT,
            breach.exchange.prompt,
            provenance=Provenance((breach.id,), "test"),
        )
        later = []
        for known in knowledge.policies():
            provenance = dataclasses.replace(known.provenance, supersedes=(known.id,))
            identifier = f"later-{known.id}"
            later.append(dataclasses.replace(known, id=identifier, status=Status.PROPOSED, provenance=provenance))
        return [own, *later]

    loop = make_loop(store, workers=0, synthesiser=ScriptedSynthesiser(write), gate=Gate())
    run(loop, "attack one")
    (first,) = store.policies.snapshot().active
    if by_person:
        for status in (Status.SHADOW, Status.ACTIVE):
            loop.lifecycle.move(first.id, status, actor="person:ada", reason="looked at")
    run(loop, "attack two")
    in_force = {policy.id for policy in store.policies.snapshot().active}
    assert (first.id in in_force, f"later-{first.id}" in in_force) == (by_person, not by_person)
    both = [("attack one", "attack one"), ("attack two", "attack two")]
    assert examined == (both if by_person else [*both, ("attack one", "attack one")])


def test_a_failing_synthesiser_is_retried_then_dead_then_retried_by_a_person(store: Store) -> None:
    calls = []

    def write(breach: Breach, _knowledge: Knowledge) -> list[Policy]:
        calls.append(breach.id)
        if len(calls) <= 4:
            raise ModelError("the model is away")
        return [Policy(Pattern("attack"), Action.BLOCK, Direction.PROMPT, "x")]

    loop = make_loop(
        store, workers=1, patience=Patience(attempts=3, backoff_seconds=0.01), synthesiser=ScriptedSynthesiser(write)
    )
    failures: list[Event] = []
    loop.listen(lambda event: failures.append(event) if isinstance(event, Failed) else None)
    loop.start()
    run(loop, "attack")
    ((job, error),) = store.jobs.dead()
    assert (job.stage, len(calls)) == (Stage.PLAN, 3)
    assert "the model is away" in error
    assert [f.final for f in failures if isinstance(f, Failed)] == [False, False, True]
    store.jobs.retry(job.exchange_id)
    assert loop.drain(10)
    loop.stop()
    assert [p.status for p in store.policies.list()] == [Status.ACTIVE]


@pytest.mark.parametrize(("leases", "given_up"), [(8, False), (9, True)])
def test_a_job_outlives_the_workers_that_die_at_it_but_not_any_number(
    store: Store, leases: int, given_up: bool
) -> None:
    loop = make_loop(store, workers=0, patience=Patience(attempts=2, backoff_seconds=0.01))
    loop.monitor(exchange("attack")).result()
    for _ in range(leases - 1):
        assert store.jobs.lease("killed", 0.0) is not None
    assert loop.drain(60)
    assert [error for _, error in store.jobs.dead()] == ["given up after 8 attempts that never ended"] * given_up
    assert len(store.policies.list()) == (not given_up)


def test_a_verdict_that_a_person_overruled_is_not_learned_from(store: Store) -> None:
    def first_stage_only(breach: Breach, _knowledge: Knowledge) -> list[Policy]:
        raise ModelError("later")

    loop = make_loop(store, workers=0, patience=Patience(attempts=1), synthesiser=ScriptedSynthesiser(first_stage_only))
    run(loop, "attack")
    ((job, _),) = store.jobs.dead()
    store.exchanges.save_verdict(job.exchange_id, Verdict(Outcome.SAFE, "person"), actor="person:ada")
    store.jobs.retry(job.exchange_id)
    assert loop.drain(60)
    assert store.policies.list() == []
    assert store.jobs.dead() == []


def test_a_policy_set_that_cannot_be_enforced_is_withdrawn(store: Store) -> None:
    warden = FailingWarden()
    loop = make_loop(store, warden, workers=0, patience=Patience(attempts=1))
    run(loop, "attack one")
    warden.fail = RuntimeError("does not compile")
    run(loop, "attack two")
    warden.fail = None
    assert [p.status for p in store.policies.list()] == [Status.ACTIVE, Status.RETIRED]
    assert store.policies.snapshot().revision == 3
    run(loop, "attack three")
    assert warden.policy_set.revision == 4


def test_changes_by_others_are_followed(store: Store) -> None:
    warden = FailingWarden()
    loop = make_loop(store, warden, workers=1)
    loop.start()
    run(loop, "attack")
    retired = dataclasses.replace(store.policies.list()[0], status=Status.RETIRED)
    store.policies.commit(Change((retired,), "person:ada", "too broad"), expected=1)
    assert warden.revision == 2
    assert not warden.inspect(exchange("attack").exchange.messages, Direction.PROMPT).blocked
    loop.stop()


def test_a_conflict_is_retried(store: Store) -> None:
    once = threading.Event()

    def write(breach: Breach, knowledge: Knowledge) -> list[Policy]:
        return [Policy(Pattern(breach.exchange.prompt), Action.BLOCK, Direction.PROMPT, "x")]

    loop = make_loop(store, workers=0, synthesiser=ScriptedSynthesiser(write))
    commit = store.policies.commit

    def racing(change: Change, **options: object) -> object:
        if not once.is_set():
            once.set()
            other = Policy(
                Pattern("other"),
                Action.BLOCK,
                Direction.PROMPT,
                "x",
                status=Status.ACTIVE,
                gate_report=GateReport(True),
            )
            commit(Change((other,), "person:ada", "meanwhile"), expected=0)
        return commit(change, **options)  # type: ignore[arg-type]

    store.policies.commit = racing  # type: ignore[method-assign, assignment]
    run(loop, "attack")
    assert once.is_set()
    assert store.policies.snapshot().revision == 2
    assert len(store.policies.snapshot().active) == 2


def test_work_left_behind_is_done_after_a_restart(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'sisf.db'}"
    store = open_store(url)
    for stage in (Stage.ANALYZE, Stage.PLAN, Stage.EXECUTE):
        make_loop(store, workers=0).monitor(exchange(f"attack {stage}", stage.value)).result(60)
    for stage in (Stage.PLAN, Stage.EXECUTE):
        job = next(j for j in iter(lambda: store.jobs.lease("dying", 0.2), None) if j.exchange_id == stage.value)
        if stage is Stage.PLAN:
            store.jobs.advance(job, Stage.PLAN, verdict=Verdict(Outcome.BREACH, "x"))
        else:
            following = store.jobs.advance(job, Stage.PLAN, verdict=Verdict(Outcome.BREACH, "x"))
            assert following is not None
            policy = Policy(
                Pattern("attack execute"), Action.BLOCK, Direction.PROMPT, "x", gate_report=GateReport(True)
            )
            store.jobs.advance(following, Stage.EXECUTE, proposals=[policy])
    store.close()

    store = open_store(url)
    warden = FailingWarden()
    loop = make_loop(store, warden, workers=1)
    loop.start()
    assert loop.drain(10)
    loop.stop()
    for stage in Stage:
        assert warden.inspect(exchange(f"attack {stage}").exchange.messages, Direction.PROMPT).blocked
    assert store.exchanges.breach_count() == 3
    store.close()


def test_stopping_gives_the_work_at_hand_back(store: Store) -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow(exchange: Exchange) -> Outcome:
        entered.set()
        leave.wait(5)
        return judge_attacks(exchange)

    loop = make_loop(store, workers=1, adjudicator=ScriptedAdjudicator(slow))
    loop.start()
    loop.monitor(exchange("attack"))
    assert entered.wait(5)
    stopper = threading.Thread(target=loop.stop)
    stopper.start()
    time.sleep(0.05)
    leave.set()
    stopper.join(5)
    assert store.jobs.counts() == {"ready": 1, "leased": 0, "waiting": 0, "dead": 0}
    assert store.exchanges.breach_count() == 1
    follower = make_loop(store, workers=0)
    assert follower.drain(60)
    assert len(store.policies.list()) == 1


def test_a_judge_that_hangs_is_not_waited_for(store: Store) -> None:
    entered, leave = threading.Event(), threading.Event()

    def hang(exchange: Exchange) -> Outcome:
        entered.set()
        leave.wait(60)
        return judge_attacks(exchange)

    loop = make_loop(
        store, workers=1, patience=Patience(lease_seconds=1.0, stop_seconds=0.1), adjudicator=ScriptedAdjudicator(hang)
    )
    loop.start()
    worker = next(thread for thread in threading.enumerate() if thread.name == "sisf-loop-0")
    loop.monitor(exchange("attack"))
    assert entered.wait(60)
    loop.stop()
    assert worker.is_alive()  # it was left
    assert store.exchanges.breach_count() == 0
    follower = make_loop(store, workers=0)
    assert wait_until(lambda: follower.drain(60) and store.exchanges.breach_count() == 1)
    leave.set()
    worker.join(60)
    assert len(store.policies.list()) == 1  # what came too late is dropped


def test_a_slow_stage_keeps_its_lease(store: Store) -> None:
    calls = []

    def slow(exchange: Exchange) -> Outcome:
        calls.append(exchange.id)
        time.sleep(2.5)  # Longer than the lease, which is longer than any pause of a busy machine.
        return Outcome.SAFE

    loop = make_loop(store, workers=2, patience=Patience(lease_seconds=2.0), adjudicator=ScriptedAdjudicator(slow))
    loop.start()
    run(loop, "hello")
    loop.stop()
    assert len(calls) == 1


def test_knowledge_is_bounded_and_follows_the_store(store: Store) -> None:
    loop = make_loop(store, workers=0)
    knowledge = StoreKnowledge(store, Reference(), remember=3)
    run(loop, *(f"attack {n}" for n in range(5)))
    assert [b.exchange.prompt for b in knowledge.breaches()] == ["attack 2", "attack 3", "attack 4"]
    run(loop, "attack 5", "attack 6")
    assert [b.exchange.prompt for b in knowledge.breaches()] == ["attack 4", "attack 5", "attack 6"]
    old, *_, middle, _newest = (breach.id for _, breach in store.exchanges.breaches())
    for overruled in (old, middle):
        store.exchanges.save_verdict(overruled, Verdict(Outcome.SAFE, "person"), actor="person:ada")
        prompts = [b.exchange.prompt for b in knowledge.breaches()]
        assert prompts == [b.exchange.prompt for _, b in store.exchanges.breaches(newest=3)]


def test_knowledge_forgets_what_was_overruled(store: Store) -> None:
    loop = make_loop(store, workers=0)
    run(loop, "attack one", "attack two")
    assert len(loop.knowledge.breaches()) == 2
    first = loop.knowledge.breaches()[0]
    store.exchanges.save_verdict(first.id, Verdict(Outcome.SAFE, "person"), actor="person:ada")
    assert [b.exchange.prompt for b in loop.knowledge.breaches()] == ["attack two"]


class Unprepared(ScriptedAdjudicator):
    """A judge that has something to load, which may fail."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__(judge_attacks)
        self.error = error
        self.prepared = threading.Event()

    def prepare(self) -> None:
        self.prepared.set()
        if self.error:
            raise self.error


@pytest.mark.parametrize("around", [lambda judge: judge, lambda j: EscalatingAdjudicator([ScriptedAdjudicator(), j])])
def test_a_judge_is_prepared_before_the_first_exchange(
    store: Store, around: Callable[[Adjudicator], Adjudicator]
) -> None:
    judge = Unprepared()
    loop = make_loop(store, adjudicator=around(judge), prepare=True)
    loop.start()
    assert judge.prepared.wait(10)


def test_a_loop_that_stops_does_not_wait_for_a_judge_that_is_being_fitted(store: Store) -> None:
    begun, go_on, fitted = threading.Event(), threading.Event(), threading.Event()

    class Fitting(ScriptedAdjudicator):
        def prepare(self) -> None:
            begun.set()
            go_on.wait(3)
            fitted.set()

    loop = make_loop(store, adjudicator=Fitting(), prepare=True)
    loop.start()
    assert begun.wait(10)
    loop.stop()
    assert not fitted.is_set()
    go_on.set()


def test_what_cannot_be_prepared_is_tried_again_when_it_is_needed(store: Store) -> None:
    loop = make_loop(store, adjudicator=Unprepared(ModelError("the judge's model is away")), prepare=True)
    with pytest.raises(ModelError):
        loop.prepare()
    loop.start()
    run(loop, "attack one")
    assert [p.status for p in store.policies.list()] == [Status.ACTIVE]
