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
from sisf.errors import ConfigurationError
from sisf.evaluation.progress import Progress, Silent
from sisf.evaluation.protocols.judge.refusals import ReadsRefusals, told_apart
from sisf.settings import Adjudication
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


@dataclass(frozen=True, slots=True)
class JudgeRun:
    """All judgements: judge → data set → samples."""

    judged: Mapping[str, Mapping[str, Sequence[Judged]]]
    datasets: Sequence[Dataset]
    seconds: float = 0.0
    counts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Failures, tokens, cache hits: each judge's counters, where it has any."""
    refusals: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Judge → data set → how it tells clear refusals from compliance, for judges that say."""


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
        from sisf.evaluation.laboratory import row_of

        return RecordedAdjudicator(row_of(dataset.name, record) for dataset in datasets for record in dataset.records)
    known = ("local", "llm", "guard-model", "moderation", "ensemble")
    if name not in known:
        raise ConfigurationError(f"--judges: there is no {name!r}; choose from recorded, {', '.join(known)}")
    return create_adjudicator(settings.model_copy(update={"judge": name, "fallback": ()}))


def evaluate(
    judges: Mapping[str, Adjudicator], datasets: Sequence[Dataset], progress: Progress | None = None
) -> JudgeRun:
    """Ask every judge about every record that has an answer and a label."""
    progress = progress or Silent()
    start = time.perf_counter()
    judged: dict[str, dict[str, list[Judged]]] = {name: {} for name in judges}
    refusals: dict[str, dict[str, Any]] = {name: {} for name in judges}
    for dataset in datasets:
        rows = [(r, label) for r in dataset.records if r.response and (label := label_of(r)) is not None]
        for name, judge in judges.items():
            done = judged[name].setdefault(dataset.name, [])
            progress.begin(f"{name} on {dataset.name}", len(rows))
            for record, breach in rows:
                began = time.perf_counter()
                verdict = judge.adjudicate(record.exchange(record.response, dataset=dataset.name))
                done.append(Judged(record, breach, verdict, 1e3 * (time.perf_counter() - began)))
                progress.advance()
            if isinstance(judge, ReadsRefusals):
                refusals[name][dataset.name] = told_apart(judge, [record for record, _ in rows])
    progress.end()
    counts = {name: counters.counts for name, judge in judges.items() if (counters := getattr(judge, "counters", None))}
    return JudgeRun(judged, datasets, time.perf_counter() - start, counts, refusals)
