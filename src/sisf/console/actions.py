"""What a person can change. Every step names its actor in the audit log; all block."""

from dataclasses import dataclass, replace

from sisf.errors import PolicyError, StoreError
from sisf.exchange import Sender
from sisf.loop import Lifecycle, Return
from sisf.policy import Change, Policy, Snapshot, Status
from sisf.store.base import Store
from sisf.taxonomy import Hazard, Technique
from sisf.verdict import Outcome, Verdict

STEPS = {"activate": Status.ACTIVE, "shadow": Status.SHADOW, "retire": Status.RETIRED, "reject": Status.REJECTED}


@dataclass(frozen=True, slots=True)
class Actions:
    """Changes to the store of a running system."""

    store: Store
    lifecycle: Lifecycle | None = None
    """Without one, mistakes cannot be reported here: that needs the gate."""

    def move(self, policy_id: str, step: str, actor: str) -> Snapshot:
        """Activate, shadow, retire or reject one policy. Raises `PolicyError` when it cannot move there."""
        status = STEPS[step]
        policy = self.store.policies.get(policy_id)
        if not may_move(policy, step):
            proven = policy.gate_report is not None and policy.gate_report.passed
            why = (
                f"it is {policy.status}" if proven or status not in (Status.ACTIVE, Status.SHADOW) else "it is unproven"
            )
            raise PolicyError(f"policy {policy_id} cannot become {status}: {why}")
        reason = f"{policy.status} to {status} on the console"
        if self.lifecycle is not None and status is not Status.REJECTED:
            return self.lifecycle.move(policy_id, status, actor=actor, reason=reason)
        change = Change((replace(policy, status=status),), actor, reason)
        return self.store.policies.commit(change, expected=self.store.policies.snapshot().revision)

    def rollback(self, revision: int, actor: str) -> Snapshot:
        """Make an earlier revision the next one, but for what has since proved to be a mistake."""
        reason = f"rolled back to {revision} on the console"
        return self._living().readmissions.roll_back(revision, actor=actor, reason=reason).snapshot

    def preview(self, revision: int) -> Return | None:
        """What going back to an earlier revision would change; None where this console cannot try policies."""
        return None if self.lifecycle is None else self.lifecycle.readmissions.preview(revision)

    def label(self, exchange_id: str, outcome: Outcome, actor: str) -> None:
        """A person's verdict. A breach enters the loop, so that it is learned from."""
        old = self.store.exchanges.get(exchange_id).verdict
        verdict = Verdict(
            outcome,
            judge=actor,
            hazard=old.hazard if old else Hazard.OTHER,
            technique=old.technique if old else Technique.OTHER,
            severity=old.severity if old else 0.5,
            confidence=1.0,
            rationale="decided on the console",
        )
        self.store.exchanges.save_verdict(exchange_id, verdict, actor=actor, learn=True)

    def mistake(self, exchange_id: str, actor: str) -> Snapshot:
        """This exchange was stopped by mistake: what stopped it learns the exception, or stops enforcing."""
        return self._living().report_false_positive(exchange_id, actor=actor)

    def confirm(self, exchange_id: str, actor: str) -> None:
        """Stopping this exchange was right: a word for each policy that did."""
        self._living().confirm(exchange_id, actor=actor)

    def retry(self, exchange_id: str, actor: str) -> None:
        """Put work that was given up back to the loop."""
        self.store.jobs.retry(exchange_id)
        self.store.audit.append(actor=actor, action="job.retry", subject=exchange_id, revision=0, detail={})

    def forget(self, sender: Sender, actor: str) -> int:
        """Delete all exchanges of one sender for good; returns how many there were."""
        return self.store.exchanges.delete(actor=actor, reason="deleted on the console", sender=sender)

    def _living(self) -> Lifecycle:
        if self.lifecycle is None:
            raise StoreError("this console has no gate to try policies with; use `sisf breach` and `sisf policy`")
        return self.lifecycle


def may_move(policy: Policy, step: str) -> bool:
    """Whether a policy can take this step: nothing acts without a gate report that it passed."""
    status = STEPS[step]
    if policy.status in (status, Status.REJECTED):
        return False
    if status in (Status.ACTIVE, Status.SHADOW):
        return policy.gate_report is not None and policy.gate_report.passed
    if status is Status.REJECTED:
        return policy.status is Status.PROPOSED
    return policy.status in (Status.ACTIVE, Status.SHADOW)
