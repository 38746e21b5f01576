"""The store as one tenant's people may see it: what belongs to another tenant is not there.

Each table has only the methods that stand here, so what nobody thought of is refused and not shown. Policies of all
tenants can be read without what they were learned from, and are changed by nobody here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

from starlette.exceptions import HTTPException

from sisf.errors import StoreError, quoted
from sisf.exchange import Sender
from sisf.loop.mistakes import only_of
from sisf.policy import Evidence, Policy, Provenance, Snapshot, Status
from sisf.policy.model import Pattern, Probe, Prototypes
from sisf.store import Store
from sisf.store.figures import Standing
from sisf.store.records import (
    AuditRow,
    BenignCase,
    ExchangeRecord,
    Job,
    Label,
    Note,
    NoteKind,
    RevisionRow,
    Said,
    Scope,
    Spoken,
    Suspension,
    Word,
)
from sisf.store.search import Found, Query
from sisf.taxonomy import Hazard
from sisf.verdict import Outcome, Verdict
from sisf.warden.explain import Explanation

_FOR_ALL = (Status.ACTIVE, Status.SHADOW, Status.RETIRED)
"""A policy of all tenants is shown once it was in force, not while it is a proposal."""
_NOT_TOLD = "not told: the policy is of all tenants"
_SOMEBODY = "somebody who runs this gateway"


def of_tenant(store: Store, tenant: str) -> Store:
    """The store with the things of one tenant only."""
    return cast(Store, _TenantStore(store, tenant))


def shown(policy: Policy, tenant: str) -> Policy | None:
    """A policy as people of a tenant may see it; None when it is another's.

    The honest texts that it spares or would stop may be anybody's, and are not shown. One of all tenants is shown
    without any text, and without what it was learned from: those are of whoever breached.
    """
    if policy.tenant not in ("", tenant) or (not policy.tenant and policy.status not in _FOR_ALL):
        return None
    report, condition = policy.gate_report, policy.condition
    if isinstance(condition, Pattern | Prototypes | Probe):
        condition = replace(condition, exceptions=())
    report = replace(report, benign_hits=()) if report is not None else None
    if policy.tenant:
        return replace(policy, condition=condition, gate_report=report)
    if isinstance(condition, Prototypes | Probe):
        condition = replace(condition, examples=())
    if isinstance(condition, Probe):
        condition = replace(condition, ngrams={})
    found = replace(
        policy,
        condition=condition,
        provenance=Provenance((), policy.provenance.synthesiser, policy.provenance.model),
        evidence=Evidence(),
        gate_report=replace(report, duplicates=(), reasons=()) if report is not None else None,
    )
    if policy.provenance.synthesiser == "person" and not policy.provenance.breach_ids:
        return found
    if isinstance(condition, Pattern):
        found = replace(found, condition=Pattern("(not shown)"))
    return replace(found, description=f"A learned policy of all tenants against {policy.hazard.label}")


def told_to(explanation: Explanation, tenant: str) -> Explanation:
    """An explanation for people of a tenant: how a policy of all tenants recognised a text tells of others' texts."""
    reasons = []
    for reason in explanation.reasons:
        policy = shown(reason.policy, tenant)
        if policy is not None and policy.tenant:
            reasons.append(replace(reason, policy=policy))
        elif policy is not None:
            reasons.append(replace(reason, policy=policy, why=_NOT_TOLD, evidence=_NOT_TOLD, change=_NOT_TOLD))
    return replace(explanation, reasons=tuple(reasons))


def concerns_all() -> HTTPException:
    """What is refused because it would change something for other tenants too."""
    return HTTPException(403, "This concerns all tenants; it needs a key that was made without a tenant.")


class _Part:
    """One table of a store, for one tenant."""

    def __init__(self, store: Store, tenant: str) -> None:
        self._store = store
        self._tenant = tenant

    def __getattr__(self, name: str) -> Any:
        raise StoreError(f"there is no {quoted(name)} for one tenant")

    def _exchange(self, exchange_id: str) -> ExchangeRecord:
        """An exchange of this tenant. Raises `StoreError`: what is another's is not there."""
        record = self._store.exchanges.get(exchange_id)
        if record.exchange.tenant != self._tenant:
            raise StoreError(f"there is no exchange {quoted(exchange_id)}")
        return record

    def _policy(self, policy_id: str) -> Policy:
        """A policy that may be seen. Raises `StoreError`."""
        found = shown(self._store.policies.get(policy_id), self._tenant)
        if found is None:
            raise StoreError(f"there is no policy {quoted(policy_id)}")
        return found

    def _owns(self, subject: str) -> bool:
        """Whether an exchange or a policy belongs to this tenant."""
        for look in (self._exchange, self._policy):
            try:
                found = look(subject)
            except StoreError:
                continue
            return not isinstance(found, Policy) or found.tenant == self._tenant
        return False

    def _change(self, subject: str) -> None:
        """Raises `StoreError` for what is not there, `HTTPException` for what belongs to all."""
        if self._owns(subject):
            return
        self._policy(subject)
        raise concerns_all()

    def _speak(self, exchange_id: str) -> None:
        """Raises unless the exchange, and all that stopped it, are this tenant's."""
        if not only_of(self._store, self._exchange(exchange_id), self._tenant):
            raise concerns_all()


