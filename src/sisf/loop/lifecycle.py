"""How policies age: evidence, demotion, exceptions, decay, caps, and a breaker for when honest users are hit.

`proposed → shadow → active → retired`, or `rejected`. Every step is one revision, made by `lifecycle`, and can be
undone.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import re2

from sisf.errors import RevisionConflict, StoreError
from sisf.loop.knowledge import Without
from sisf.policy import (
    Action,
    Change,
    Decision,
    Direction,
    Evidence,
    Match,
    Pattern,
    Policy,
    Probe,
    Prototypes,
    Snapshot,
    Status,
    Substitution,
)
from sisf.store import ExchangeRecord, Feedback, FeedbackKind, Store
from sisf.synthesis.base import Knowledge, PolicyGate

ACTOR = "lifecycle"
_CONFLICTS = 100
_MARGIN = 1e-4
_SAMPLE, _KEPT_REACH = 10, 0.8
_LONGEST_EXCEPTION = 4_000


@dataclass(frozen=True, slots=True)
class Rules:
    """When a policy is demoted, promoted or retired."""

    demote_precision: float = 0.5
    """An active policy whose precision is, by its evidence, below this with 95 % confidence becomes a shadow."""
    demote_principals: int = 2
    """So many distinct principals must have reported it (a person of this gateway counts for all of them)."""
    promote_confirmations: int = 3
    """A shadow with so many confirming principals and no false positive becomes active, where autonomy allows."""
    decay: timedelta = timedelta(days=90)
    """A policy that matched nothing for so long retires."""
    broad_principals: int = 1
    """A learned policy (probe, prototypes) enters as a shadow until breaches of so many distinct principals speak for
    it. More than 1 keeps a single attacker from steering what is learned, and slows learning from few clients."""
    active_limit: int = 2_000
    """Above this many active policies those of least use retire."""
    breaker_principals: int = 5
    """So many distinct reports of false positives within `breaker_window` trip the breaker."""
    breaker_window: timedelta = timedelta(hours=1)


def precision_bounds(evidence: Evidence, *, confidence: float = 0.95) -> tuple[float, float]:
    """Lower and upper bound of a policy's precision: Beta quantiles after a uniform prior, one-sided each."""
    from scipy.stats import beta

    posterior = beta(1 + evidence.confirmations, 1 + evidence.false_positives)
    return float(posterior.ppf(1 - confidence)), float(posterior.ppf(confidence))


