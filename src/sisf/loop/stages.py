"""Analyze, plan, execute: the stages of one exchange. Each is idempotent; each ends in one durable transaction.

Monitor is the write that created the job (`Loop.monitor`).
"""

import dataclasses
import threading
import time
from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

import structlog

from sisf.adjudicator.base import LOCAL, Adjudicator
from sisf.errors import SisfError
from sisf.exchange import Exchange
from sisf.loop.committing import commit
from sisf.loop.enforcement import Enforcement
from sisf.loop.events import Activated, Event, Judged, Planned, Worked
from sisf.loop.examiner import Examiner
from sisf.loop.knowledge import newest_breach
from sisf.loop.lifecycle import Lifecycle
from sisf.loop.succession import succeeded
from sisf.loop.triggers import Triggers
from sisf.policy import Change, Policy, Snapshot, Status
from sisf.store import ExchangeRecord, Job, Stage, Store
from sisf.synthesis.base import Knowledge, PolicySynthesisModule, Preparable, Reading, Reads
from sisf.synthesis.blame import stands_alone
from sisf.verdict import PERSON, Breach, Outcome, Verdict

Autonomy = Literal["autonomous", "supervised", "observe"]
_log = structlog.get_logger(__name__)
_Done = TypeVar("_Done")


class Stages:
    """The work of the loop on one exchange."""

    def __init__(
        self,
        store: Store,
        enforcement: Enforcement,
        *,
        adjudicator: Adjudicator,
        synthesiser: PolicySynthesisModule,
        examiner: Examiner,
        knowledge: Knowledge,
        lifecycle: Lifecycle,
        autonomy: Autonomy,
        emit: Callable[[Event], None],
        stand_in: Callable[[Breach, bool], Policy | None] = lambda _breach, _waits: None,
        triggers: Triggers | None = None,
    ) -> None:
        """`stand_in` writes the narrow policy that acts where no other may yet, or waits for others to speak for it."""
        self._store = store
        self._enforcement = enforcement
        self._adjudicator = adjudicator
        self._synthesiser = synthesiser
        self._examiner = examiner
        self._knowledge = knowledge
        self._lifecycle = lifecycle
        self._autonomy = autonomy
        self._emit = emit
        self._stand_in = stand_in
        self._triggers = triggers
        # Held from planning to activation: the second of two like breaches then sees the policy of the first.
        self._learning = threading.RLock()

    def prepare(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """Read and embed what ships, so that the first breach need not wait for it. Returns early when stopping.

        Raises `SisfError` when the store or an endpoint is away: the first breach tries again.
        """
        started = time.perf_counter()
        _log.info("preparing_to_learn")
        with self._learning:
            if isinstance(self._synthesiser, Preparable):
                self._synthesiser.prepare(self._knowledge, stopping)
            self._examiner.prepare(self._knowledge, stopping)
        if not stopping():
            _log.info("ready_to_learn", seconds=round(time.perf_counter() - started, 1))

    def run(self, job: Job, carry_on: Callable[[Job], bool]) -> None:
        """Run the stages of a job for as long as `carry_on` says so. The stage it stops at keeps its lease."""
        following = self._timed(self.analyze, job) if job.stage is Stage.ANALYZE else job
        if following is None or not carry_on(following):
            return
        with self._learning:
            if following.stage is Stage.PLAN:
                following = self._timed(self.plan, following)
            if following is not None and carry_on(following):
                self._timed(self.execute, following)

    def _timed(self, stage: Callable[[Job], _Done], job: Job) -> _Done:
        started = time.perf_counter()
        done = stage(job)
        self._emit(Worked(job.exchange_id, job.stage, time.perf_counter() - started))
        return done

    def analyze(self, job: Job) -> Job | None:
        """Judge the exchange, unless an inline judge already did. What nobody could decide waits for a person; a breach
        that the policies in force stop by now needs no new ones."""
        record = self._store.exchanges.get(job.exchange_id)
        judged = record.verdict is not None and record.verdict.outcome is not Outcome.UNDECIDED
        verdict = record.verdict if judged and record.verdict else self._judge(record)
        caught = verdict.is_breach and self._caught(record.exchange)
        following = Stage.PLAN if verdict.is_breach and not caught else None
        self._lifecycle.heed(record, verdict)
        advanced = self._store.jobs.advance(job, following, verdict=None if judged else verdict)
        self._emit(Judged(job.exchange_id, verdict))
        if caught:
            self._emit(Planned(job.exchange_id, (), already_caught=True))
        return advanced

    def plan(self, job: Job) -> Job | None:
        """Write policies for a breach and have each examined; unless the policies in force stop it by now."""
        record = self._store.exchanges.get(job.exchange_id)
        if record.verdict is None or not record.verdict.is_breach:
            return self._store.jobs.advance(job, None)  # a person overruled the verdict meanwhile
        self._enforcement.follow()
        if self._enforcement.stops(record.exchange):
            advanced = self._store.jobs.advance(job, None)
            self._emit(Planned(job.exchange_id, (), already_caught=True))
            return advanced
        if self._triggers is not None and not self._triggers.take(record.exchange.sender):
            # Kept, and learned from with the next breach; but this sender does not make the loop work again now.
            advanced = self._store.jobs.advance(job, None)
            self._emit(Planned(job.exchange_id, (), postponed=True))
            return advanced
        proposals = self._propose(Breach(record.exchange, record.verdict))
        hopeful = any(policy.status is Status.PROPOSED for policy in proposals)
        advanced = self._store.jobs.advance(job, Stage.EXECUTE if hopeful else None, proposals=proposals)
        self._emit(Planned(job.exchange_id, proposals))
        return advanced

    def execute(self, job: Job) -> None:
        """Put the proposals that passed in force, retire what they replace, in one revision."""
        following, change = commit(
            self._store,
            lambda snapshot: self._change(job.exchange_id, snapshot),
            f"the execution of exchange {job.exchange_id}",
            completes=job,
        )
        if change is None:
            self._store.jobs.advance(job, None)
            return
        self._activate(job.exchange_id, following, change)

    def _caught(self, exchange: Exchange) -> bool:
        try:
            return self._enforcement.stops(exchange)
        except SisfError:
            return False  # the plan stage meets it again; by then the verdict, which may have cost a call, is safe

    def _judge(self, record: ExchangeRecord) -> Verdict:
        try:
            return self._adjudicator.adjudicate(record.exchange)
        except Exception as error:  # noqa: BLE001 - a judge that breaks its contract must not count as `safe`
            explained = f"{type(error).__name__}: {error}"
            _log.error("judge_failed", judge=self._adjudicator.name, exchange=record.exchange.id, error=explained)
            return Verdict(Outcome.UNDECIDED, self._adjudicator.name, rationale=f"the judge failed: {explained}")

    def _propose(self, breach: Breach) -> Sequence[Policy]:
        lesson = Breach(self._store.exchanges.lesson(breach.exchange), breach.verdict)
        written = self._synthesiser.synthesise(lesson, self._knowledge)
        versions = [p for p in written if p.provenance.breach_ids and breach.id not in p.provenance.breach_ids]
        proposals = [self._examined(policy, breach) for policy in written if policy not in versions]
        if not any(p.status is Status.PROPOSED and self._lifecycle.entry(p) is Status.ACTIVE for p in proposals):
            waits = self._waits(lesson)
            narrow = None if waits and self._enforcement.recognises(breach.exchange) else self._stand_in(lesson, waits)
            proposals += [self._examined(narrow, breach)] if narrow is not None else []
        return [*proposals, *self._versions(versions)]

    def _versions(self, written: Sequence[Policy]) -> Sequence[Policy]:
        """Later versions of policies that other breaches taught, examined with the latest of these; what a person put
        in force stays as it is."""
        theirs = self._store.policies.of_persons()
        learned = [(policy, newest_breach(policy, self._knowledge)) for policy in written]
        return [
            self._examined(policy, breach)
            for policy, breach in learned
            if breach is not None and theirs.isdisjoint(policy.provenance.supersedes)
        ]

    def _waits(self, breach: Breach) -> bool:
        """Whether others must speak for what is learned from a breach before it acts: the synthesiser reads no harm in
        the request, and something else than what the user said may be the reason, or many people make such requests,
        or only the local judge, a small model, calls it a breach. A person is believed in the latter two."""
        if not isinstance(self._synthesiser, Reads):
            return False
        reading = self._synthesiser.reading(breach, self._knowledge)
        if reading is Reading.HARM:
            return False
        if not stands_alone(breach.exchange, self._knowledge):
            return True
        judge = breach.verdict.judge
        return not judge.startswith(PERSON) and (reading is Reading.HONEST or judge.startswith(LOCAL))

    def _examined(self, policy: Policy, breach: Breach) -> Policy:
        examined = self._examiner.admitted(policy, breach, self._knowledge)
        passed = examined.gate_report is not None and examined.gate_report.passed
        return dataclasses.replace(examined, status=Status.PROPOSED if passed else Status.REJECTED)

    def _change(self, exchange_id: str, snapshot: Snapshot) -> Change | None:
        """The step from `snapshot` that executes the proposals of an exchange; None when there is nothing to do."""
        if self._autonomy == "supervised" or self._lifecycle.tripped():
            return None
        proposed = [p for p in self._store.policies.proposals(exchange_id) if p.status is Status.PROPOSED]
        tried = self._lifecycle.readmissions.admit(
            [dataclasses.replace(policy, status=self._entry(policy)) for policy in proposed]
        )
        entering = tried.policies
        refused = [dataclasses.replace(p, status=Status.REJECTED) for p in proposed if p.id in tried.refused]
        if not (entering or refused):
            return None
        # A shadow policy never takes an enforced one out of force, nor does the loop what a person put in force.
        theirs = self._store.policies.of_persons()
        leaving = {
            old.id: dataclasses.replace(old, status=Status.RETIRED)
            for new in entering
            for old in succeeded(new, snapshot)
            if old.id not in theirs and (new.status is Status.ACTIVE or old.status is Status.SHADOW)
        }
        reason = f"learned from breach {exchange_id}"
        return Change((*entering, *refused, *leaving.values()), "loop", reason, (exchange_id,))

    def _entry(self, policy: Policy) -> Status:
        return self._lifecycle.entry(policy) if self._autonomy == "autonomous" else Status.SHADOW

    def _activate(self, exchange_id: str, snapshot: Snapshot, change: Change) -> None:
        entered = [p for p in change.policies if p.status in (Status.ACTIVE, Status.SHADOW)]
        try:
            self._enforcement.enforce(snapshot)
        except Exception as error:
            # The last good policy set stays in force; the store must not say otherwise.
            self._withdraw(entered, error)
            raise
        self._emit(Activated(exchange_id, snapshot, entered))

    def _withdraw(self, policies: Sequence[Policy], error: Exception) -> None:
        retired = tuple(dataclasses.replace(policy, status=Status.RETIRED) for policy in policies)
        change = Change(retired, "loop", f"could not be enforced: {error}")
        commit(self._store, lambda _: change, "the withdrawal of what cannot be enforced")