class _Exchanges(_Part):
    def get(self, exchange_id: str) -> ExchangeRecord:
        return self._exchange(exchange_id)

    def search(self, wanted: Query, limit: int = 50, *, before: int | None = None) -> Sequence[Found]:
        if wanted.tenant not in (None, self._tenant):
            return []
        return self._store.exchanges.search(replace(wanted, tenant=self._tenant), limit, before=before)

    def recent(self, limit: int = 100, *, outcome: Outcome | None = None) -> Sequence[ExchangeRecord]:
        return self._store.exchanges.recent(limit, outcome=outcome, tenant=self._tenant)

    def count(self, outcome: Outcome, most: int) -> int:
        return self._store.exchanges.count(outcome, most, tenant=self._tenant)

    def standing(self, wanted: Query, *, last: int = 20_000, parts: int = 1) -> Sequence[Standing]:
        return self._store.exchanges.standing(replace(wanted, tenant=self._tenant), last=last, parts=parts)

    def labels(self, limit: int = 10_000) -> Sequence[Label]:
        return self._store.exchanges.labels(limit, tenant=self._tenant)

    def neighbours(self, exchange_id: str) -> tuple[str | None, str | None]:
        return self._store.exchanges.neighbours(self._exchange(exchange_id).exchange.id, tenant=self._tenant)

    def verdicts(self, exchange_id: str) -> Sequence[Spoken]:
        return self._store.exchanges.verdicts(self._exchange(exchange_id).exchange.id)

    def index(self) -> int:
        return self._store.exchanges.index()

    def take_back(self, exchange_id: str, *, actor: str) -> Verdict | None:
        return self._store.exchanges.take_back(self._exchange(exchange_id).exchange.id, actor=actor)

    def save_verdict(self, exchange_id: str, verdict: Verdict, *, actor: str, learn: bool = False) -> None:
        self._exchange(exchange_id)
        self._store.exchanges.save_verdict(exchange_id, verdict, actor=actor, learn=learn)

    def delete(self, *, actor: str, reason: str, sender: Sender) -> int:
        if sender.tenant != self._tenant:
            raise StoreError("there is no such sender")
        return self._store.exchanges.delete(actor=actor, reason=reason, sender=sender)


class _Policies(_Part):
    def snapshot(self, revision: int | None = None) -> Snapshot:
        found = self._store.policies.snapshot(revision)
        return Snapshot(found.revision, tuple(self._shown(found.policies)))

    def get(self, policy_id: str) -> Policy:
        return self._policy(policy_id)

    def list(self, status: Status | None = None) -> Sequence[Policy]:
        return self._shown(self._store.policies.list(status))

    def counts(self) -> Mapping[tuple[Status, Hazard], int]:
        counts: dict[tuple[Status, Hazard], int] = {}
        for policy in self.list():
            counts[policy.status, policy.hazard] = counts.get((policy.status, policy.hazard), 0) + 1
        return counts

    def newest(self, hazard: Hazard, status: Status | None, limit: int, offset: int = 0) -> Sequence[Policy]:
        found = [policy for policy in self.list(status) if policy.hazard is hazard]
        return found[::-1][offset : offset + limit]

    def learned_from(self, exchange_id: str, limit: int = 100) -> Sequence[Policy]:
        return self._shown(self._store.policies.learned_from(self._exchange(exchange_id).exchange.id, limit))

    def versions(self, policy_id: str) -> Sequence[tuple[int, Policy]]:
        if self._policy(policy_id).tenant != self._tenant:
            return []
        versions = self._store.policies.versions(policy_id)
        return [(number, seen) for number, policy in versions if (seen := shown(policy, self._tenant)) is not None]

    def revision(self, number: int) -> RevisionRow:
        if not self.changed(number):
            raise StoreError(f"there is no revision {number}")
        return self._store.policies.revision(number)

    def revisions(self, limit: int = 100) -> Sequence[RevisionRow]:  # noqa: ARG002 - the same call
        return []  # they tell of everybody's policies

    def changed(self, number: int) -> Sequence[str]:
        return [policy_id for policy_id in self._store.policies.changed(number) if self._owns(policy_id)]

    def _shown(self, policies: Sequence[Policy]) -> Sequence[Policy]:
        return [found for policy in policies if (found := shown(policy, self._tenant)) is not None]