class Lifecycle:
    """Moves policies through their lives. Safe to call from several threads and nodes: every step is a
    compare-and-swap."""

    def __init__(
        self,
        store: Store,
        gate: PolicyGate,
        knowledge: Knowledge,
        *,
        rules: Rules | None = None,
        promote: bool = True,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._gate = gate
        self._knowledge = knowledge
        self._rules = rules or Rules()
        self._promote = promote
        self._now = now

    def confirm(self, exchange_id: str, *, actor: str) -> None:
        """Somebody competent says that stopping this exchange was right: a word for each policy that did."""
        record = self._store.exchanges.get(exchange_id)
        for match, _decision in _stopping(record):
            self._add(record, match, FeedbackKind.CONFIRMATION, actor)

    def report_false_positive(self, exchange_id: str, *, actor: str) -> Snapshot:
        """Somebody says that this exchange was stopped by mistake.

        It becomes a benign case for ever and a word against each policy that stopped it. When a person of this gateway
        says so (`person:NAME`), each of these policies also learns the exception at once, or, if it would no longer
        catch its own breaches then, becomes a shadow. Raises `StoreError` when no policy stopped the exchange.
        """
        record = self._store.exchanges.get(exchange_id)
        stopping = _stopping(record)
        if not stopping:
            raise StoreError(f"no policy stopped exchange `{exchange_id}`, so there is no false positive to report")
        for match, decision in stopping:
            self._add(record, match, FeedbackKind.FALSE_POSITIVE, actor, decision)
        if not actor.startswith("person:"):
            return self.review()
        texts = {match.policy_id: (match, _text(record, match, decision)) for match, decision in stopping}
        reason = f"exchange {exchange_id} was stopped by mistake"
        return self._step(lambda snapshot: self._excepted(snapshot, texts), actor=actor, reason=reason)

    def review(self) -> Snapshot:
        """Demote, promote, let decay and cap, in one revision; none when nothing is due."""
        return self._step(self._due, actor=ACTOR, reason="review of the evidence")

    def entry(self, policy: Policy) -> Status:
        """The status with which a policy that passed the gate enters: active, or shadow when it is broad and too few
        principals speak for it."""
        if self._rules.broad_principals <= 1 or not isinstance(policy.condition, Prototypes | Probe):
            return Status.ACTIVE
        learned_from = set(policy.provenance.breach_ids)
        principals = {b.exchange.principal for b in self._knowledge.breaches() if b.id in learned_from}
        return Status.ACTIVE if len(principals) >= self._rules.broad_principals else Status.SHADOW

    def tripped(self) -> bool:
        """Whether the breaker is open: too many distinct reports of false positives of late. While it is, the loop
        must not put anything in force by itself."""
        recent = self._store.feedback.false_positives(self._now() - self._rules.breaker_window)
        return sum(recent.values()) >= self._rules.breaker_principals

    def _add(
        self, record: ExchangeRecord, match: Match, kind: FeedbackKind, actor: str, decision: Decision | None = None
    ) -> None:
        principal = actor if actor.startswith("person:") else record.exchange.principal
        text = _text(record, match, decision) if decision else ""
        direction = decision.direction if decision else Direction.PROMPT
        feedback = Feedback(match.policy_id, kind, principal, record.exchange.id, actor, text, direction)
        self._store.feedback.add(feedback)

    def _step(self, plan: Callable[[Snapshot], Sequence[Policy]], *, actor: str, reason: str) -> Snapshot:
        for _ in range(_CONFLICTS):
            snapshot = self._store.policies.snapshot()
            policies = plan(snapshot)
            if not policies:
                return snapshot
            try:
                return self._store.policies.commit(Change(tuple(policies), actor, reason), expected=snapshot.revision)
            except RevisionConflict:
                continue
        raise StoreError(f"the policy set changed {_CONFLICTS} times during one step of the lifecycle")

    def _excepted(self, snapshot: Snapshot, texts: dict[str, tuple[Match, str]]) -> list[Policy]:
        changed = []
        for policy in snapshot.policies:
            if policy.id in texts and policy.status is Status.ACTIVE:
                match, text = texts[policy.id]
                narrowed = narrow(policy, text, match.score)
                report = self._gate.examine(narrowed, None, Without(self._knowledge, policy.id))
                fit = report.passed and self._still_catches(narrowed)
                status = Status.ACTIVE if fit else Status.SHADOW
                changed.append(dataclasses.replace(narrowed, status=status, gate_report=report))
        return changed

    def _still_catches(self, policy: Policy) -> bool:
        learned_from = set(policy.provenance.breach_ids)
        breaches = [breach for breach in self._knowledge.breaches() if breach.id in learned_from][-_SAMPLE:]
        without = Without(self._knowledge, policy.id)
        caught = sum(self._gate.examine(policy, breach, without).catches_breach for breach in breaches)
        return caught >= _KEPT_REACH * len(breaches)

    def _due(self, snapshot: Snapshot) -> list[Policy]:
        last_hits = self._store.feedback.last_hits()
        changed = []
        remaining = []
        for held in snapshot.policies:
            policy = self._store.policies.get(held.id)  # with the evidence as it is now
            status = self._status(policy, last_hits.get(policy.id))
            if status is not policy.status:
                changed.append(dataclasses.replace(policy, status=status))
            elif status is Status.ACTIVE:
                remaining.append(policy)
        surplus = len(remaining) - self._rules.active_limit
        if surplus > 0:
            remaining.sort(key=lambda p: (last_hits.get(p.id, p.created), p.created))
            changed += [dataclasses.replace(policy, status=Status.RETIRED) for policy in remaining[:surplus]]
        return changed

    def _status(self, policy: Policy, last_hit: datetime | None) -> Status:
        rules, evidence = self._rules, policy.evidence
        if self._now() - max(last_hit or policy.updated, policy.updated) > rules.decay:
            return Status.RETIRED
        if policy.status is Status.ACTIVE and evidence.false_positives >= rules.demote_principals:
            return Status.SHADOW if precision_bounds(evidence)[0] < rules.demote_precision else Status.ACTIVE
        if policy.status is Status.SHADOW and self._promote and not self.tripped():
            passed = policy.gate_report is not None and policy.gate_report.passed
            confirmed = evidence.confirmations >= rules.promote_confirmations and not evidence.false_positives
            return Status.ACTIVE if passed and confirmed else Status.SHADOW
        return policy.status


def narrow(policy: Policy, text: str, score: float) -> Policy:
    """The policy that no longer stops `text`: a pattern gets an exception, a threshold rises above the score."""
    match policy.condition:
        case Pattern() as pattern:
            exception = f"(?i)^{re2.escape(text)}$"
            if exception in pattern.exceptions or len(text) > _LONGEST_EXCEPTION:
                return policy  # the gate, which knows the text as a benign case by now, has the last word
            condition: Pattern | Prototypes | Probe | Substitution = dataclasses.replace(
                pattern, exceptions=(*pattern.exceptions, exception)
            )
        case Prototypes() | Probe() as learned:
            condition = dataclasses.replace(learned, threshold=max(learned.threshold, score + _MARGIN))
        case other:
            condition = other
    return dataclasses.replace(policy, condition=condition)


def _stopping(record: ExchangeRecord) -> list[tuple[Match, Decision]]:
    """The matches that stopped an exchange: one for each policy, with the decision they stand in."""
    found: dict[str, tuple[Match, Decision]] = {}
    for decision in record.decisions:
        if decision.blocked:
            for match in decision.matches:
                if match.action is Action.BLOCK and not match.shadow:
                    known = found.get(match.policy_id)
                    if known is None or match.score > known[0].score:
                        found[match.policy_id] = (match, decision)
    return list(found.values())


def _text(record: ExchangeRecord, match: Match, decision: Decision) -> str:
    """The inspected text that a match stands in."""
    if decision.direction is Direction.RESPONSE:
        return record.exchange.response or ""
    messages = record.exchange.messages
    return messages[match.segment].content if match.segment < len(messages) else record.exchange.prompt
