"""The protocol `judge`: judges against labelled exchanges, several judges side by side."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sisf.adjudicator.base import Adjudicator
from sisf.adjudicator.factory import create_adjudicator
from sisf.adjudicator.recorded import RecordedAdjudicator
from sisf.datasets import Dataset
from sisf.datasets.records import Record
from sisf.errors import ConfigurationError, quoted
from sisf.evaluation.experiment import Asks, Closing, Conducted, Row, Setup, Told, Unit
from sisf.evaluation.laboratory import ELSEWHERE, Laboratory, row_of
from sisf.evaluation.protocols.judge.refusals import ReadsRefusals, told_apart
from sisf.evaluation.runs.calls import CountedJudge
from sisf.settings import Adjudication
from sisf.taxonomy import Hazard, Technique
from sisf.verdict import Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Judged:
    """One labelled exchange and what a judge said of it."""

    record: Record
    breach: bool
    """What the label says."""
    verdict: Verdict
    milliseconds: float

    @property
    def score(self) -> float:
        """Breach probability, for ranking; a judge without one is ranked by its outcome and confidence."""
        verdict = self.verdict
        if verdict.breach_probability is not None:
            return verdict.breach_probability
        return {Outcome.BREACH: 0.5 + verdict.confidence / 2, Outcome.SAFE: 0.5 - verdict.confidence / 2}.get(
            verdict.outcome, 0.5
        )

    @property
    def agreement(self) -> str:
        """`agrees`, `missed`, `false_alarm` or `undecided`."""
        if self.verdict.outcome is Outcome.UNDECIDED:
            return "undecided"
        if self.verdict.is_breach == self.breach:
            return "agrees"
        return "missed" if self.breach else "false_alarm"


@dataclass(frozen=True, slots=True)
class Judgement:
    """One judge on one data set."""

    judge: str
    dataset: str
    samples: Sequence[Judged]
    counts: Mapping[str, float]
    """Failures, tokens, cache hits: the judge's counters, where it has any."""
    refusals: Mapping[str, Any] | None
    """How it tells clear refusals from compliance, where it says."""


JudgeRun = Conducted[Judgement]


def plan(lab: Laboratory, sets: Sequence[Sequence[Dataset]], given: Mapping[str, Any]) -> "JudgePlan":
    """`sets` are labelled exchanges; `given` names the `judges` and how `strictness` is set."""
    (labelled,) = sets
    judging = lab.settings.adjudication.model_copy(update={"strictness": given["strictness"]})
    judges = {name: create_judge(name, judging, labelled) for name in given["judges"]}
    counted = {name: CountedJudge(j, lab.calls) if name in ELSEWHERE else j for name, j in judges.items()}
    return JudgePlan(lab.setup(), labelled, counted, {"judges": list(judges), "strictness": given["strictness"]})


@dataclass(frozen=True, slots=True)
class JudgePlan:
    """Every judge about every record that has an answer and a label. See `Experiment`."""

    setup: Setup
    datasets: Sequence[Dataset]
    judges: Mapping[str, Adjudicator]
    described: Mapping[str, Any] = field(default_factory=dict)
    protocol: str = "judge"
    together: bool = True
    lasting: bool = False

    def units(self) -> Sequence[Unit]:
        """A unit is one judge on one data set, by its number."""
        return [Unit(name, number) for name in self.judges for number in range(len(self.datasets))]

    def size(self, unit: Unit) -> int:
        """See `Experiment`."""
        return len(_labelled(self.datasets[unit.number]))

    def asks(self) -> Asks:
        """See `Experiment`."""
        records = [record for dataset in self.datasets for record, _ in _labelled(dataset)]
        return Asks(records, judges=[name for name in self.judges if name in ELSEWHERE])

    def play(self, unit: Unit, told: Told, before: Sequence[Row] = ()) -> Closing:  # noqa: ARG002
        """See `Experiment`."""
        started = time.monotonic()
        judge, dataset = self.judges[unit.design], self.datasets[unit.number]
        milliseconds = []
        for record, breach in _labelled(dataset):
            began = time.perf_counter()
            verdict = judge.adjudicate(record.exchange(record.response, dataset=dataset.name))
            milliseconds.append(1e3 * (time.perf_counter() - began))
            self.setup.calls.check()
            told(_row(unit.design, dataset.name, Judged(record, breach, verdict, 0.0)), dataset.name, {})
        counters = getattr(judge, "counters", None)
        heard = judge.inner if isinstance(judge, CountedJudge) else judge
        records = [record for record, _ in _labelled(dataset)]
        return {
            "milliseconds": milliseconds,
            "counts": dict(counters.counts) if counters else {},
            "refusals": told_apart(heard, records) if isinstance(heard, ReadsRefusals) else None,
            "seconds": time.monotonic() - started,
        }

    def read(self, unit: Unit, rows: Sequence[Row], closing: Closing) -> Judgement:
        """See `Experiment`."""
        dataset = self.datasets[unit.number]
        samples = [
            Judged(record, breach, _verdict(row), milliseconds)
            for (record, breach), row, milliseconds in zip(
                _labelled(dataset), rows, closing["milliseconds"], strict=True
            )
        ]
        return Judgement(unit.design, dataset.name, samples, closing["counts"], closing["refusals"])


def _labelled(dataset: Dataset) -> list[tuple[Record, bool]]:
    return [(r, label) for r in dataset.records if r.response and (label := label_of(r)) is not None]


def _row(judge: str, dataset: str, sample: Judged) -> Row:
    verdict = sample.verdict
    return {
        "id": sample.record.id,
        "judge": judge,
        "dataset": dataset,
        "outcome": sample.agreement,
        "label": "breach" if sample.breach else "safe",
        "verdict": verdict.outcome.value,
        "score": sample.score,
        "hazard": verdict.hazard.value,
        "technique": verdict.technique.value,
    }


def _verdict(row: Row) -> Verdict:
    """What the figures need of a verdict; its `breach_probability` is the score that it was ranked by."""
    return Verdict(
        Outcome(row["verdict"]),
        row["judge"],
        hazard=Hazard(row["hazard"]),
        technique=Technique(row["technique"]),
        breach_probability=row["score"],
    )


def label_of(record: Record) -> bool | None:
    """Whether the recorded answer is a breach: `human_label`, else `broke_model`, else None for harmful prompts.

    An answer to a benign prompt counts as safe.
    """
    if record.human_label is not None:
        return record.human_label == "breach"
    if isinstance(record.extra.get("broke_model"), bool):
        return bool(record.extra["broke_model"])
    return False if record.label == "benign" else None


def create_judge(name: str, settings: Adjudication, datasets: Sequence[Dataset]) -> Adjudicator:
    """The judge of that name alone, without its fallbacks; `recorded` speaks for the data sets.

    Raises `ConfigurationError` for an unknown name.
    """
    if name == "recorded":
        return RecordedAdjudicator(row_of(dataset.name, record) for dataset in datasets for record in dataset.records)
    known = ("local", "llm", "guard-model", "moderation", "ensemble")
    if name not in known:
        raise ConfigurationError(f"--judges: there is no {quoted(name)}; choose from recorded, {', '.join(known)}")
    return create_adjudicator(settings.model_copy(update={"judge": name, "fallback": ()}))
