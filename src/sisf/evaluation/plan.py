"""The plan of every protocol that sends attacks and honest prompts: designs, trials, and what each trial sends."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sisf.datasets import Dataset
from sisf.errors import ConfigurationError
from sisf.evaluation.conductor import Further, conducted
from sisf.evaluation.defences import Defence
from sisf.evaluation.experiment import Asks, Closing, Designs, Row, Setup, Split, Splitter, Told, Trial, Unit
from sisf.evaluation.outcomes import Sample
from sisf.evaluation.under_test import Subject
from sisf.policy import drawing_ids


def drawing(setup: Setup, unit: Unit, more: str = "") -> random.Random:
    """The random numbers of a trial, the same for all designs: for what it sends; with `more`, for something else."""
    return random.Random(":".join(filter(None, (str(setup.seed), str(unit.number), more))))


@dataclass(frozen=True, slots=True)
class Plan:
    """What an experiment does, before it does it. See `Experiment`."""

    protocol: str
    setup: Setup
    subjects: Mapping[str, Callable[[Unit], Subject]]
    """What is measured, by design, made afresh for every trial; the first is the design under test."""
    split: Splitter
    benign: Sequence[Dataset]
    datasets: Sequence[Dataset]
    delay: int = 0
    """How many attacks later the loop learns from one; 0: before the next is sent."""
    together: bool = False
    lasting: bool = False
    further: Further | None = None
    """What the protocol does after that, at the final revision."""
    further_size: Callable[[Unit], int] = lambda _: 0
    """About how many samples `further` has."""
    described: Mapping[str, object] | None = None

    def __post_init__(self) -> None:
        """Raises `ConfigurationError`."""
        if self.setup.trials < 1:
            raise ConfigurationError("--trials must be at least 1")
        if self.delay < 0:
            raise ConfigurationError("--delay must be 0 or more")

    @classmethod
    def of(
        cls, protocol: str, setup: Setup, designs: Designs, split: Splitter, *, benign: Sequence[Dataset],
        datasets: Sequence[Dataset], delay: int = 0, together: bool = False, further: Further | None = None,
        further_size: Callable[[Unit], int] = lambda _: 0,
    ) -> "Plan":  # fmt: skip
        """A plan for designs in front of the setup's model."""

        def seated(make: Callable[[], Defence]) -> Callable[[Unit], Subject]:
            return lambda _: setup.subject(make())

        subjects = {name: seated(make) for name, make in designs.items()}
        return cls(
            protocol, setup, subjects, split, benign, datasets, delay, together, further=further,
            further_size=further_size,
        )  # fmt: skip

    def units(self) -> Sequence[Unit]:
        """Every trial of every design."""
        return [Unit(name, number) for name in self.subjects for number in range(self.setup.trials)]

    def split_of(self, unit: Unit) -> Split:
        """What this trial sends."""
        return self.split(unit, drawing(self.setup, unit))

    def size(self, unit: Unit) -> int:
        """See `Experiment`."""
        split = self.split_of(unit)
        attacks = len(split.attacks) * (1 if split.frozen else 2)
        honest = sum(len(d.benign()) for d in self.benign)
        return len(split.learn) + attacks + honest + self.further_size(unit)

    def asks(self) -> Asks:
        """See `Experiment`."""
        splits = [self.split_of(unit) for unit in self.units()]
        attacks = {(name, r.id): r for split in splits for name, r in (*split.learn, *split.attacks)}
        honest = {(d.name, r.id): r for d in self.benign for r in d.benign()}
        return Asks(list(attacks.values()), list(honest.values()))

    def play(self, unit: Unit, told: Told, before: Sequence[Row] = ()) -> Closing:
        """See `Experiment`. Ids of policies are drawn from the seed: the same trial gives the same ids."""
        ids = drawing_ids(random.Random(f"{self.setup.seed}:{unit}"))
        with ids, self.subjects[unit.design](unit) as subject:
            return conducted(
                subject, self.split_of(unit), self.benign, told, unit=unit, calls=self.setup.calls,
                delay=self.delay, further=self.further, before=[Sample.from_json(row) for row in before],
            ).closing()  # fmt: skip

    def read(self, unit: Unit, rows: Sequence[Row], closing: Closing) -> Trial:
        """See `Experiment`."""
        return Trial.of(unit.number, rows, closing)
