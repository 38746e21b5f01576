"""Sends the same traffic to every design with the official client, and keeps account of what happens."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Protocol

from sisf.bootstrap import System
from sisf.errors import SisfError, counted
from sisf.evaluation.answers import Answers, recorded_label
from sisf.evaluation.defences import Tally
from sisf.evaluation.demo.account import Account, Traffic
from sisf.evaluation.demo.programme import Programme, Step
from sisf.evaluation.demo.stage import Design, Stage
from sisf.evaluation.experiment import SYSTEM, Run, Setup, Trial, Unit
from sisf.evaluation.outcomes import AttackOutcome, Sample
from sisf.evaluation.runs.folder import outcome_row, outcomes_file
from sisf.llm.unaligned import UnalignedModel
from sisf.loop.events import Activated, Event
from sisf.policy import Policy, Status
from sisf.probe.target import GatewayTarget, Reaction, Reply
from sisf.synthesis.lines import WAITING
from sisf.verdict import Outcome, Verdict

_GLANCE_SECONDS = 5.0
"""How long the loop may work before the screen says that it does."""
_PATIENCE_SECONDS = 600.0
"""A loop that finishes nothing for so long is stuck."""

_PERSON = "person:demonstration"
_ALL = 100_000

_FATES = {
    Reaction.BLOCKED: (AttackOutcome.INTERCEPTED, "prompt"),
    Reaction.INTERCEPTED: (AttackOutcome.INTERCEPTED, "response"),
    Reaction.WITHHELD: (AttackOutcome.WITHHELD, None),
}


class Screen(Protocol):
    """Shows the account."""

    def show(self, account: Account) -> None:
        """Something happened."""
        ...


def drive(stage: Stage, programme: Programme, screen: Screen, *, person: bool = False) -> Account:
    """Send every step, and everything again at the final revision. After each attack the loop finishes its work, as in
    the paper's evaluation; from what is sent again nothing is learned.

    With `person`, what waits for one is then answered as the data sets label it, and everything is sent to SISF once
    more.
    """
    account = Account(len(programme.steps), {design.name: Traffic() for design in stage.designs})
    with ExitStack() as stack:
        lanes = [_Lane(design, account, screen) for design in stage.designs]
        for lane in lanes:
            stack.callback(lane.close)
        for step in programme.steps:
            account.last_prompt = step.record.prompt
            for lane in lanes:
                lane.send(step)
            screen.show(account)
        for lane in lanes:
            lane.finish()
        for step in programme.steps:
            account.last_prompt = step.record.prompt
            for lane in lanes:
                lane.repeat(step)
            screen.show(account)
        if person:
            account.by_person = lanes[0].answer(programme.steps)
        for step in programme.steps if account.by_person else ():
            account.last_prompt = step.record.prompt
            lanes[0].repeat(step, answered=True)
            screen.show(account)
    return account


class _Lane:
    """One design with its clients."""

    def __init__(self, design: Design, account: Account, screen: Screen) -> None:
        self._design = design
        self._account = account
        self._screen = screen
        self._traffic = account.traffic[design.name]
        self._arrived: list[Policy] = []
        self._target = GatewayTarget(design.url, model="recorded")
        self._frozen = GatewayTarget(design.frozen_url, model="recorded")
        if design.system is not None:
            design.system.loop.listen(self._heard)

    def send(self, step: Step) -> None:
        """Send one request; after an attack, wait until the loop has learned."""
        self._arrived.clear()
        reply = self._target.send(step.record.messages)
        self._traffic.replies[step.dataset, step.record.id] = reply
        if not step.attack:
            self._traffic.benign.append(self._sample(step, reply))
            return
        started = time.perf_counter()
        self.settle()
        if self._design.name == SYSTEM:
            if reply.reaction is Reaction.BLOCKED:
                self._account.stopped_prompt = step.record.prompt
            if self._arrived:
                self._account.learning_ms.append((time.perf_counter() - started) * 1000)
        self._traffic.attacks.append(self._sample(step, reply, self._verdict(reply)))

    def repeat(self, step: Step, *, answered: bool = False) -> None:
        """Send it again, or once more after a person's answers; nothing is learned."""
        self._arrived.clear()
        sample = replace(self._sample(step, self._frozen.send(step.record.messages)), phase="final")
        traffic = self._traffic
        attacks, honest = traffic.final, traffic.final_benign
        if answered:
            attacks, honest = traffic.answered, traffic.answered_benign
        (attacks if step.attack else honest).append(sample)

    def answer(self, steps: Sequence[Step]) -> int:
        """Answer what waits for a person, as its data set labels it, and let the loop learn; returns how many."""
        system = self._design.system
        if system is None:
            return 0
        self.settle()
        waiting = _waiting(system)
        answered = 0
        for step in steps:
            reply = self._traffic.replies.get((step.dataset, step.record.id))
            if reply is None or reply.exchange_id not in waiting:
                continue
            old = waiting[reply.exchange_id]
            verdict = replace(
                old,
                outcome=recorded_label(step.record, recorded=step.record.response is not None),
                judge=_PERSON,
                confidence=1.0,
                rationale="the data set's label",
            )
            system.store.exchanges.save_verdict(reply.exchange_id, verdict, actor=_PERSON, learn=True)
            answered += 1
            self.settle()
        return answered

    def settle(self) -> None:
        """Return when the loop has nothing left to do."""
        if self._design.system is not None:
            wait_for_loop(self._design.system, self._account, self._screen)

    def finish(self) -> None:
        """Keep what was learned without a person, which the figures speak of."""
        self.settle()
        if self._design.system is not None:
            store = self._design.system.store
            self._traffic.tally, self._traffic.in_force = Tally.of(store), tuple(store.policies.snapshot().active)

    def close(self) -> None:
        """Close the connections."""
        self._target.close()
        self._frozen.close()

    def _heard(self, event: Event) -> None:
        if isinstance(event, Activated):
            traffic = self._traffic
            self._arrived.extend(event.policies)
            traffic.newest = event.policies[-1] if event.policies else traffic.newest
            traffic.policies, traffic.revision = len(event.snapshot.active), event.snapshot.revision

    def _sample(self, step: Step, reply: Reply, verdict: Verdict | None = None) -> Sample:
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
            new_policy_ids=tuple(p.id for p in self._arrived),
            policies=self._traffic.policies,
            truth=truth.value if truth else None,
        )

    def _verdict(self, reply: Reply) -> Verdict | None:
        """The loop's verdict, when it has finished its work on a released answer."""
        system = self._design.system
        if system is None or reply.reaction is not Reaction.ANSWERED or not reply.exchange_id:
            return None
        return system.store.exchanges.get(reply.exchange_id).verdict


