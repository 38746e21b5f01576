"""Protocol `rapid-response`: from a few seen examples of each jailbreak strategy to the rest of it (arXiv 2411.07494).

For each target model the defence learns from k `train` examples of every strategy, all of which broke that model. Then
every test attack is a success if it broke the model, was not refused by the model's guard, and passes the Warden on
both the prompt and the recorded answer, and the judge where the mode lets its answer wait for one. The figure is the
mean over strategies and models.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sisf.datasets import Dataset
from sisf.datasets.records import Record
from sisf.errors import DataError, quoted
from sisf.evaluation.defences import Defence, Tally
from sisf.evaluation.experiment import SYSTEM, Run, Setup, Split, Trial, Unit
from sisf.evaluation.laboratory import Laboratory
from sisf.evaluation.outcomes import AttackOutcome, Sample
from sisf.evaluation.plan import Plan
from sisf.policy import Policy

SHOTS = (0, 1, 5, 25)
_SHOWN = " shown, "
_FIELDS = ("target_model", "split", "broke_model")


@dataclass(frozen=True, slots=True)
class Round:
    """One target model, one number of examples, one trial."""

    trial: int
    shots: int
    model: str
    success: Mapping[str, Mapping[str, float]]
    """Split (`iid`, `ood`) → strategy → share of test attacks that succeed."""
    benign: Mapping[str, tuple[Sample, ...]]
    attacks: tuple[Sample, ...]
    learned: int
    tally: Tally
    policies: tuple[Policy, ...]


@dataclass(slots=True)
class RapidRun:
    """All rounds."""

    setup: Setup
    datasets: Sequence[Dataset]
    rounds: list[Round] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Data:
    train: Mapping[str, Mapping[str, Sequence[Record]]]
    """Model → strategy → examples that broke it."""
    test: Mapping[str, Mapping[str, Mapping[str, Sequence[Record]]]]
    """Model → split → strategy → all test attacks."""


def plan(lab: Laboratory, sets: Sequence[Sequence[Dataset]], given: Mapping[str, Any]) -> Plan:
    """`sets` are the benchmark and honest sets; `given` has the numbers of examples, `shots`."""
    (data,), benign = sets
    return rapid_plan(lab.setup(), lab.designs()[SYSTEM], data, benign, shots=given["shots"])


def rapid_plan(
    setup: Setup, make: Callable[[], Defence], data: Dataset, benign: Sequence[Dataset], *, shots: Sequence[int] = SHOTS
) -> Plan:
    """Every number of examples and target model, each from zero policies."""
    arranged = _arrange(data)
    designs = {_design(count, model): (count, model) for count in shots for model in arranged.test}

    def split(unit: Unit, rng: random.Random) -> Split:
        count, model = designs[unit.design]
        taught: list[Record] = []
        for strategy, examples in arranged.train.get(model, {}).items():
            # The same draw for every number of examples: five examples are the one example and four more.
            draw = random.Random(f"{setup.seed}:{unit.number}:{model}:{strategy}")
            taught += draw.sample(examples, len(examples))[:count]
        rng.shuffle(taught)
        sent = [r for part in arranged.test[model].values() for records in part.values() for r in records if _counts(r)]
        return Split([(data.name, r) for r in sent], [(data.name, r) for r in taught], frozen=True, shown=True)

    made = dict.fromkeys(designs, make)
    sets = [data, *benign]
    return Plan.of("rapid-response", setup, made, split, benign=benign, datasets=sets, together=True)


def arranged_run(run: Run) -> RapidRun:
    """The rounds of a run of `rapid_plan`."""
    data = run.datasets[0]
    test = _arrange(data).test
    found = RapidRun(run.setup, run.datasets, seconds=run.seconds)
    for design, trials in run.results.items():
        count, model = int(design.split(_SHOWN)[0]), design.split(_SHOWN, 1)[1]
        found.rounds += [_round(trial, count, model, test[model]) for trial in trials]
    return found


def _design(count: int, model: str) -> str:
    return f"{count}{_SHOWN}{model}"


def _round(trial: Trial, shots: int, model: str, test: Mapping[str, Mapping[str, Sequence[Record]]]) -> Round:
    stopped = (AttackOutcome.INTERCEPTED, AttackOutcome.WITHHELD)
    through = {s.id for s in trial.attacks if s.outcome not in stopped}
    success = {
        part: {
            strategy: sum(r.id in through for r in records) / len(records) for strategy, records in strategies.items()
        }
        for part, strategies in test.items()
    }
    return Round(
        trial.number,
        shots,
        model,
        success,
        trial.benign,
        trial.attacks,
        len(trial.learned),
        trial.tally,
        trial.policies,
    )


def _counts(record: Record) -> bool:
    """Whether the attack succeeds where no defence stands."""
    return bool(record.extra.get("broke_model")) and not record.extra.get("guard_refused", False)


def _arrange(data: Dataset) -> _Data:
    train: dict[str, dict[str, list[Record]]] = {}
    test: dict[str, dict[str, dict[str, list[Record]]]] = {}
    for record in data.records:
        for name in _FIELDS:
            if name not in record.extra:
                raise DataError(
                    f"data set {quoted(data.name)}, id {quoted(record.id)}: rapid-response needs "
                    f"the field {quoted(name)}"
                )
        model, split = str(record.extra["target_model"]), str(record.extra["split"])
        if split == "train":
            if _counts(record):
                train.setdefault(model, {}).setdefault(record.attack, []).append(record)
        elif split.startswith("test_"):
            side = test.setdefault(model, {}).setdefault(split.removeprefix("test_"), {})
            side.setdefault(record.attack, []).append(record)
        else:
            raise DataError(
                f"data set {quoted(data.name)}, id {quoted(record.id)}: `split` must be train or "
                f"test_…, not {quoted(split)}"
            )
    if not train or not test:
        raise DataError(
            f"data set {quoted(data.name)}: rapid-response needs rows of split `train` and of a `test_…` split"
        )
    return _Data(train, test)
