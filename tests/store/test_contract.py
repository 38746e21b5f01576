"""What every store promises, on every implementation."""

import dataclasses
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from sisf.errors import LeaseLost, PolicyError, RevisionConflict, StoreError
from sisf.exchange import Exchange, Fate, Message, Role, Sender
from sisf.policy import Action, Change, Decision, Direction, GateReport, Match, Snapshot, Status
from sisf.store import AuditRow, ExchangeRecord, Feedback, FeedbackKind, Label, Stage, Store, Urgency
from sisf.store.records import person_sender
from sisf.testing import wait_until
from sisf.verdict import Outcome
from tests.store.samples import BREACH, PASSED, SAFE, UNDECIDED, change, pattern, probe, prototypes, record


def test_a_new_store_is_empty(store: Store) -> None:
    assert store.policies.snapshot() == Snapshot(0, ())
    assert store.exchanges.recent() == []
    assert store.exchanges.breaches() == []
    assert store.jobs.counts() == {"ready": 0, "leased": 0, "waiting": 0, "dead": 0}
    assert store.audit.verify() == 0


class TestPolicies:
    def test_a_commit_is_the_next_revision(self, store: Store) -> None:
        snapshot = store.policies.commit(change(pattern(), probe(), prototypes()), expected=0)
        assert snapshot.revision == 1
        assert [p.id for p in snapshot.policies] == ["alpha", "probe", "proto"]
        assert [p.id for p in snapshot.active] == ["alpha", "probe"]
        assert store.policies.snapshot() == snapshot

    def test_policies_come_back_as_they_were(self, store: Store) -> None:
        for policy in (pattern(), probe(), prototypes()):
            store.policies.commit(change(policy), expected=store.policies.snapshot().revision)
            found = store.policies.get(policy.id)
            assert dataclasses.replace(found, revision=0, updated=policy.updated) == policy

    def test_a_conflict_writes_nothing(self, store: Store) -> None:
        store.policies.commit(change(pattern()), expected=0)
        with pytest.raises(RevisionConflict, match="revision 1"):
            store.policies.commit(change(pattern("beta")), expected=0)
        assert [p.id for p in store.policies.list()] == ["alpha"]

    def test_a_change_that_alters_nothing_makes_no_revision(self, store: Store) -> None:
        policy = pattern()
        store.policies.commit(change(policy), expected=0)
        assert store.policies.commit(change(policy), expected=1).revision == 1

    def test_history_is_kept(self, store: Store) -> None:
        store.policies.commit(change(pattern()), expected=0)
        store.policies.commit(change(pattern(status=Status.RETIRED), pattern("beta")), expected=1)
        assert [p.id for p in store.policies.snapshot(1).policies] == ["alpha"]
        assert [p.id for p in store.policies.snapshot(2).policies] == ["beta"]
        assert store.policies.snapshot(0).policies == ()
        assert [(r.number, r.actor, r.breach_ids) for r in store.policies.revisions()] == [
            (2, "loop", ("b1",)),
            (1, "loop", ("b1",)),
        ]

    @pytest.mark.parametrize("number", [-1, 1])
    def test_an_unknown_revision_is_an_error(self, store: Store, number: int) -> None:
        with pytest.raises(StoreError, match="no revision"):
            store.policies.snapshot(number)

    def test_the_revision_of_a_policy_is_that_of_its_status(self, store: Store) -> None:
        store.policies.commit(change(pattern()), expected=0)
        edited = dataclasses.replace(store.policies.get("alpha"), description="edited")
        store.policies.commit(change(edited), expected=1)
        assert store.policies.get("alpha").revision == 1
        store.policies.commit(change(pattern(status=Status.RETIRED)), expected=2)
        assert store.policies.get("alpha").revision == 3

    def test_nothing_becomes_active_without_a_gate_report(self, store: Store) -> None:
        with pytest.raises(PolicyError, match="no gate report"):
            store.policies.commit(change(dataclasses.replace(pattern(), gate_report=None)), expected=0)
        failed = dataclasses.replace(pattern(), gate_report=GateReport(passed=False, reasons=("hits benign",)))
        with pytest.raises(PolicyError, match="did not pass"):
            store.policies.commit(change(failed), expected=0)
        assert store.policies.commit(change(failed, actor="person:ada"), expected=0).revision == 1

    def test_a_missing_policy_is_an_error(self, store: Store) -> None:
        with pytest.raises(StoreError, match="no policy `nope`"):
            store.policies.get("nope")

    def test_subscribers_hear_each_revision_once(self, store: Store) -> None:
        heard: list[int] = []
        end = store.policies.subscribe(heard.append)
        store.policies.commit(change(pattern()), expected=0)
        store.policies.commit(change(pattern()), expected=1)
        store.policies.commit(change(pattern("beta")), expected=1)
        end()
        store.policies.commit(change(pattern("gamma")), expected=2)
        assert [number for number in heard if number] == [1, 2]

    def test_a_subscriber_that_failed_is_told_again(self, store: Store, url: str) -> None:
        if url == "memory:":
            pytest.skip("nobody else writes to it, so nobody watches it")
        told: list[int] = []

        def flaky(revision: int) -> None:
            told.append(revision)
            if told.count(1) == 1 and revision:
                raise StoreError("not now")

        store.policies.subscribe(flaky)
        store.policies.commit(change(pattern()), expected=0)
        assert wait_until(lambda: told.count(1) == 2)

    def test_of_many_racing_commits_each_wins_once(self, store: Store) -> None:
        def add(number: int) -> None:
            while True:
                try:
                    expected = store.policies.snapshot().revision
                    store.policies.commit(change(pattern(f"p{number}")), expected=expected)
                    return
                except RevisionConflict:
                    continue

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(add, range(24)))
        assert store.policies.snapshot().revision == 24
        assert len(store.policies.snapshot().policies) == 24
        assert [r.number for r in store.policies.revisions()] == list(range(24, 0, -1))


