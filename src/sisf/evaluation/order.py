"""What was ordered at the command line: everything by name, so that any process can make the same plan of it."""

import hashlib
import importlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import sisf
from sisf import datasets
from sisf.datasets import Dataset
from sisf.evaluation.conventions import convention_of, suited
from sisf.evaluation.experiment import Experiment
from sisf.evaluation.laboratory import Laboratory, Options, references_of
from sisf.evaluation.runs.calls import Calls
from sisf.settings import Settings

Sets = list[list[Dataset]]
Planner = Callable[[Laboratory, Sequence[Sequence[Dataset]], Mapping[str, Any]], Experiment[Any]]


@dataclass(frozen=True)
class LaboratoryOrder:
    """One experiment. Can be pickled."""

    planner: str
    """`module:function` of the protocol that makes the plan, under `sisf.evaluation.protocols`."""
    settings: Settings
    options: Options
    groups: Sequence[Sequence[str]]
    """Names of data sets, by what the protocol uses them for; the last group is honest."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """What else the protocol asks for."""
    limit: int | None = None
    """Take so many records of every set, chosen by the seed."""
    calls: Path | None = None
    """Where the calls of models and judges elsewhere are kept."""
    max_calls: int | None = None
    max_usd: float | None = None

    def open(self) -> tuple[Laboratory, Sets]:
        """The laboratory and the data sets."""
        sets = self.sets()
        calls = Calls(self.calls, max_calls=self.max_calls, max_usd=self.max_usd)
        return Laboratory(self.settings, self.options, [d for group in sets for d in group], calls), sets

    def sets(self) -> Sets:
        """The data sets, cut to the limit, the honest ones as the convention of the run counts them."""
        sets = [list(datasets.load_all(names)) for names in self.groups]
        if sets:
            sets[-1] = suited(sets[-1], convention_of(references_of(self.options)))
        return [[self._cut(dataset) for dataset in group] for group in sets]

    def plan(self) -> Experiment[Any]:
        """See `runs.runner.Order`: for a process of its own, which logs what goes wrong only."""
        from sisf.gateway.server import configure_logs

        configure_logs("warning")
        return self.planned(*self.open())

    def planned(self, lab: Laboratory, sets: Sets) -> Experiment[Any]:
        """The plan, where the laboratory is open already."""
        module, _, name = self.planner.partition(":")
        planner: Planner = getattr(importlib.import_module(f"sisf.evaluation.protocols.{module}"), name)
        return planner(lab, sets, self.given)

    def described(self, lab: Laboratory, plan: Experiment[Any]) -> Mapping[str, Any]:
        """What must be the same for a run to be gone on with."""
        settings = plan.described
        if settings is None:
            settings = {"reference": {d.name: d.sha256 for d in lab.references}, "embedder": lab.embedder.id}
        return {
            "protocol": plan.protocol,
            "version": sisf.__version__,
            "options": asdict(self.options),
            "given": dict(self.given),
            "settings": dict(settings),
            "limit": self.limit,
            "datasets": {d.name: d.sha256 for d in plan.datasets},
            "configuration": hashlib.sha256(self.settings.model_dump_json().encode()).hexdigest(),
        }

    def _cut(self, dataset: Dataset) -> Dataset:
        if self.limit is None:
            return dataset
        kept: set[str] = set()
        for label in ("harmful", "benign", None):
            ids = [r.id for r in dataset.records if r.label == label]
            chooser = random.Random(f"{self.options.seed}:{dataset.name}:{label}")
            kept |= set(chooser.sample(ids, min(self.limit, len(ids))))
        return replace(dataset, records=tuple(r for r in dataset.records if r.id in kept))
