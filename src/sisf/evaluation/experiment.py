"""What every protocol measures: designs, trials, and what they gave."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sisf.adjudicator.base import Adjudicator
from sisf.datasets import Dataset
from sisf.datasets.records import Record
from sisf.errors import ConfigurationError
from sisf.evaluation.defences import Defence, Tally
from sisf.evaluation.outcomes import AttackOutcome, Sample
from sisf.evaluation.progress import Progress
from sisf.evaluation.under_test import Answers, SystemUnderTest
from sisf.policy import Policy

SYSTEM = "sisf"
"""Name of the design under test; every other design is a baseline."""

_WINDOW = 50


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of one design from zero policies."""

    number: int
    attacks: tuple[Sample, ...]
    """The measured attacks in the order sent."""
    benign: Mapping[str, tuple[Sample, ...]]
    """Honest prompts by data set: at the final revision, or between the attacks where `final_benign` repeats them."""
    policies: tuple[Policy, ...]
    """Active at the end."""
    tally: Tally
    learned: tuple[Sample, ...] = ()
    """Attacks that were learned from and are not measured (`held-out`)."""
    final: tuple[Sample, ...] = ()
    """The attacks again, in the same order, at the final revision; empty where `attacks` were sent at it."""
    final_benign: Mapping[str, tuple[Sample, ...]] = field(default_factory=dict)
    """Honest prompts again, at the final revision; empty where `benign` were sent at it."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Setup:
    """What all designs of one experiment share."""

    answers: Answers
    inline: Adjudicator | None
    independent: Adjudicator | None
    trials: int
    seed: int
    on_undecided: str = "withhold"

    def subject(self, defence: Defence) -> SystemUnderTest:
        """One defence in front of the model. A baseline without a judge has none here either."""
        return SystemUnderTest(
            defence,
            self.answers,
            self.inline,
            self.independent,
            "release" if self.on_undecided == "release" else "withhold",
        )


@dataclass(frozen=True, slots=True)
class Split:
    """What one trial learns from and what it is measured on. Without `learn`, the attacks are learned from as they
    come."""

    attacks: Sequence[tuple[str, Record]]
    learn: Sequence[tuple[str, Record]] = ()
    frozen: bool = False
    """Whether the attacks are sent at a frozen revision."""


Designs = Mapping[str, Callable[[], Defence]]
Splitter = Callable[[random.Random], Split]


@dataclass(slots=True)
class Run:
    """An experiment with its results, by design."""

    protocol: str
    setup: Setup
    datasets: Sequence[Dataset]
    results: dict[str, list[Trial]] = field(default_factory=dict)
    seconds: float = 0.0


def conduct(run: Run, designs: Designs, split: Splitter, benign: Sequence[Dataset], progress: Progress) -> Run:
    """Every trial of every design; the same shuffles for all designs."""
    setup = run.setup
    if setup.trials < 1:
        raise ConfigurationError("--trials must be at least 1")
    started = time.monotonic()
    for name, make in designs.items():
        for number in range(setup.trials):
            shuffled = split(random.Random(f"{setup.seed}:{number}"))
            title = f"{name} {number + 1}/{setup.trials}"
            with setup.subject(make()) as subject:
                trial = _Conductor(subject, title, number, progress).trial(shuffled, benign)
            run.results.setdefault(name, []).append(trial)
    progress.end()
    run.seconds = time.monotonic() - started
    return run


@dataclass(frozen=True, slots=True)
class _Conductor:
    """Takes one design through one trial."""

    subject: SystemUnderTest
    title: str
    number: int
    progress: Progress

    def trial(self, split: Split, benign: Sequence[Dataset]) -> Trial:
        started = time.monotonic()
        defence = self.subject.defence
        learned = self._attacks(split.learn, "learning", learn=True)
        attacks = self._attacks(split.attacks, "attacks", learn=not split.frozen)
        again = () if split.frozen else self._attacks(split.attacks, "attacks again", learn=False)
        honest = {dataset.name: self._honest(dataset) for dataset in benign}
        return Trial(
            self.number,
            attacks,
            honest,
            tuple(defence.policies()),
            defence.tally(),
            learned,
            final=tuple(replace(sample, phase="final") for sample in again),
            seconds=time.monotonic() - started,
        )

    def _attacks(self, records: Sequence[tuple[str, Record]], what: str, *, learn: bool) -> tuple[Sample, ...]:
        if records:
            self.progress.begin(f"{self.title} · {what}", len(records))
        samples: list[Sample] = []
        for dataset, record in records:
            sample = self.subject.attack(record, dataset=dataset, trial=self.number, learn=learn)
            samples.append(sample)
            recent = samples[-_WINDOW:]
            share = sum(s.beat_warden for s in recent) / len(recent)
            figures = {f"ASR last {len(recent)}": f"{share:.0%}"}
            self.progress.advance(figures | ({"policies": str(sample.policies)} if learn else {}))
        return tuple(samples)

    def _honest(self, dataset: Dataset) -> tuple[Sample, ...]:
        records = dataset.benign()
        self.progress.begin(f"{self.title} · {dataset.name}", len(records))
        samples: list[Sample] = []
        blocked = 0
        for record in records:
            sample = self.subject.benign(record, dataset=dataset.name, trial=self.number)
            blocked += sample.wrongly_blocked
            samples.append(sample)
            self.progress.advance({"blocked": str(blocked)})
        return tuple(samples)


def breaches(trial: Trial) -> int:
    """Attacks that the loop judged a breach; where no loop judges, those that truly are."""
    samples = (*trial.learned, *trial.attacks)
    judged = any(s.verdict is not None for s in samples)
    return sum((s.verdict == "breach") if judged else s.outcome is AttackOutcome.BREACHED for s in samples)
