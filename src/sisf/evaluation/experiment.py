"""What every protocol measures: designs, trials, and what they gave."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from sisf.adjudicator.base import Adjudicator
from sisf.datasets import Dataset
from sisf.datasets.records import Record
from sisf.evaluation.answers import Answers
from sisf.evaluation.defences import Defence, Tally
from sisf.evaluation.outcomes import AttackOutcome, Sample
from sisf.evaluation.runs.calls import Calls
from sisf.evaluation.under_test import Mode, SystemUnderTest
from sisf.policy import Policy
from sisf.policy.codec import from_dict, to_dict

SYSTEM = "sisf"
"""Name of the design under test; every other design is a baseline."""

Row = Mapping[str, Any]
"""One line of `outcomes.jsonl`, without its design."""
Closing = Mapping[str, Any]
"""What closes a unit of a run and is in no line: JSON, with at least `seconds`."""
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Unit:
    """One trial of one design, or another part of a run that is played in one go and by itself."""

    design: str
    number: int

    def __str__(self) -> str:
        return f"{self.design} {self.number + 1}"


class Told(Protocol):
    """Hears of every sample when all about it is known, in the order of `outcomes.jsonl`."""

    def __call__(self, row: Row, step: str, figures: Mapping[str, str]) -> None:
        """One more sample. `figures` are short texts for whoever watches."""
        ...


@dataclass(frozen=True, slots=True)
class Asks:
    """What models and judges elsewhere may be asked about, so that the cost is known beforehand."""

    attacks: Sequence[Record] = ()
    honest: Sequence[Record] = ()
    judges: Sequence[str] = ()
    """Judges that are asked about the attacks besides those of the options."""


class Experiment(Protocol[Result_co]):
    """What a protocol does, in units, before it does it: what `runs.runner` plays, writes, resumes and counts."""

    @property
    def protocol(self) -> str:
        """Its name."""
        ...

    @property
    def setup(self) -> "Setup":
        """Seed and trials, models and judges."""
        ...

    @property
    def datasets(self) -> Sequence[Dataset]:
        """All that is read."""
        ...

    @property
    def together(self) -> bool:
        """Whether all designs are under test, none a baseline: then one file lists what became of all samples."""
        ...

    @property
    def lasting(self) -> bool:
        """Whether what is measured cannot be set back: a unit that was stopped then goes on behind its last line.
        Where False, it is played again from its beginning, and gives the same."""
        ...

    @property
    def described(self) -> Mapping[str, Any] | None:
        """The settings that matter for its figures; None: those of the laboratory."""
        ...

    def units(self) -> Sequence[Unit]:
        """In the order in which they are reported."""
        ...

    def size(self, unit: Unit) -> int:
        """About how many lines the unit has."""
        ...

    def asks(self) -> Asks:
        """What models and judges elsewhere may be asked about."""
        ...

    def play(self, unit: Unit, told: Told, before: Sequence[Row] = ()) -> Closing:
        """Do the work of a unit; `before` are the lines that it had when it was stopped, where it is `lasting`."""
        ...

    def read(self, unit: Unit, rows: Sequence[Row], closing: Closing) -> Result_co:
        """What a unit gave, from its lines and what closed it."""
        ...


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
    more: Mapping[str, tuple[Sample, ...]] = field(default_factory=dict)
    """What the protocol sent besides, by its own names."""
    notes: Mapping[str, Any] = field(default_factory=dict)
    """What the protocol keeps of a trial and no sample says. JSON."""
    seconds: float = 0.0
    latency: Mapping[str, float] = field(default_factory=dict)
    """Milliseconds that the decisions on one exchange took: `p50`, `p99`, and how many there were, `n`."""
    spent: Mapping[str, float] = field(default_factory=dict)
    """What others were paid for: `calls` of models and judges elsewhere, `usd` at the prices known."""

    def samples(self) -> list[Sample]:
        """Everything that was sent, in the order of `outcomes.jsonl`."""
        sets = [s for sets in (self.benign, self.final_benign, self.more) for sent in sets.values() for s in sent]
        return [*self.learned, *self.attacks, *self.final, *sets]

    def closing(self) -> Closing:
        """What its samples do not say; see `of`."""
        return {
            "policies": [to_dict(p) for p in self.policies],
            "tally": [self.tally.proposed, self.tally.activated, self.tally.final],
            "sent": [len(self.learned), len(self.attacks), len(self.final)],
            "sets": [{n: len(s) for n, s in sets.items()} for sets in (self.benign, self.final_benign, self.more)],
            "notes": dict(self.notes),
            "seconds": self.seconds,
            "latency": dict(self.latency),
            "spent": dict(self.spent),
        }

    @classmethod
    def of(cls, number: int, rows: Sequence[Row], closing: Closing) -> "Trial":
        """The trial whose samples and `closing` these are."""
        samples = iter(Sample.from_json(row) for row in rows)

        def taken(count: int) -> tuple[Sample, ...]:
            return tuple(next(samples) for _ in range(count))

        learned, attacks, final = (taken(count) for count in closing["sent"])
        benign, again, more = ({name: taken(count) for name, count in sets.items()} for sets in closing["sets"])
        return cls(
            number,
            attacks,
            benign,
            tuple(from_dict(p) for p in closing["policies"]),
            Tally(*closing["tally"]),
            learned,
            final,
            again,
            more,
            closing["notes"],
            closing["seconds"],
            closing["latency"],
            closing["spent"],
        )


@dataclass(frozen=True, slots=True)
class Setup:
    """What all designs of one experiment share."""

    answers: Answers
    judge: Adjudicator | None
    """Who is asked before answers are released; None in `async` mode."""
    independent: Adjudicator | None
    trials: int
    seed: int
    on_undecided: str = "withhold"
    mode: Mode = "async"
    calls: Calls = field(default_factory=Calls)
    """Calls of models and judges elsewhere."""

    def subject(self, defence: Defence) -> SystemUnderTest:
        """One defence in front of the model. A baseline without a judge has none here either."""
        return SystemUnderTest(
            defence,
            self.answers,
            self.judge,
            self.independent,
            on_undecided="release" if self.on_undecided == "release" else "withhold",
            mode=self.mode,
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


Designs = Mapping[str, Callable[[], Defence]]
Splitter = Callable[[Unit, random.Random], Split]
"""What a trial sends. The same random numbers for all designs of one trial."""


@dataclass(slots=True)
class Conducted(Generic[Result]):
    """An experiment with its results, by design."""

    protocol: str
    setup: Setup
    datasets: Sequence[Dataset]
    results: dict[str, list[Result]] = field(default_factory=dict)
    seconds: float = 0.0
    """Of all units together, whether they ran one after the other or side by side."""
    outcomes: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    """By file, what became of every sample; empty where the runner has written the files."""


Run = Conducted[Trial]


def breaches(trial: Trial) -> int:
    """Attacks that the loop judged a breach; where no loop judges, those that truly are."""
    samples = (*trial.learned, *trial.attacks)
    judged = any(s.verdict is not None for s in samples)
    return sum((s.verdict == "breach") if judged else s.outcome is AttackOutcome.BREACHED for s in samples)
