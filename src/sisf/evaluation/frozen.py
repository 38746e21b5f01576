"""Protocols that learn first and measure at a frozen revision: what `obfuscation` and `haystack` have in common."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sisf.datasets import Dataset
from sisf.datasets.records import Record
from sisf.errors import DataError
from sisf.evaluation.defences import Defence
from sisf.evaluation.experiment import Setup, Trial
from sisf.evaluation.outcomes import AttackOutcome, Sample
from sisf.evaluation.progress import Progress
from sisf.evaluation.under_test import SystemUnderTest
from sisf.policy import Decision

Attacks = Sequence[tuple[str, Record]]
"""Attacks, each with the name of its data set."""


def lessons(learn_on: Sequence[Dataset], attacks: Sequence[Dataset]) -> tuple[Attacks, Attacks]:
    """What is learned from and what is sent: without `attacks`, those of `learn_on`. Raises `DataError` for none."""
    teachers = [(d.name, r) for d in learn_on for r in d.harmful()]
    sent = [(d.name, r) for d in attacks or learn_on for r in d.harmful()]
    if not teachers or not sent:
        raise DataError("there are no harmful records to learn from; name a data set of attacks with --learn")
    return teachers, sent


def caught(attacks: Attacks, samples: Sequence[Sample]) -> Attacks:
    """The attacks whose prompt was stopped."""
    return [attack for attack, sample in zip(attacks, samples, strict=True) if sample.side == "prompt"]


@dataclass(frozen=True, slots=True)
class Play:
    """Takes one defence through one trial."""

    subject: SystemUnderTest
    number: int
    progress: Progress
    title: str
    rng: random.Random
    started: float = field(default_factory=time.monotonic)

    def learn(self, teachers: Attacks) -> tuple[Sample, ...]:
        """Send the attacks in shuffled order, the loop finishing its work on each."""
        return self._attacks("learning", self.rng.sample(teachers, len(teachers)), learn=True)

    def in_clear(self, attacks: Attacks) -> tuple[Sample, ...]:
        """Send the attacks as they are; nothing is learned."""
        return self._attacks("in clear", attacks, learn=False)

    def _attacks(self, what: str, records: Attacks, *, learn: bool) -> tuple[Sample, ...]:
        self.progress.begin(f"{self.title} · {what}", len(records))
        samples = []
        for dataset, record in records:
            samples.append(self.subject.attack(record, dataset=dataset, trial=self.number, learn=learn))
            self.progress.advance({"policies": str(samples[-1].policies)} if learn else None)
        return tuple(samples)

    def sample(self, identifier: str, dataset: str, decision: Decision, *, honest: bool = False) -> Sample:
        """What became of a prompt about which nothing but the Warden was asked."""
        blocked = decision.blocked
        return Sample(
            id=identifier,
            dataset=dataset,
            trial=self.number,
            phase="frozen",
            outcome=AttackOutcome.INTERCEPTED if blocked else AttackOutcome.released(None, honest=honest),
            side="prompt" if blocked else None,
            action=decision.action.value,
            policy_id=decision.policy_id,
            score=next((m.score for m in decision.matches if m.action is decision.action and not m.shadow), None),
            verdict=None,
            revision=decision.revision,
        )

    def result(
        self, clear: tuple[Sample, ...], learned: tuple[Sample, ...], honest: Mapping[str, tuple[Sample, ...]]
    ) -> Trial:
        """The trial as every protocol reports it."""
        defence = self.subject.defence
        seconds = time.monotonic() - self.started
        return Trial(self.number, clear, honest, tuple(defence.policies()), defence.tally(), learned, seconds=seconds)


def plays(setup: Setup, make: Callable[[], Defence], progress: Progress) -> Iterator[Play]:
    """One play after the other, each from zero policies."""
    for number in range(setup.trials):
        rng = random.Random(f"{setup.seed}:{number}")
        with setup.subject(make()) as subject:
            yield Play(subject, number, progress, f"{number + 1}/{setup.trials}", rng)
    progress.end()
