"""Drives the gateway with the official client and keeps account of what happens."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from sisf.errors import SisfError
from sisf.evaluation.defences import Tally
from sisf.evaluation.demo.programme import Programme, Step
from sisf.evaluation.demo.stage import Stage
from sisf.evaluation.experiment import SYSTEM, Run, Setup, Trial
from sisf.evaluation.outcomes import AttackOutcome, Sample
from sisf.evaluation.under_test import Answers, recorded_label
from sisf.llm.unaligned import UnalignedModel
from sisf.loop.events import Activated, Event
from sisf.policy import Policy, Status
from sisf.probe.target import GatewayTarget, Reaction, Reply
from sisf.verdict import Outcome, Verdict

WINDOW = 50
_GLANCE_SECONDS = 5.0
"""How long the loop may work before the screen says that it does."""
_PATIENCE_SECONDS = 600.0
"""A loop that finishes nothing for so long is stuck."""

_FATES = {
    Reaction.BLOCKED: (AttackOutcome.INTERCEPTED, "prompt"),
    Reaction.INTERCEPTED: (AttackOutcome.INTERCEPTED, "response"),
    Reaction.WITHHELD: (AttackOutcome.WITHHELD, None),
}


@dataclass(slots=True)
class Account:
    """The state of the demonstration."""

    total: int
    attacks: list[Sample] = field(default_factory=list)
    benign: list[Sample] = field(default_factory=list)
    final: list[Sample] = field(default_factory=list)
    """All attacks again, at the final revision."""
    final_benign: list[Sample] = field(default_factory=list)
    """All honest requests again, at the final revision."""
    newest: Policy | None = None
    """The policy that went live last."""
    policies: int = 0
    revision: int = 0
    last_prompt: str = ""
    stopped_prompt: str = "Explain how photosynthesis works."
    """The attack that a policy stopped last, to be looked at; before there is one, something harmless."""
    open_jobs: int = 0
    """What the loop has left to do, while it is waited for."""
    learning_ms: list[float] = field(default_factory=list)
    """From each breach's answer to the new policy in force, milliseconds."""

    @property
    def done(self) -> int:
        """Requests sent, those that were sent again apart."""
        return len(self.attacks) + len(self.benign)

    @property
    def repeated(self) -> int:
        """Requests sent again at the final revision."""
        return len(self.final) + len(self.final_benign)

    @property
    def breaches(self) -> int:
        """Breaches that the loop found."""
        return sum(s.verdict == Outcome.BREACH.value for s in self.attacks)

    @property
    def undecided(self) -> int:
        """Attacks whose answers wait for a person: no judge could decide."""
        return sum(s.verdict == Outcome.UNDECIDED.value for s in self.attacks)

    @property
    def blocked(self) -> int:
        """Honest requests blocked."""
        return sum(s.outcome is AttackOutcome.INTERCEPTED for s in self.benign)

    def recent_asr(self) -> float:
        """Share of the last attacks that no policy stopped."""
        recent = self.attacks[-WINDOW:]
        return sum(s.beat_warden for s in recent) / len(recent) if recent else 1.0


class Screen(Protocol):
    """Shows the account."""

    def show(self, account: Account) -> None:
        """Something happened."""
        ...


def drive(stage: Stage, programme: Programme, screen: Screen) -> Account:
    """Send every step, and everything again at the final revision. After each attack the loop finishes its work, as in
    the paper's evaluation; from what is sent again nothing is learned."""
    account = Account(len(programme.steps))
    arrived: list[Policy] = []

    def listen(event: Event) -> None:
        if isinstance(event, Activated):
            arrived.extend(event.policies)
            account.newest = event.policies[-1] if event.policies else account.newest
            account.policies, account.revision = len(event.snapshot.active), event.snapshot.revision

    stage.system.loop.listen(listen)
    target = GatewayTarget(stage.url, model="recorded")
    try:
        for step in programme.steps:
            arrived.clear()
            account.last_prompt = step.record.prompt
            reply = target.send(step.record.messages)
            if step.attack and reply.reaction is Reaction.BLOCKED:
                account.stopped_prompt = step.record.prompt
            if step.attack:
                started = time.perf_counter()
                wait_for_loop(stage, account, screen)
                if arrived:
                    account.learning_ms.append((time.perf_counter() - started) * 1000)
                account.attacks.append(_attack(stage, step, reply, account, arrived))
            else:
                account.benign.append(_sample(step, reply, None, account))
            screen.show(account)
    finally:
        target.close()
    wait_for_loop(stage, account, screen)
    _repeat(stage, programme, account, screen)
    return account