class _Jobs(_Part):
    def counts(self) -> Mapping[str, int]:
        return {"ready": 0, "leased": 0, "waiting": 0, "dead": len(self.dead())}

    def dead(self) -> Sequence[tuple[Job, str]]:
        return [(job, error) for job, error in self._store.jobs.dead() if self._owns(job.exchange_id)]

    def retry(self, exchange_id: str) -> None:
        self._exchange(exchange_id)
        self._store.jobs.retry(exchange_id)


class _Feedback(_Part):
    def benign_cases(self, *, policy: str | None = None) -> Sequence[tuple[int, BenignCase]]:
        cases = self._store.feedback.benign_cases(policy=policy)
        return [(number, case) for number, case in cases if self._owns(case.exchange_id)]


class _Audit(_Part):
    def append(self, *, actor: str, action: str, subject: str, revision: int, detail: Mapping[str, Any]) -> AuditRow:
        return self._store.audit.append(actor=actor, action=action, subject=subject, revision=revision, detail=detail)

    def latest(self, limit: int = 100, *, subject: str) -> Sequence[AuditRow]:
        return self._store.audit.latest(limit, subject=subject) if self._owns(subject) else []


class _Oversight(_Part):
    def suspend(self, scope: Scope, subject: str, lasts: timedelta, *, actor: str, reason: str) -> Suspension:
        if scope is Scope.ALL:
            raise concerns_all()
        if scope is Scope.POLICY:
            self._change(subject)
        elif subject != self._tenant:
            raise StoreError(f"there is no tenant {quoted(subject)} here")
        return self._store.oversight.suspend(scope, subject, lasts, actor=actor, reason=reason)

    def resume(self, suspension_id: str | None, *, actor: str) -> int:
        own = [each.id for each in self.suspensions() if each.id]
        if suspension_id is not None and suspension_id not in own:
            raise StoreError(f"there is no suspension {quoted(suspension_id)} that lasts")
        wanted = own if suspension_id is None else [suspension_id]
        return sum(self._store.oversight.resume(each, actor=actor) for each in wanted)

    def suspensions(self) -> Sequence[Suspension]:
        """Its own; and those of all, without an id and a reason: they end elsewhere."""
        found: list[Suspension] = []
        for each in self._store.oversight.suspensions():
            own = each.subject == self._tenant if each.scope is Scope.TENANT else self._owns(each.subject)
            if each.scope is Scope.ALL:
                found.append(replace(each, id="", actor=_SOMEBODY, reason=""))
            elif own:
                found.append(each)
        return found

    def say(self, exchange_id: str, said: Said, *, actor: str, revision: int) -> Word:
        self._speak(exchange_id)
        return self._store.oversight.say(exchange_id, said, actor=actor, revision=revision)

    def word(self, exchange_id: str) -> Word | None:
        return self._store.oversight.word(self._exchange(exchange_id).exchange.id)

    def take_back(self, exchange_id: str, *, actor: str) -> Word:
        self._speak(exchange_id)
        return self._store.oversight.take_back(exchange_id, actor=actor)

    def note(self, subject: str, kind: NoteKind, text: str = "", *, actor: str) -> Note:
        self._change(subject)
        return self._store.oversight.note(subject, kind, text, actor=actor)

    def notes(self, subjects: Sequence[str]) -> Mapping[str, Sequence[Note]]:
        own = [subject for subject in subjects if self._owns(subject)]
        return {**{subject: [] for subject in subjects}, **self._store.oversight.notes(own)}

    def questions(self) -> Sequence[Note]:
        return [note for note in self._store.oversight.questions() if self._owns(note.subject)]


class _TenantStore(_Part):
    """A store of which one tenant's things are seen. Nodes, probes, messages and what passed are nobody's here."""

    def __init__(self, store: Store, tenant: str) -> None:
        super().__init__(store, tenant)
        parts: Mapping[str, Callable[[Store, str], _Part]] = {
            "exchanges": _Exchanges,
            "policies": _Policies,
            "jobs": _Jobs,
            "feedback": _Feedback,
            "audit": _Audit,
            "oversight": _Oversight,
        }
        self.__dict__.update({name: part(store, tenant) for name, part in parts.items()})
