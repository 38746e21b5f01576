"""How policies age: evidence, demotion, exceptions, decay, merging, caps, and a breaker for when honest users are hit.

`proposed → shadow → active → retired`, or `rejected`. Every step is one revision, made by `lifecycle` or by the person
who asked for it, and can be undone. What was decided last stands: only words spoken since then can reverse it.
"""

import dataclasses
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import structlog

from sisf.adjudicator.base import Adjudicator
from sisf.adjudicator.manner import read_manner
from sisf.embedding.base import Embedder
from sisf.errors import PolicyError, StoreError, quoted
from sisf.exchange import Exchange
from sisf.loop import mistakes
from sisf.loop.committing import commit
from sisf.loop.drift import Drift, well_behaved
from sisf.loop.exceptions import Exceptions
from sisf.loop.knowledge import Without
from sisf.loop.overlap import Overlap, overlaps, stopped_of_late
from sisf.loop.readmission import Readmissions
from sisf.loop.rules import Rules
from sisf.loop.succession import answers, succeeded, taken_out
from sisf.policy import Action, Change, Direction, Match, Policy, Snapshot, Status
from sisf.statistics import beta_bounds, lower_bound
from sisf.store import ExchangeRecord, Feedback, FeedbackKind, NoteKind, Store
from sisf.store.records import person_sender, probe_sender
from sisf.synthesis.base import Knowledge, PolicyGate, is_broad
from sisf.synthesis.blame import stands_alone
from sisf.synthesis.lines import WAITING
from sisf.verdict import PERSON, Outcome, Verdict

ACTOR = "lifecycle"
_MERGE_EVERY = timedelta(minutes=10)
_log = structlog.get_logger(__name__)


