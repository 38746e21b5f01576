"""Takes one design through one trial."""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sisf.datasets import Dataset
from sisf.datasets.records import Record
from sisf.evaluation.experiment import Split, Told, Trial, Unit
from sisf.evaluation.outcomes import Sample
from sisf.evaluation.runs.calls import Calls
from sisf.evaluation.under_test import Subject

_WINDOW = 50

Tell = Callable[[Sample, str], None]
"""Takes one more sample, and the step that it belongs to."""


@dataclass(frozen=True, slots=True)
class Extra:
    """What a protocol adds to a trial: see the fields of `Trial`."""

    more: Mapping[str, tuple[Sample, ...]] = field(default_factory=dict)
    notes: Mapping[str, object] = field(default_factory=dict)
    benign: Mapping[str, tuple[Sample, ...]] = field(default_factory=dict)
    """Told before `more`; only where the plan has no honest sets of its own."""


Further = Callable[[Subject, Trial, Tell, Unit], Extra]
"""What a protocol does at the final revision, after the attacks and honest prompts that the trial holds so far."""


def conducted(
    subject: Subject,
    split: Split,
    honest: Sequence[Dataset],
    told: Told,
    *,
    unit: Unit,
    calls: Calls,
    delay: int = 0,
    further: Further | None = None,
    before: Sequence[Sample] = (),
) -> Trial:
    """The whole trial. `before` are samples that were sent and told already; they are not sent again."""
    return _Conductor(subject, honest, told, unit, calls, delay, further, deque(before)).trial(split)


@dataclass(frozen=True, slots=True)
class _Conductor:
    subject: Subject
    honest: Sequence[Dataset]
    told: Told
    unit: Unit
    calls: Calls
    delay: int
    further: Further | None
    before: deque[Sample]

    def trial(self, split: Split) -> Trial:
        started, spent = time.monotonic(), self.calls.spent()
        learned = self._shown(split.learn) if split.shown else self._taught(split.learn, "learning")
        attacks = self._sent(split.attacks, "attacks") if split.frozen else self._taught(split.attacks, "attacks")
        again = () if split.frozen else self._sent(split.attacks, "attacks again", phase="final")
        trial = Trial(
            self.unit.number,
            attacks,
            {dataset.name: self._honest(dataset) for dataset in self.honest},
            tuple(self.subject.policies()),
            self.subject.tally(),
            learned,
            final=again,
            latency=self.subject.latency(),
        )
        if self.further is not None:
            extra = self.further(self.subject, trial, lambda sample, step: self._tell(sample, step, {}), self.unit)
            trial = replace(trial, more=extra.more, notes=extra.notes, benign=trial.benign or extra.benign)
        used = {name: value - spent[name] for name, value in self.calls.spent().items()}
        return replace(trial, seconds=time.monotonic() - started, spent=used)

    def _taught(self, records: Sequence[tuple[str, Record]], step: str) -> tuple[Sample, ...]:
        """Attacks from which the loop learns, each `delay` attacks after it was sent."""
        done: list[Sample] = []
        waiting: deque[Sample] = deque()
        for dataset, record in records:
            if self.before:
                done.append(self.before.popleft())
                continue
            waiting.append(self.subject.send(record, dataset=dataset, trial=self.unit.number, learn=True))
            if len(waiting) > self.delay:
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
            if self.before:
                done.append(self.before.popleft())
                continue
            sample = self.subject.send(record, dataset=dataset, trial=self.unit.number, learn=False)
            done.append(replace(sample, phase=phase))
            self._tell(done[-1], step, _asr(done))
        return tuple(done)

    def _tell(self, sample: Sample, step: str, figures: Mapping[str, str]) -> None:
        self.calls.check()
        self.told(sample.as_json(), step, figures)

    def _honest(self, dataset: Dataset) -> tuple[Sample, ...]:
        samples: list[Sample] = []
        blocked = 0
        for record in dataset.benign():
            known = self.before.popleft() if self.before else None
            sample = known or self.subject.benign(record, dataset=dataset.name, trial=self.unit.number)
            blocked += sample.wrongly_blocked
            samples.append(sample)
            if known is None:
                self._tell(sample, dataset.name, {"blocked": str(blocked)})
        return tuple(samples)


def _asr(samples: Sequence[Sample]) -> dict[str, str]:
    recent = samples[-_WINDOW:]
    return {f"ASR last {len(recent)}": f"{sum(s.beat_warden for s in recent) / len(recent):.0%}"}