def wait_for_loop(stage: Stage, account: Account, screen: Screen) -> None:
    """Return when the loop has nothing left to do, however long it takes; the screen shows that it works. Raises
    `SisfError` when it gave up on an exchange or finishes nothing more: figures without its work would be wrong."""
    since = time.monotonic()
    while not stage.system.loop.drain(_GLANCE_SECONDS):
        counts = stage.system.store.jobs.counts()
        left = counts["ready"] + counts["leased"] + counts["waiting"]
        if left != account.open_jobs:
            since = time.monotonic()
        elif time.monotonic() - since > _PATIENCE_SECONDS:
            raise SisfError(f"the loop is stuck: {left} jobs left, none finished in {_PATIENCE_SECONDS:.0f} s")
        account.open_jobs = left
        screen.show(account)
    account.open_jobs = 0
    dead = stage.system.store.jobs.dead()
    if dead:
        job, error = dead[0]
        raise SisfError(f"the loop gave up on {job.exchange_id} at {job.stage}: {error}")


def _repeat(stage: Stage, programme: Programme, account: Account, screen: Screen) -> None:
    target = GatewayTarget(stage.frozen_url, model="recorded")
    try:
        for step in programme.steps:
            account.last_prompt = step.record.prompt
            sample = replace(_sample(step, target.send(step.record.messages), None, account), phase="final")
            (account.final if step.attack else account.final_benign).append(sample)
            screen.show(account)
    finally:
        target.close()


def _attack(stage: Stage, step: Step, reply: Reply, account: Account, arrived: Sequence[Policy]) -> Sample:
    """What became of an attack, when the loop has finished its work on it."""
    verdict: Verdict | None = None
    if reply.reaction is Reaction.ANSWERED and reply.exchange_id:
        verdict = stage.system.store.exchanges.get(reply.exchange_id).verdict
    return _sample(step, reply, verdict, account, tuple(p.id for p in arrived))


def _sample(
    step: Step, reply: Reply, verdict: Verdict | None, account: Account, arrived: tuple[str, ...] = ()
) -> Sample:
    truth = recorded_label(step.record, recorded=step.record.response is not None) if step.attack else None
    released = AttackOutcome.released(truth, honest=not step.attack)
    fate, side = _FATES.get(reply.reaction, (released, None))
    return Sample(
        id=step.record.id,
        dataset=step.dataset,
        trial=0,
        phase="learn" if step.attack else "interleaved",
        outcome=fate,
        side=side,
        action="block" if fate is AttackOutcome.INTERCEPTED else "allow",
        policy_id=reply.policy_id,
        score=None,
        verdict=verdict.outcome.value if verdict else None,
        revision=reply.revision,
        new_policy_ids=arrived,
        policies=account.policies,
        truth=truth.value if truth else None,
    )


def as_run(stage: Stage, programme: Programme, account: Account, *, seed: int, seconds: float) -> Run:
    """The account in the form of an experiment, for the same summary, plots and report."""
    known = stage.system.store.policies.list()
    tally = Tally(
        len(known),
        sum(p.status in (Status.ACTIVE, Status.RETIRED) for p in known),
        sum(p.status is Status.ACTIVE for p in known),
    )
    trial = Trial(
        0,
        tuple(account.attacks),
        _by_set(account.benign),
        tuple(stage.system.store.policies.snapshot().active),
        tally,
        final=tuple(account.final),
        final_benign=_by_set(account.final_benign),
        seconds=seconds,
    )
    setup = Setup(Answers(UnalignedModel(), replay=True), None, None, trials=1, seed=seed)
    return Run("demo", setup, programme.datasets, {SYSTEM: [trial]}, seconds)


def _by_set(samples: Sequence[Sample]) -> Mapping[str, tuple[Sample, ...]]:
    found: dict[str, list[Sample]] = {}
    for sample in samples:
        found.setdefault(sample.dataset, []).append(sample)
    return {name: tuple(sent) for name, sent in found.items()}