class TestExchanges:
    def test_an_exchange_comes_back_as_it_was(self, store: Store) -> None:
        match = Match("alpha", Action.BLOCK, 0.5, 0.25, view="folded", span=(1, 4), segment=1, shadow=True)
        decision = Decision(Action.ALLOW, (match,), 3, Direction.PROMPT, 12.5, ("a", "b"))
        messages = (Message(Role.SYSTEM, "be kind", "messages[0]"), Message(Role.USER, "lone \ud800 and \0 and ☃"))
        exchange = Exchange(messages, "answer \udfff", model="m", sender=Sender("t", "p\0\ud800"))
        written = ExchangeRecord(exchange, (decision,), Fate.RELEASED, SAFE)
        store.exchanges.record(written, enqueue=False).result(60)
        assert store.exchanges.get(exchange.id) == written

    def test_recording_again_changes_nothing(self, store: Store) -> None:
        store.exchanges.record(record(), enqueue=True).result(60)
        job = store.jobs.lease("w", 60)
        assert job is not None
        store.jobs.advance(job, None)
        store.exchanges.record(record(prompt="other"), enqueue=True).result(60)
        assert store.exchanges.get("e1").exchange.prompt == "hello"
        assert store.jobs.lease("w", 60) is None

    def test_the_same_id_twice_at_once(self, store: Store) -> None:
        futures = [store.exchanges.record(record(prompt=f"try {n}"), enqueue=True) for n in range(10)]
        for future in futures:
            future.result(60)
        assert store.exchanges.get("e1").exchange.prompt == "try 0"
        assert len(store.exchanges.recent()) == 1

    def test_gathered_exchanges_are_written_in_their_order_and_end_together(self, store: Store) -> None:
        names = [f"g{number}" for number in range(40)]
        futures = [store.exchanges.record(record(name), enqueue=True, gather=True) for name in names]
        assert len(set(futures)) < len(futures)
        for future in futures:
            future.result(60)
        assert [r.exchange.id for r in store.exchanges.recent(100)] == names[::-1]
        again = [store.exchanges.record(record(n, "x"), enqueue=True, gather=True) for n in ("g1", "new", "g2")]
        for future in again:
            future.result(60)
        assert store.exchanges.get("g1").exchange.prompt == "hello"
        assert store.exchanges.recent(1)[0].exchange.id == "new"
        assert store.jobs.counts()["ready"] == 41

    def test_who_waits_does_not_wait_for_others_to_gather(self, store: Store) -> None:
        gathered = store.exchanges.record(record("a"), enqueue=False, gather=True)
        store.flush()
        assert gathered.done()

    def test_recent_is_latest_first_and_by_outcome(self, store: Store) -> None:
        for name, verdict in (("a", SAFE), ("b", UNDECIDED), ("c", None), ("d", UNDECIDED)):
            store.exchanges.record(record(name, verdict=verdict), enqueue=False).result(60)
        assert [r.exchange.id for r in store.exchanges.recent(3)] == ["d", "c", "b"]
        assert [r.exchange.id for r in store.exchanges.recent(outcome=Outcome.UNDECIDED)] == ["d", "b"]

    def test_breaches_are_numbered_and_can_be_overruled(self, store: Store) -> None:
        for name in ("a", "b", "c"):
            store.exchanges.record(record(name, verdict=BREACH), enqueue=False).result(60)
        numbers = [number for number, _ in store.exchanges.breaches()]
        assert [b.id for _, b in store.exchanges.breaches()] == ["a", "b", "c"]
        assert [b.id for _, b in store.exchanges.breaches(after=numbers[0])] == ["b", "c"]
        store.exchanges.save_verdict("b", SAFE, actor="person:ada")
        assert [b.id for _, b in store.exchanges.breaches()] == ["a", "c"]
        assert store.exchanges.breach_count() == 2
        store.exchanges.save_verdict("b", BREACH, actor="person:ada")
        assert [b.id for _, b in store.exchanges.breaches(after=numbers[-1])] == ["b"]

    def test_a_persons_latest_word_is_a_label_beside_what_the_judge_said(self, store: Store) -> None:
        for name in ("a", "b", "c"):
            store.exchanges.record(record(name), enqueue=False).result(60)
        store.exchanges.save_verdict("a", BREACH, actor="adjudicator")
        store.exchanges.save_verdict("a", SAFE, actor="person:ada")
        store.exchanges.save_verdict("b", SAFE, actor="person:bob")
        store.exchanges.save_verdict("b", BREACH, actor="person:ada")
        store.exchanges.save_verdict("c", BREACH, actor="adjudicator")
        assert list(store.exchanges.labels()) == [Label("b", Outcome.BREACH), Label("a", Outcome.SAFE, BREACH)]
        assert [label.exchange_id for label in store.exchanges.labels(1)] == ["b"]

    def test_a_verdict_outside_the_loop_is_audited(self, store: Store) -> None:
        store.exchanges.record(record(), enqueue=False).result(60)
        store.exchanges.save_verdict("e1", BREACH, actor="person:ada")
        assert store.exchanges.get("e1").verdict == BREACH
        assert [(row.actor, row.action, row.subject) for row in store.audit.rows()] == [
            ("person:ada", "verdict.breach", "e1")
        ]

    def test_a_verdict_for_no_exchange_is_an_error_and_leaves_nothing(self, store: Store) -> None:
        with pytest.raises(StoreError, match="no exchange"):
            store.exchanges.save_verdict("nope", BREACH, actor="person:ada")
        assert store.exchanges.breach_count() == 0
        assert store.audit.verify() == 0

    @pytest.mark.parametrize("fate", [fate for fate in Fate if fate.stopped])
    def test_what_is_stopped_is_audited(self, store: Store, fate: Fate) -> None:
        match = Match("alpha", Action.BLOCK, 1.0, 1.0)
        decision = Decision(Action.BLOCK, (match,), 7, Direction.PROMPT)
        store.exchanges.record(record(decisions=(decision,), fate=fate), enqueue=False).result(60)
        (row,) = store.audit.rows()
        assert (row.subject, row.revision, row.detail["policy"]) == ("e1", 7, "alpha")

    def test_matches_are_counted_as_hits(self, store: Store) -> None:
        store.policies.commit(change(pattern()), expected=0)
        decision = Decision(Action.BLOCK, (Match("alpha", Action.BLOCK, 1.0, 1.0),) * 2, 1, Direction.PROMPT)
        for name in ("a", "b", "b"):
            store.exchanges.record(record(name, decisions=(decision,)), enqueue=False).result(60)
        assert store.policies.get("alpha").evidence.hits == 2


