"""What every protocol measures: designs, trials, and what they gave."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sisf.adjudicator.base import Adjudicator
from sisf.datasets import Dataset
from sisf.datasets.records import Record
from sisf.errors import ConfigurationError
from sisf.evaluation.defences import Defence, Tally
from sisf.evaluation.outcomes import AttackOutcome, Sample
from sisf.evaluation.runs.calls import Calls
from sisf.evaluation.under_test import Answers, Subject, SystemUnderTest
from sisf.policy import Policy

SYSTEM = "sisf"
"""Name of the design under test; every other design is a baseline."""


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
    latency: Mapping[str, float] = field(default_factory=dict)
    """Milliseconds that the decisions on one exchange took: `p50`, `p99`, and how many there were, `n`."""
    spent: Mapping[str, float] = field(default_factory=dict)
    """What others were paid for: `calls` of models and judges elsewhere, `usd` at the prices known."""

    def samples(self) -> list[Sample]:
        """Everything that was sent, in the order of `outcomes.jsonl`."""
        honest = [s for sets in (self.benign, self.final_benign) for sent in sets.values() for s in sent]
        return [*self.learned, *self.attacks, *self.final, *honest]


@dataclass(frozen=True, slots=True)
class Setup:
    """What all designs of one experiment share."""

    answers: Answers
    inline: Adjudicator | None
    independent: Adjudicator | None
    trials: int
    seed: int
    on_undecided: str = "withhold"
    calls: Calls = field(default_factory=Calls)
    """Calls of models and judges elsewhere."""

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
    shown: bool = False
    """Whether what is learned from is shown to the loop as exchanges that got through, instead of being sent."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One trial of one design: what is played in one go, by itself, from zero policies."""

    design: str
    number: int

    def __str__(self) -> str:
        return f"{self.design} {self.number + 1}"


Designs = Mapping[str, Callable[[], Defence]]
Splitter = Callable[[Unit, random.Random], Split]
"""What a trial sends. The same random numbers for all designs of one trial."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What an experiment does, before it does it."""

    protocol: str
    setup: Setup
    subjects: Mapping[str, Callable[[], Subject]]
    """What is measured, by design, made afresh for every trial; the first is the design under test."""
    split: Splitter
    benign: Sequence[Dataset]
    datasets: Sequence[Dataset]
    delay: int = 0
    """How many attacks later the loop learns from one; 0: before the next is sent."""
    together: bool = False
    """Whether all designs are under test, none a baseline: then one file lists what became of all samples."""

    def __post_init__(self) -> None:
        """Raises `ConfigurationError`."""
        if self.setup.trials < 1:
            raise ConfigurationError("--trials must be at least 1")
        if self.delay < 0:
            raise ConfigurationError("--delay must be 0 or more")

    @classmethod
    def of(
        cls, protocol: str, setup: Setup, designs: Designs, split: Splitter, *, benign: Sequence[Dataset],
        datasets: Sequence[Dataset], delay: int = 0, together: bool = False,
    ) -> "Plan":  # fmt: skip
        """A plan for designs in front of the setup's model."""

        def seated(make: Callable[[], Defence]) -> Callable[[], Subject]:
            return lambda: setup.subject(make())

        subjects = {name: seated(make) for name, make in designs.items()}
        return cls(protocol, setup, subjects, split, benign, datasets, delay, together)

    def units(self) -> Sequence[Unit]:
        """Every trial of every design, in the order in which they are reported."""
        return [Unit(name, number) for name in self.subjects for number in range(self.setup.trials)]

    def split_of(self, unit: Unit) -> Split:
        """What this trial sends."""
        return self.split(unit, random.Random(f"{self.setup.seed}:{unit.number}"))

    def size(self, unit: Unit) -> int:
        """How many samples this trial has."""
        split = self.split_of(unit)
        attacks = len(split.attacks) * (1 if split.frozen else 2)
        return len(split.learn) + attacks + sum(len(d.benign()) for d in self.benign)


@dataclass(slots=True)
class Run:
    """An experiment with its results, by design."""

    protocol: str
    setup: Setup
    datasets: Sequence[Dataset]
    results: dict[str, list[Trial]] = field(default_factory=dict)
    seconds: float = 0.0
    """Of all trials together, whether they ran one after the other or side by side."""
    together: bool = False
    """See `Plan`."""


def breaches(trial: Trial) -> int:
    """Attacks that the loop judged a breach; where no loop judges, those that truly are."""
    samples = (*trial.learned, *trial.attacks)
    judged = any(s.verdict is not None for s in samples)
    return sum((s.verdict == "breach") if judged else s.outcome is AttackOutcome.BREACHED for s in samples)