class Lifecycle:
    """Moves policies through their lives. Safe to call from several threads and nodes: every step is a
    compare-and-swap."""

    def __init__(
        self,
        store: Store,
        gate: PolicyGate,
        knowledge: Knowledge,
        *,
        embedder: Embedder,
        rules: Rules | None = None,
        promote: bool = True,
        judge: Adjudicator | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        steady: Callable[[], datetime] | None = None,
    ) -> None:
        """`embedder`: that of the policies, so that texts can be tried on them. `judge` judges what was stopped of
        well-behaved senders; without it only persons' words are evidence of it. What grows old does so by `steady`,
        by default `now`: what happened of late is found by the clock that it was written with."""
        self._store = store
        self._gate = gate
        self._knowledge = knowledge
        self._rules = rules or Rules()
        self._promote = promote
        self._exceptions = Exceptions(gate, knowledge, embedder)
        self.readmissions = Readmissions(store, embedder)
        self._now, self._steady = now, steady or now
        self._drift = Drift(store, judge, self._rules.breaker_window)
        self._next_merge = datetime.min.replace(tzinfo=UTC)

    def confirm(self, exchange_id: str, *, actor: str) -> int:
        """Somebody competent says that stopping this exchange was right: a word for each policy that did.

        Returns how many policies that were. Raises `StoreError` when there is no such exchange.
        """
        record = self._store.exchanges.get(exchange_id)
        stopping = mistakes.stopping(record)
        for match, _decision in stopping:
            self._add(record, match, FeedbackKind.CONFIRMATION, actor)
        return len(stopping)

    def heed(self, record: ExchangeRecord, verdict: Verdict) -> None:
        """The judge's verdict is a word on each policy that recognised the exchange and did not keep it from being
        answered: shadows, and policies on answers. An answer that declines says nothing against a policy."""
        found = mistakes.strongest(record.decisions, lambda match: match.action is Action.BLOCK)
        if not found or verdict.outcome is Outcome.UNDECIDED:
            return
        if not verdict.is_breach and read_manner(record.exchange.response or "").declines:
            return
        kind = FeedbackKind.CONFIRMATION if verdict.is_breach else FeedbackKind.FALSE_POSITIVE
        for match, _decision in found:
            if not (verdict.is_breach and self._unproved(match.policy_id, record.exchange)):
                self._add(record, match, kind, "adjudicator")

    def _unproved(self, policy_id: str, exchange: Exchange) -> bool:
        """Whether a breach says nothing for a policy: it waits for those in which its request alone is the reason."""
        waits = self._store.policies.get(policy_id).provenance.synthesiser == WAITING
        return waits and not stands_alone(exchange, self._knowledge)

    def report_false_positive(self, exchange_id: str, *, actor: str) -> Snapshot:
        """Somebody says that this exchange was stopped by mistake.

        When a person of this gateway says so (`person:NAME`), that is a word against each policy that stopped it, its
        text becomes a benign case for ever, and each policy that stops it learns the exception at once, or, if it
        cannot without losing its own breaches, becomes a shadow. Anybody else asks a question, which waits for a
        person: a sender's own word is no evidence against what stopped it.
        Raises `StoreError` when no policy stopped the exchange.
        """
        record = self._store.exchanges.get(exchange_id)
        stopping = mistakes.stopping(record)
        if not stopping:
            raise StoreError(
                f"no policy stopped exchange {quoted(exchange_id)}, so there is no false positive to report"
            )
        if not actor.startswith(PERSON):
            self._question(exchange_id, "its sender says that it was stopped by mistake", actor)
            return self._store.policies.snapshot()
        for match, decision in stopping:
            text = mistakes.text_of(record, match, decision.direction)
            kept = text if mistakes.readable(text) else ""
            self._add(record, match, FeedbackKind.FALSE_POSITIVE, actor, case=(kept, decision.direction))
        reason = f"exchange {exchange_id} was stopped by mistake"
        return self._step(lambda snapshot: self._exceptions.excepted(snapshot, record), actor=actor, reason=reason)

    def move(self, policy_id: str, status: Status, *, actor: str, reason: str) -> Snapshot:
        """A person moves one policy to `active`, `shadow` or `retired`. What an activated one replaces retires, and
        proposals that it answers too are rejected. One that was retired comes back through the gate, which knows what
        was reported as a mistake meanwhile.

        One that would stop a text that was reported as a mistake is activated with the exception.
        Raises `PolicyError` when it is not in a state to be moved, did not pass the gate, or can have no exception.
        """

        def plan(snapshot: Snapshot) -> Sequence[Policy]:
            policy = self._store.policies.get(policy_id)
            if policy.status is Status.REJECTED:
                raise PolicyError(f"policy {policy.id} is rejected; the loop proposes anew what is needed")
            if policy.status is Status.RETIRED and status is not Status.RETIRED:
                policy = self._restored(policy)
            if policy.status is status:
                raise PolicyError(f"policy {policy.id} is {status} already")
            if status is not Status.RETIRED and not (policy.gate_report and policy.gate_report.passed):
                raise PolicyError(f"policy {policy.id} has no gate report that it passed")
            moved = dataclasses.replace(policy, status=status)
            if status is not Status.ACTIVE:
                return [moved]
            tried = self.readmissions.admit((moved,))
            if tried.refused:
                raise PolicyError(f"policy {policy.id} cannot become active: {tried.refused[policy.id]}")
            replaced = [dataclasses.replace(p, status=Status.RETIRED) for p in succeeded(policy, snapshot)]
            proposed = self._store.policies.list(Status.PROPOSED)
            answered = [dataclasses.replace(p, status=Status.REJECTED) for p in proposed if answers(policy, p)]
            return [*replaced, *answered, *tried.policies]

        return self._step(plan, actor=actor, reason=reason)

    def overlaps(self) -> list[Overlap]:
        """Active policies that others replace, for a person to decide on."""
        return overlaps(self._store, self._gate, self._knowledge)

    def _restored(self, policy: Policy) -> Policy:
        """A retired policy as the gate finds it now. Raises `PolicyError` that says what it would stop."""
        report = self._gate.examine(policy, None, Without(self._knowledge, policy.id))
        if not report.passed:
            raise PolicyError(f"policy {policy.id} does not pass the gate any more: {'; '.join(report.reasons)}")
        caught = policy.gate_report
        if caught is not None:  # that it catches its breach was shown when it came
            report = dataclasses.replace(
                report,
                catches_breach=caught.catches_breach,
                variants=caught.variants,
                variants_caught=caught.variants_caught,
            )
        return dataclasses.replace(policy, gate_report=report)

    def review(self) -> Snapshot:
        """Judge what was stopped of the well-behaved; then demote, promote, merge, let decay and cap, in one revision;
        none when nothing is due. What a person put in force is questioned at most."""
        self._drift.examine(self._now())
        if self.tripped():
            _log.error("breaker_open")
        return self._step(self._due, actor=ACTOR, reason="review of the evidence")

    def entry(self, policy: Policy) -> Status:
        """The status with which a policy that passed the gate enters: active, or shadow when it waits for others than
        one judge to speak for it, is a later version of what a person took out of force, or is broad and too few benign
        texts or too few principals do. The breaches of the probing agent alone suffice, since no attacker chose them;
        beside those of users they count as one sender's."""
        report = policy.gate_report
        if policy.provenance.synthesiser == WAITING or (report is not None and report.provisional):
            return Status.SHADOW
        if taken_out(policy, self._store.policies.settled_by_persons()):
            return Status.SHADOW
        if self._rules.broad_principals <= 1 or not is_broad(policy.condition):
            return Status.ACTIVE
        learned_from = set(policy.provenance.breach_ids)
        senders = {b.exchange.sender for b in self._knowledge.breaches() if b.id in learned_from}
        users = {sender for sender in senders if not sender.is_probe}
        probed = len(users) < len(senders)
        enough = len(users) + probed >= self._rules.broad_principals if users else probed
        return Status.ACTIVE if enough else Status.SHADOW

    def tripped(self) -> bool:
        """Whether the breaker is open: what the loop put in force has of late stopped harmless exchanges, by the words
        of persons, or by the judge's on so many senders that more than a few honest ones must be among them. While it
        is, the loop must not put anything in force by itself."""
        rules, since = self._rules, self._now() - self._rules.breaker_window
        found = set(self._store.feedback.mistakes(since))
        if len(found) < rules.breaker_principals:
            return False
        theirs = self._store.policies.of_persons()
        found = {mistake for mistake in found if mistake.policy_id not in theirs}
        if sum(not mistake.sender.tenant for mistake in found) >= rules.breaker_principals:
            return True
        hit = {mistake.sender for mistake in found if mistake.sender.tenant}
        if len(hit) < rules.breaker_principals:
            return False
        # Honest users ask little: all who behave count, or a few who are busy would be everybody.
        behaving = well_behaved(self._store.exchanges.conduct(since), least=1)
        return lower_bound(len(hit), len(behaving | hit)) > rules.breaker_rate

    def _add(
        self,
        record: ExchangeRecord,
        match: Match,
        kind: FeedbackKind,
        actor: str,
        *,
        case: tuple[str, Direction] = ("", Direction.PROMPT),
    ) -> None:
        """A word on a policy, and the benign case that follows from it.

        What the probing agent sends speaks for a policy as one sender at most, and never against one: it is no honest
        use that was hit.
        """
        sender = person_sender(actor) if actor.startswith(PERSON) else record.exchange.sender
        if sender.is_probe:
            if kind is FeedbackKind.FALSE_POSITIVE:
                return
            sender = probe_sender()
        self._store.feedback.add(Feedback(match.policy_id, kind, sender, record.exchange.id, actor, *case))

    def _step(self, plan: Callable[[Snapshot], Sequence[Policy]], *, actor: str, reason: str) -> Snapshot:
        def change(snapshot: Snapshot) -> Change | None:
            policies = plan(snapshot)
            return Change(tuple(policies), actor, reason) if policies else None

        return commit(self._store, change, "one step of the lifecycle")[0]

    def _due(self, snapshot: Snapshot) -> list[Policy]:
        last_hits = self._store.feedback.last_hits()
        confirmed = self._store.feedback.confirmed(self._steady() - self._rules.decay)
        settled = self._store.policies.settled_by_persons()
        theirs = {policy.id for policy in settled if policy.status is Status.ACTIVE}
        changed = []
        remaining: list[Policy] = []
        shadows: list[Policy] = []
        for policy in snapshot.policies:
            if policy.id in theirs:
                self._doubt(policy)
                continue
            idle = policy.id not in confirmed and self._idle(policy, last_hits.get(policy.id))
            status = Status.RETIRED if idle else self._status(policy, settled)
            if status is not policy.status:
                changed.append(dataclasses.replace(policy, status=status))
            else:
                (remaining if status is Status.ACTIVE else shadows).append(policy)
        promoted = [policy for policy in changed if policy.status is Status.ACTIVE]
        tried = self.readmissions.admit(promoted)
        changed = [*(policy for policy in changed if policy.status is not Status.ACTIVE), *tried.policies]
        gone = self._merged(remaining)
        remaining = [policy for policy in remaining if policy.id not in gone]
        for kept, room in ((remaining, self._rules.active_limit - len(theirs)), (shadows, self._rules.active_limit)):
            kept.sort(key=lambda p: (last_hits.get(p.id, p.created), p.created))
            gone |= {policy.id for policy in kept[: max(len(kept) - max(room, 0), 0)]}
        return changed + [dataclasses.replace(p, status=Status.RETIRED) for p in snapshot.policies if p.id in gone]

    def _idle(self, policy: Policy, last_hit: datetime | None) -> bool:
        return self._steady() - max(last_hit or policy.updated, policy.updated) > self._rules.decay

    def _status(self, policy: Policy, settled: Sequence[Policy]) -> Status:
        rules = self._rules
        if policy.status is Status.ACTIVE:
            return Status.SHADOW if self._accused(policy, policy.updated) else Status.ACTIVE
        if taken_out(policy, settled):
            return policy.status
        confirmations, _ = self._store.feedback.weigh(policy.id, policy.updated)
        lower, _ = beta_bounds(*self._store.feedback.weigh(policy.id))
        if self._promote and confirmations >= rules.promote_confirmations and lower >= rules.promote_precision:
            return Status.ACTIVE if not self.tripped() and self._passes(policy) else Status.SHADOW
        return policy.status

    def _accused(self, policy: Policy, since: datetime) -> bool:
        """Whether enough senders accused it since then, and all the evidence does not speak for it."""
        _, accusations = self._store.feedback.weigh(policy.id, since)
        if accusations < self._rules.demote_principals:
            return False
        lower, _ = beta_bounds(*self._store.feedback.weigh(policy.id))
        return lower < self._rules.demote_precision

    def _doubt(self, policy: Policy) -> None:
        """Ask a person about a policy of theirs, once for what was said since anybody looked at it."""
        if not self._accused(policy, policy.updated):
            return
        notes = self._store.oversight.notes([policy.id])[policy.id]
        if not notes or self._accused(policy, max(policy.updated, notes[-1].time)):
            self._question(policy.id, "by its evidence it stops harmless exchanges", ACTOR)

    def _question(self, subject: str, text: str, actor: str) -> None:
        """Mark an exchange or a policy for the queue, once."""
        notes = self._store.oversight.notes([subject])[subject]
        if not notes or notes[-1].kind is not NoteKind.QUESTION:
            self._store.oversight.note(subject, NoteKind.QUESTION, text, actor=actor)

    def _passes(self, policy: Policy) -> bool:
        known = policy.gate_report is not None and policy.gate_report.passed
        return known and self._gate.examine(policy, None, Without(self._knowledge, policy.id)).passed

    def _merged(self, active: Sequence[Policy]) -> set[str]:
        """Settled policies that others replace: these catch the same breaches, and what it stopped of late."""
        if self._now() < self._next_merge:
            return set()
        self._next_merge = self._now() + _MERGE_EVERY
        before = self._steady() - self._rules.merge_after
        settled = [policy for policy in active if policy.updated < before]
        if not settled:
            return set()
        return set(self._gate.redundant(settled, active, self._knowledge, stopped_of_late(self._store)))