class TestJobs:
    def enqueue(self, store: Store, *names: str) -> None:
        for name in names:
            store.exchanges.record(record(name), enqueue=True).result(60)

    def test_a_job_walks_through_its_stages(self, store: Store) -> None:
        self.enqueue(store, "e1")
        job = store.jobs.lease("w", 60)
        assert job is not None
        assert (job.exchange_id, job.stage, job.attempts) == ("e1", Stage.ANALYZE, 1)
        job = store.jobs.advance(job, Stage.PLAN, verdict=BREACH)
        assert job is not None
        assert store.exchanges.get("e1").verdict == BREACH
        proposed, rejected = pattern(status=Status.PROPOSED), pattern("beta", Status.REJECTED)
        job = store.jobs.advance(job, Stage.EXECUTE, proposals=[proposed, rejected])
        assert job is not None
        assert [p.status for p in store.policies.proposals("e1")] == [Status.PROPOSED, Status.REJECTED]
        assert store.policies.snapshot().revision == 0
        active = pattern(status=Status.ACTIVE)
        store.policies.commit(change(active), expected=0, completes=job)
        assert store.jobs.counts() == {"ready": 0, "leased": 0, "waiting": 0, "dead": 0}
        assert [p.id for p in store.policies.proposals("e1")] == ["alpha", "beta"]

    def test_a_job_is_leased_once(self, store: Store) -> None:
        self.enqueue(store, *(f"e{n}" for n in range(20)))
        with ThreadPoolExecutor(8) as pool:
            jobs = list(pool.map(lambda n: store.jobs.lease(f"w{n}", 60), range(30)))
        names = [job.exchange_id for job in jobs if job]
        assert sorted(names) == sorted(f"e{n}" for n in range(20))

    def test_the_oldest_comes_first(self, store: Store) -> None:
        self.enqueue(store, "e1", "e2", "e3")
        names = [job.exchange_id for job in (store.jobs.lease("w", 60) for _ in range(3)) if job]
        assert names == ["e1", "e2", "e3"]

    def test_the_urgent_come_first_but_not_for_ever(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.enqueue(store, "ordinary")
        for name, urgency in (("suspect", Urgency.SUSPECT), ("breach", Urgency.BREACH)):
            store.exchanges.record(record(name), enqueue=True, urgency=urgency).result(60)
        later = SimpleNamespace(time=lambda: time.time() + 700)
        monkeypatch.setattr("sisf.store.leases.time", later)
        store.exchanges.record(record("late breach"), enqueue=True, urgency=Urgency.BREACH).result(60)
        names = [job.exchange_id for job in (store.jobs.lease("w", 60) for _ in range(4)) if job]
        assert names == ["breach", "suspect", "ordinary", "late breach"]

    def test_a_clock_that_was_put_back_keeps_no_job(self, store: Store) -> None:
        self.enqueue(store, "e1", "e2")
        for pause in (60.0, 3_600.0):  # what is due in an hour: nobody sets that, so the clock was an hour ahead
            job = store.jobs.lease("w", 60)
            assert job is not None
            store.jobs.fail(job, "x", retry_in=pause)
        assert store.jobs.counts() == {"ready": 1, "leased": 0, "waiting": 1, "dead": 0}
        again = store.jobs.lease("w", 60)
        assert again is not None
        assert again.exchange_id == "e2"
        assert store.jobs.lease("w", 60) is None

    def test_a_lost_lease_writes_nothing(self, store: Store) -> None:
        self.enqueue(store, "e1")
        first = store.jobs.lease("dead", 0.01)
        assert first is not None
        time.sleep(0.02)
        second = store.jobs.lease("w", 60)
        assert second is not None
        assert (second.exchange_id, second.attempts) == ("e1", 2)
        with pytest.raises(LeaseLost):
            store.jobs.advance(first, Stage.PLAN, verdict=BREACH, proposals=[pattern(status=Status.PROPOSED)])
        with pytest.raises(LeaseLost):
            store.jobs.renew(first)
        with pytest.raises(LeaseLost):
            store.jobs.fail(first, "late", retry_in=None)
        with pytest.raises(LeaseLost):
            store.policies.commit(change(pattern()), expected=0, completes=first)
        assert store.exchanges.get("e1").verdict is None
        assert store.policies.list() == []
        assert store.policies.snapshot().revision == 0
        store.jobs.advance(second, None)

    def test_renewal_keeps_the_lease(self, store: Store) -> None:
        self.enqueue(store, "e1")
        job = store.jobs.lease("w", 0.15)
        assert job is not None
        for _ in range(4):
            time.sleep(0.05)
            store.jobs.renew(job)
        assert store.jobs.lease("thief", 60) is None
        store.jobs.advance(job, None)

    def test_failures_retry_then_die_then_come_back(self, store: Store) -> None:
        self.enqueue(store, "e1")
        job = store.jobs.lease("w", 60)
        assert job is not None
        store.jobs.fail(job, "judge is away", retry_in=2.0)
        assert store.jobs.counts()["waiting"] == 1
        assert store.jobs.lease("w", 60) is None
        time.sleep(2.1)
        job = store.jobs.lease("w", 60)
        assert job is not None
        assert job.attempts == 2
        store.jobs.fail(job, "still away: \ud800", retry_in=None)
        assert [(j.exchange_id, error) for j, error in store.jobs.dead()] == [("e1", "still away: \ud800")]
        assert store.jobs.lease("w", 60) is None
        store.jobs.retry("e1")
        job = store.jobs.lease("w", 60)
        assert job is not None
        assert job.attempts == 1
        with pytest.raises(StoreError, match="no dead letter"):
            store.jobs.retry("e1")

    def test_waiting_workers_are_woken(self, store: Store) -> None:
        assert store.jobs.lease("w", 60) is None
        woken = threading.Event()

        def work() -> None:
            while store.jobs.lease("w", 60) is None:
                store.jobs.wait(600)
            woken.set()

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        self.enqueue(store, "e1")
        assert woken.wait(60)
        thread.join()

    def test_waiting_ends_after_its_time(self, store: Store) -> None:
        store.jobs.lease("w", 60)
        waiting = threading.Thread(target=store.jobs.wait, args=(0.05,), daemon=True)
        waiting.start()
        waiting.join(60)
        assert not waiting.is_alive()


class TestAudit:
    def test_rows_are_chained(self, store: Store) -> None:
        rows = [
            store.audit.append(actor="a", action="x", subject=f"s{n}", revision=n, detail={"n": n, "t": "é\ud800"})
            for n in range(5)
        ]
        assert store.audit.rows() == rows
        assert store.audit.rows(after=2, limit=2) == rows[2:4]
        assert store.audit.verify(rows[-1]) == 5

    def test_policy_changes_are_audited(self, store: Store) -> None:
        store.policies.commit(change(pattern()), expected=0)
        store.policies.commit(change(pattern(status=Status.RETIRED), actor="person:ada", reason="wrong"), expected=1)
        rows = store.audit.rows()
        assert [(r.actor, r.action, r.subject, r.revision) for r in rows] == [
            ("loop", "policy.activate", "alpha", 1),
            ("person:ada", "policy.retire", "alpha", 2),
        ]
        assert rows[1].detail["reason"] == "wrong"

    def test_an_anchor_that_is_not_there_is_truncation(self, store: Store) -> None:
        row = store.audit.append(actor="a", action="x", subject="s", revision=0, detail={})
        later = AuditRow(3, row.time, "a", "x", "s", 0, {}, "f" * 64)
        with pytest.raises(StoreError, match="rows 2 to 3 were cut off"):
            store.audit.verify(later)
        with pytest.raises(StoreError, match="not the one that was anchored"):
            store.audit.verify(dataclasses.replace(row, hash="f" * 64))

    def test_many_writers_make_one_chain(self, store: Store) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(
                pool.map(
                    lambda n: store.audit.append(actor="a", action="x", subject=str(n), revision=0, detail={}),
                    range(100),
                )
            )
        assert store.audit.verify() == 100


def test_a_closed_store_says_so(store: Store) -> None:
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.exchanges.record(record(), enqueue=False)


def test_everything_written_is_there_after_reopening(url: str) -> None:
    if url == "memory:":
        pytest.skip("a store in memory forgets by design")
    from sisf.store import open_store

    first = open_store(url)
    first.policies.commit(change(pattern(), probe()), expected=0)
    first.exchanges.record(record(verdict=BREACH), enqueue=True)
    first.close()
    second = open_store(url)
    assert [p.id for p in second.policies.snapshot().policies] == ["alpha", "probe"]
    assert second.exchanges.breach_count() == 1
    assert second.jobs.counts()["ready"] == 1
    assert second.audit.verify() == 2
    second.close()


def test_a_gate_report_survives(store: Store) -> None:
    store.policies.commit(Change((pattern(),), "loop", "because"), expected=0)
    assert store.policies.get("alpha").gate_report == PASSED


class TestFigures:
    def test_a_tally_says_what_became_of_exchanges(self, store: Store) -> None:
        assert store.exchanges.tally(100) == []
        for number, (fate, verdict) in enumerate(
            [
                (Fate.RELEASED, BREACH),
                (Fate.RELEASED, BREACH),
                (Fate.RELEASED, SAFE),
                (Fate.RELEASED, None),
                (Fate.WITHHELD, BREACH),
                (Fate.INTERCEPTED_PROMPT, None),
                (Fate.INTERCEPTED_RESPONSE, None),
                (Fate.RELEASED, UNDECIDED),
            ]
        ):
            row = dataclasses.replace(record(f"e{number}"), fate=fate, verdict=verdict)
            store.exchanges.record(row, enqueue=False).result()
        (whole,) = store.exchanges.tally(100)
        counts = (whole.intercepted, whole.withheld, whole.breached, whole.passed, whole.undecided, whole.mistakes)
        assert counts == (2, 1, 2, 3, 1, 0)
        assert (whole.attacks, whole.warden_asr, whole.system_asr, whole.fpr) == (5, 3 / 5, 2 / 5, 0.0)
        halves = store.exchanges.tally(100, parts=2)
        assert [(half.breached, half.intercepted) for half in halves] == [(2, 0), (0, 2)]
        assert [half.attacks for half in store.exchanges.tally(2)] == [1]

    def test_a_reported_mistake_is_no_attack(self, store: Store) -> None:
        store.policies.commit(change(pattern()), expected=0)
        for name in ("e1", "e2"):
            row = dataclasses.replace(record(name), fate=Fate.INTERCEPTED_PROMPT)
            store.exchanges.record(row, enqueue=False).result()
        store.feedback.add(
            Feedback("alpha", FeedbackKind.FALSE_POSITIVE, person_sender("person:a"), "e1", "person:a", "a text")
        )
        (tally,) = store.exchanges.tally(100)
        assert (tally.intercepted, tally.mistakes, tally.attacks, tally.fpr) == (1, 1, 1, 1.0)

    def test_senders_of_one_name_in_two_tenants_are_two(self, store: Store) -> None:
        store.policies.commit(change(pattern()), expected=0)
        senders = [Sender("acme", "alice"), Sender("other", "alice"), Sender("acme", "bob")]
        for number, sender in enumerate(senders):
            said = dataclasses.replace(record(f"e{number}").exchange, sender=sender)
            store.exchanges.record(ExchangeRecord(said), enqueue=False).result(60)
            word = Feedback("alpha", FeedbackKind.FALSE_POSITIVE, sender, f"e{number}", "adjudicator")
            assert store.feedback.add(word)
            assert not store.feedback.add(word)
        assert store.policies.get("alpha").evidence.false_positives == 3
        assert store.exchanges.delete(actor="person:ann", reason="asked for", sender=senders[0]) == 1
        assert {r.exchange.sender for r in store.exchanges.recent()} == set(senders[1:])
        assert store.policies.get("alpha").evidence.false_positives == 2

    def test_lag_is_the_age_of_the_oldest_job(self, store: Store) -> None:
        assert store.jobs.lag() == 0.0
        store.exchanges.record(record("e1"), enqueue=True).result()
        time.sleep(0.05)
        assert 0.04 < store.jobs.lag() < 10

    def test_the_newest_audit_rows_come_first_and_by_subject(self, store: Store) -> None:
        for number in range(5):
            store.audit.append(actor="t", action="a", subject=f"s{number % 2}", revision=0, detail={})
        assert [row.sequence for row in store.audit.latest(2)] == [5, 4]
        assert [row.sequence for row in store.audit.latest(2, before=4)] == [3, 2]
        assert [row.sequence for row in store.audit.latest(subject="s1")] == [4, 2]

    def test_recent_by_what_became_of_it(self, store: Store) -> None:
        for name, fate in (("e1", Fate.RELEASED), ("e2", Fate.WITHHELD), ("e3", Fate.INTERCEPTED_PROMPT)):
            store.exchanges.record(dataclasses.replace(record(name), fate=fate), enqueue=False).result()
        found = store.exchanges.recent(became=(Fate.WITHHELD, Fate.INTERCEPTED_PROMPT))
        assert [r.exchange.id for r in found] == ["e3", "e2"]

    def test_a_persons_breach_can_be_learned_from(self, store: Store) -> None:
        store.exchanges.record(record("e1"), enqueue=False).result()
        store.exchanges.save_verdict("e1", SAFE, actor="person:a", learn=True)
        assert store.jobs.counts()["ready"] == 0
        store.exchanges.save_verdict("e1", BREACH, actor="person:a", learn=True)
        job = store.jobs.lease("w", 60)
        assert job is not None
        assert (job.exchange_id, job.stage) == ("e1", Stage.ANALYZE)
