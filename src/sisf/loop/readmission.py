"""What comes into force from elsewhere than the loop: an earlier revision, a bundle, policies of another embedder.

It was written without knowledge of what people reported since. So it is first tried on every benign case: a policy that
would stop one comes with the exception, or not at all.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sisf.embedding.base import Embedder
from sisf.errors import LimitExceeded, PolicyError
from sisf.exchange import Message, Role
from sisf.loop.committing import commit
from sisf.loop.mistakes import excepted
from sisf.policy import Action, Change, Diff, Direction, Match, Policy, Snapshot, Status, compare
from sisf.store import BenignCase, Store
from sisf.warden import PolicySet
from sisf.warden.rehearsal import rehearsed

_ROUNDS = 20
"""Policies hide behind one another, and may need several exceptions."""


@dataclass(frozen=True, slots=True)
class Readmission:
    """Policies as they may come into force."""

    policies: tuple[Policy, ...]
    excepted: Mapping[str, tuple[str, ...]]
    """By policy id, the exchanges whose texts it lets pass from now on and would have stopped."""
    refused: Mapping[str, str]
    """By policy id, why it does not come into force."""

    def lines(self) -> list[str]:
        """One line for each policy that comes back otherwise than it was, or not at all."""
        return [
            *(f"{i}: comes with an exception for exchange {', '.join(cases)}" for i, cases in self.excepted.items()),
            *(f"{i}: stays out of force: {reason}" for i, reason in self.refused.items()),
        ]


@dataclass(frozen=True, slots=True)
class Return:
    """What going back to an earlier revision would change, or has changed."""

    snapshot: Snapshot
    """The policy set that results; before it happened, without a revision of its own."""
    diff: Diff
    readmission: Readmission


class Readmissions:
    """Tries policies on the benign cases of one store."""

    def __init__(self, store: Store, embedder: Embedder) -> None:
        self._store = store
        self._embedder = embedder

    def admit(self, policies: Sequence[Policy]) -> Readmission:
        """Try policies together. Those that stop nothing (shadows, flags) come as they are."""
        cases = [case for _, case in self._store.feedback.benign_cases()]
        held = {policy.id: policy for policy in policies}
        refused: dict[str, str] = {}
        excepted_for: dict[str, list[str]] = {}
        if self._misfit(policies) is not None:
            misfits = {policy.id: self._misfit((policy,)) for policy in policies}
            refused |= {policy_id: problem for policy_id, problem in misfits.items() if problem is not None}
        for _ in range(_ROUNDS):
            tried = {i: p for i, p in held.items() if p.status is Status.ACTIVE and i not in refused}
            stopped = list(self._stopped(list(tried.values()), cases))
            for match, case in stopped:
                narrowed = excepted(held[match.policy_id], case.text, match)
                if narrowed is None or narrowed == tried[match.policy_id]:
                    refused[match.policy_id] = f"it stops exchange {case.exchange_id}, which was a mistake"
                else:
                    held[match.policy_id] = narrowed
                    excepted_for.setdefault(match.policy_id, []).append(case.exchange_id)
            if not stopped:
                break
        else:
            refused |= {match.policy_id: "it stops texts that were reported as mistakes" for match, _ in stopped}
        kept = tuple(policy for policy_id, policy in held.items() if policy_id not in refused)
        learned = {p.id: tuple(dict.fromkeys(excepted_for[p.id])) for p in kept if p.id in excepted_for}
        return Readmission(kept, learned, refused)

    def preview(self, revision: int) -> Return:
        """What `roll_back` would do now. Raises `StoreError` for an unknown revision."""
        return self._planned(self._store.policies.snapshot(), revision)[0]

    def roll_back(self, revision: int, *, actor: str, reason: str) -> Return:
        """Make the policy set of an earlier revision the next one, but for what has since proved to be a mistake.

        Raises `StoreError` for an unknown revision.
        """
        planned: list[Return] = []

        def change(before: Snapshot) -> Change:
            back, policies = self._planned(before, revision)
            planned.append(back)
            return Change(policies, actor, f"rollback to revision {revision}: {reason}")

        following, _ = commit(self._store, change, "a rollback")
        return dataclasses.replace(planned[-1], snapshot=following)

    def _planned(self, now: Snapshot, revision: int) -> tuple[Return, tuple[Policy, ...]]:
        readmission = self.admit(self._store.policies.snapshot(revision).policies)
        kept = {policy.id for policy in readmission.policies}
        dropped = [dataclasses.replace(p, status=Status.RETIRED) for p in now.policies if p.id not in kept]
        after = Snapshot(now.revision, readmission.policies)
        return Return(after, compare(now, after), readmission), (*readmission.policies, *dropped)

    def _misfit(self, policies: Sequence[Policy]) -> str | None:
        """Why the policies cannot be compiled with this embedder; None when they can."""
        acting = [policy for policy in policies if policy.status in (Status.ACTIVE, Status.SHADOW)]
        try:
            rehearsed(acting, self._embedder, (), Direction.PROMPT)
        except PolicyError as error:
            return str(error)
        return None

    def _stopped(self, policies: Sequence[Policy], cases: Sequence[BenignCase]) -> Iterable[tuple[Match, BenignCase]]:
        """What the policies would stop among the cases, whichever tenant's they are."""
        # A block ends an inspection: so that policies do not hide behind one another, none of them blocks here.
        stopping = {p.id for p in policies if p.action is Action.BLOCK}
        watched = [
            dataclasses.replace(p, tenant="", action=Action.FLAG if p.id in stopping else p.action) for p in policies
        ]
        if not (watched and cases):
            return
        policy_set = PolicySet.compile(Snapshot(0, tuple(watched)), self._embedder)
        for case in cases:
            role = Role.ASSISTANT if case.direction is Direction.RESPONSE else Role.USER
            try:
                decision = policy_set.inspect((Message(role, case.text),), case.direction)
            except LimitExceeded:
                continue  # refused whatever the policies say
            for match in decision.matches:
                if match.policy_id in stopping or match.action is Action.BLOCK:
                    yield match, case