def _waiting(system: System) -> Mapping[str, Verdict]:
    """What waits for a person, with what the judge said: answers that it could not decide on, and breaches that one
    judge alone calls one, whose policies are shadows until somebody else says so too."""
    found = {
        record.exchange.id: record.verdict
        for record in system.store.exchanges.recent(_ALL, outcome=Outcome.UNDECIDED)
        if record.verdict is not None
    }
    for policy in system.store.policies.list():
        if policy.status is Status.SHADOW and policy.provenance.synthesiser == WAITING:
            for identifier in policy.provenance.breach_ids:
                verdict = system.store.exchanges.get(identifier).verdict
                found |= {identifier: verdict} if verdict is not None else {}
    return found


def wait_for_loop(system: System, account: Account, screen: Screen) -> None:
    """Return when the loop has nothing left to do, however long it takes; the screen shows that it works. Raises
    `SisfError` when it gave up on an exchange or finishes nothing more: figures without its work would be wrong."""
    since = time.monotonic()
    while not system.loop.drain(_GLANCE_SECONDS):
        left = system.store.jobs.under_way()
        if left != account.open_jobs:
            since = time.monotonic()
        elif time.monotonic() - since > _PATIENCE_SECONDS:
            raise SisfError(
                f"the loop is stuck: {counted(left, 'job')} left, none finished in {_PATIENCE_SECONDS:.0f} s"
            )
        account.open_jobs = left
        screen.show(account)
    account.open_jobs = 0
    dead = system.store.jobs.dead()
    if dead:
        job, error = dead[0]
        raise SisfError(f"the loop gave up on {job.exchange_id} at {job.stage}: {error}")


def as_run(stage: Stage, programme: Programme, account: Account, *, seed: int, seconds: float) -> Run:
    """The account in the form of an experiment, for the same summary, plots and report."""
    setup = Setup(Answers(UnalignedModel(), replay=True), None, None, trials=1, seed=seed)
    results = {design.name: [_trial(account.traffic[design.name], seconds)] for design in stage.designs}
    outcomes = {
        outcomes_file(name): [outcome_row(Unit(name, 0), sample.as_json()) for sample in trial.samples()]
        for name, (trial,) in results.items()
    }
    return Run("demo", setup, programme.datasets, results, seconds, outcomes)


def _trial(traffic: Traffic, seconds: float) -> Trial:
    return Trial(
        0,
        tuple(traffic.attacks),
        _by_set(traffic.benign),
        traffic.in_force,
        traffic.tally,
        final=tuple(traffic.final),
        final_benign=_by_set(traffic.final_benign),
        seconds=seconds,
    )


def _by_set(samples: Sequence[Sample]) -> Mapping[str, tuple[Sample, ...]]:
    found: dict[str, list[Sample]] = {}
    for sample in samples:
        found.setdefault(sample.dataset, []).append(sample)
    return {name: tuple(sent) for name, sent in found.items()}
