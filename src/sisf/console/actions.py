"""What a person can change. Every step names its actor in the audit log; all block."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from starlette.exceptions import HTTPException

from sisf.console.parts import Parts
from sisf.console.tenancy import concerns_all
from sisf.errors import PolicyError, StoreError, quoted
from sisf.exchange import Sender
from sisf.loop import Lifecycle, Return
from sisf.loop.approval import approvals, approve
from sisf.loop.mistakes import only_of
from sisf.loop.readmission import Readmissions
from sisf.loop.undoing import undo
from sisf.policy import Change, Policy, Snapshot, Status
from sisf.store import Store
from sisf.store.records import NoteKind, Said, Scope, Suspension, Word
from sisf.synthesis.base import is_broad
from sisf.taxonomy import Hazard, Technique
from sisf.verdict import PERSON, Outcome, Verdict

STEPS = {"activate": Status.ACTIVE, "shadow": Status.SHADOW, "retire": Status.RETIRED, "reject": Status.REJECTED}
_NOT_SO_MANY = 100
"""Cases in one bulk action."""


@dataclass(frozen=True, slots=True)
class Actions:
    """Changes to the store of a running system."""

    parts: Parts

    @property
    def store(self) -> Store:
        """Where it is all kept."""
        return self.parts.store

    def move(self, policy_id: str, step: str, actor: str, reason: str = "") -> Snapshot:
        """Activate, shadow, retire or reject one policy. Raises `PolicyError` when it cannot move there."""
        status = STEPS[step]
        if self.store.policies.get(policy_id).tenant != self.parts.tenant and self.parts.tenant:
            raise concerns_all()
        store = self.parts.whole
        policy = store.policies.get(policy_id)
        if not may_move(policy, step):
            proven = policy.gate_report is not None and policy.gate_report.passed
            why = (
                f"it is {policy.status}" if proven or status not in (Status.ACTIVE, Status.SHADOW) else "it is unproven"
            )
            raise PolicyError(f"policy {policy_id} cannot become {status}: {why}")
        if status is Status.ACTIVE and self.parts.two_persons:
            approve(self.store, policy, actor)
        why = f"{policy.status} to {status} on the console" + (f": {reason}" if reason else "")
        self._answer(policy_id, f"moved to {status}", actor)
        lifecycle = self.parts.lifecycle
        if lifecycle is not None and status is not Status.REJECTED:
            return lifecycle.move(policy_id, status, actor=actor, reason=why)
        change = Change((replace(policy, status=status),), actor, why)
        return store.policies.commit(change, expected=store.policies.snapshot().revision)

    def approvals(self, policy: Policy) -> Sequence[str] | None:
        """Who approved a policy for which two people must; None where one is enough."""
        if not self.parts.two_persons or not is_broad(policy.condition):
            return None
        return approvals(self.store, policy)

    def bulk(self, policy_ids: Sequence[str], step: str, actor: str, reason: str = "") -> tuple[int, list[str]]:
        """The same step for many policies. Returns how many took it, and why the others did not."""
        done, refused = 0, []
        for policy_id in dict.fromkeys(policy_ids[:_NOT_SO_MANY]):
            try:
                if not may_move(self.store.policies.get(policy_id), step):
                    continue  # somebody else decided it, or another of these answered it too
                self.move(policy_id, step, actor, reason)
                done += 1
            except (PolicyError, StoreError) as error:
                refused.append(str(error))
            except HTTPException as error:
                refused.append(error.detail)
        return done, refused

    def rollback(self, revision: int, actor: str) -> Snapshot:
        """Make an earlier revision the next one, but for what has since proved to be a mistake."""
        reason = f"rolled back to {revision} on the console"
        return self._living().readmissions.roll_back(revision, actor=actor, reason=reason).snapshot

    def preview(self, revision: int) -> Return | None:
        """What going back to an earlier revision would change; None where this console cannot try policies."""
        lifecycle = self.parts.lifecycle
        return None if lifecycle is None else lifecycle.readmissions.preview(revision)

    def undo(self, revision: int, actor: str) -> Snapshot:
        """Undo one step, as the next revision."""
        return undo(self.store, revision, self._readmissions, actor=actor, reason="on the console")

    def label(
        self, exchange_id: str, outcome: Outcome, actor: str, *, reason: str = "", seen: str | None = None
    ) -> None:
        """A person's verdict. A breach enters the loop, so that it is learned from.

        `seen` is the verdict that the person had before them: `StoreError` when another person decided meanwhile.
        """
        old = self.store.exchanges.get(exchange_id).verdict
        if seen is not None and seen != verdict_mark(old) and old is not None and old.judge.startswith(PERSON):
            raise StoreError(f"{old.judge} decided meanwhile: {old.outcome}; look at it again, then decide")
        verdict = Verdict(
            outcome,
            judge=actor,
            hazard=old.hazard if old else Hazard.OTHER,
            technique=old.technique if old else Technique.OTHER,
            severity=old.severity if old else 0.5,
            confidence=1.0,
            rationale=reason or "decided on the console",
        )
        self.store.exchanges.save_verdict(exchange_id, verdict, actor=actor, learn=True)

    def unlabel(self, exchange_id: str, actor: str) -> Verdict | None:
        """Take people's verdict back; what the judge said stands again."""
        return self.store.exchanges.take_back(exchange_id, actor=actor)

    def mistake(self, exchange_id: str, actor: str) -> Word | None:
        """This exchange was stopped by mistake: what stopped it learns the exception, or stops enforcing.

        None when one tenant's people say so of what is of all tenants: whoever runs the gateway is asked then.
        """
        lifecycle = self._living()
        self._silent(exchange_id)
        if not self._speaks(exchange_id):
            lifecycle.report_false_positive(exchange_id, actor=actor.replace(PERSON, "tenant:", 1))
            return None
        before = self.store.policies.snapshot().revision
        snapshot = lifecycle.report_false_positive(exchange_id, actor=actor)
        made = snapshot.revision if snapshot.revision != before else 0
        self._answer(exchange_id, "stopped by mistake", actor)
        return self.store.oversight.say(exchange_id, Said.MISTAKE, actor=actor, revision=made)

    def confirm(self, exchange_id: str, actor: str) -> Word:
        """Stopping this exchange was right: a word for each policy that did."""
        lifecycle = self._living()
        self._silent(exchange_id)
        if not self._speaks(exchange_id):
            raise concerns_all()
        if not lifecycle.confirm(exchange_id, actor=actor):
            raise StoreError(f"no policy stopped exchange {quoted(exchange_id)}, so there is nothing to confirm")
        self._answer(exchange_id, "rightly stopped", actor)
        return self.store.oversight.say(exchange_id, Said.RIGHT, actor=actor, revision=0)

    def take_back(self, exchange_id: str, actor: str) -> Word:
        """Withdraw the word that stands, and undo what it changed in policies that did not change again since then."""
        word = self.store.oversight.take_back(exchange_id, actor=actor)
        if word.revision:
            reason = f"the word on exchange {exchange_id} was taken back"
            with contextlib.suppress(PolicyError):  # all of it changed again since then: what was decided later stands
                undo(self.parts.whole, word.revision, self._readmissions, actor=actor, reason=reason)
        return word

    def suspend(self, scope: Scope, subject: str, lasts: timedelta, actor: str, reason: str) -> Suspension:
        """Stop enforcing, at once."""
        made = self.store.oversight.suspend(scope, subject, lasts, actor=actor, reason=reason)
        self.parts.follow()
        return made

    def resume(self, suspension_id: str | None, actor: str) -> int:
        """Enforce again, at once."""
        ended = self.store.oversight.resume(suspension_id, actor=actor)
        self.parts.follow()
        return ended

    def retry(self, exchange_id: str, actor: str) -> None:
        """Put work that was given up back to the loop."""
        self.store.jobs.retry(exchange_id)
        self.store.audit.append(actor=actor, action="job.retry", subject=exchange_id, revision=0, detail={})

    def forget(self, sender: Sender, actor: str) -> int:
        """Delete all exchanges of one sender for good; returns how many there were."""
        return self.store.exchanges.delete(actor=actor, reason="deleted on the console", sender=sender)

    def _answer(self, subject: str, text: str, actor: str) -> None:
        """What a person decides answers the question that the loop asked about it."""
        notes = self.store.oversight.notes([subject])[subject]
        if notes and notes[-1].kind is NoteKind.QUESTION:
            self.store.oversight.note(subject, NoteKind.COMMENT, text, actor=actor)

    def _silent(self, exchange_id: str) -> None:
        """Raises `StoreError` when a word stands on this exchange already: nothing is done twice, or both ways."""
        word = self.store.oversight.word(exchange_id)
        if word is not None:
            raise StoreError(f"{word.actor} said of this exchange: {word.said}; take that back first")

    def _speaks(self, exchange_id: str) -> bool:
        """Whether who acts here may decide about all that stopped an exchange."""
        if not self.parts.tenant:
            return True
        return only_of(self.parts.whole, self.store.exchanges.get(exchange_id), self.parts.tenant)

    @property
    def _readmissions(self) -> Readmissions | None:
        return None if self.parts.lifecycle is None else self.parts.lifecycle.readmissions

    def _living(self) -> Lifecycle:
        if self.parts.lifecycle is None:
            raise StoreError("this console has no gate to try policies with; use `sisf breach` and `sisf policy`")
        return self.parts.lifecycle


def verdict_mark(verdict: Verdict | None) -> str:
    """What tells one verdict from another that came later."""
    return f"{verdict.outcome}:{verdict.judge}" if verdict is not None else ""


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
