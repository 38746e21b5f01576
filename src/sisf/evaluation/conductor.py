"""Takes one design through one trial."""

import random
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from sisf.datasets import Dataset
from sisf.datasets.records import Record
from sisf.evaluation.experiment import Plan, Trial, Unit
from sisf.evaluation.outcomes import Sample
from sisf.evaluation.under_test import Subject
from sisf.policy import drawing_ids

_WINDOW = 50


class Told(Protocol):
    """Hears of every sample when all about it is known, in the order of `outcomes.jsonl`."""

    def __call__(self, sample: Sample, step: str, figures: Mapping[str, str]) -> None:
        """One more sample. `figures` are short texts for whoever watches."""
        ...


def play(plan: Plan, unit: Unit, told: Told) -> Trial:
    """The whole trial. Ids of policies are drawn from the seed: the same trial gives the same ids."""
    with drawing_ids(random.Random(f"{plan.setup.seed}:{unit}")), plan.subjects[unit.design]() as subject:
        return _Conductor(plan, unit, subject, told).trial()


@dataclass(frozen=True, slots=True)
class _Conductor:
    plan: Plan
    unit: Unit
    subject: Subject
    told: Told

    def trial(self) -> Trial:
        started, before = time.monotonic(), self.plan.setup.calls.spent()
        split = self.plan.split_of(self.unit)
        learned = self._shown(split.learn) if split.shown else self._taught(split.learn, "learning")
        attacks = self._sent(split.attacks, "attacks") if split.frozen else self._taught(split.attacks, "attacks")
        again = () if split.frozen else self._sent(split.attacks, "attacks again", phase="final")
        honest = {dataset.name: self._honest(dataset) for dataset in self.plan.benign}
        return Trial(
            self.unit.number,
            attacks,
            honest,
            tuple(self.subject.policies()),
            self.subject.tally(),
            learned,
            final=again,
            seconds=time.monotonic() - started,
            latency=self.subject.latency(),
            spent={name: value - before[name] for name, value in self.plan.setup.calls.spent().items()},
        )

    def _taught(self, records: Sequence[tuple[str, Record]], step: str) -> tuple[Sample, ...]:
        """Attacks from which the loop learns, each `delay` attacks after it was sent."""
        done: list[Sample] = []
        waiting: deque[Sample] = deque()
        for dataset, record in records:
            waiting.append(self.subject.send(record, dataset=dataset, trial=self.unit.number, learn=True))
            if len(waiting) > self.plan.delay:
                self._learned(waiting.popleft(), step, done)
        while waiting:
            self._learned(waiting.popleft(), step, done)
        return tuple(done)

    def _shown(self, records: Sequence[tuple[str, Record]]) -> tuple[Sample, ...]:
        """Exchanges that are known to have got through, whatever the defence does by now."""
        done: list[Sample] = []
        for dataset, record in records:
            done.append(self.subject.show(record, dataset=dataset, trial=self.unit.number))
            self._tell(done[-1], "learning", {"policies": str(done[-1].policies)})
        return tuple(done)

    def _learned(self, sent: Sample, step: str, done: list[Sample]) -> None:
        sample = self.subject.settle(sent)
        done.append(sample)
        self._tell(sample, step, _asr(done) | {"policies": str(sample.policies)})

    def _sent(self, records: Sequence[tuple[str, Record]], step: str, *, phase: str = "frozen") -> tuple[Sample, ...]:
        """Attacks from which nothing is learned."""
        done: list[Sample] = []
        for dataset, record in records:
            sample = self.subject.send(record, dataset=dataset, trial=self.unit.number, learn=False)
            done.append(replace(sample, phase=phase))
            self._tell(done[-1], step, _asr(done))
        return tuple(done)

    def _tell(self, sample: Sample, step: str, figures: Mapping[str, str]) -> None:
        self.plan.setup.calls.check()
        self.told(sample, step, figures)

    def _honest(self, dataset: Dataset) -> tuple[Sample, ...]:
        samples: list[Sample] = []
        blocked = 0
        for record in dataset.benign():
            sample = self.subject.benign(record, dataset=dataset.name, trial=self.unit.number)
            blocked += sample.wrongly_blocked
            samples.append(sample)
            self._tell(sample, dataset.name, {"blocked": str(blocked)})
        return tuple(samples)


def _asr(samples: Sequence[Sample]) -> dict[str, str]:
    recent = samples[-_WINDOW:]
    return {f"ASR last {len(recent)}": f"{sum(s.beat_warden for s in recent) / len(recent):.0%}"}
