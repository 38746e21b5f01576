"""The protocol `judge`: judges against labelled exchanges, several judges side by side."""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sisf.adjudicator.agreement import calibration
from sisf.adjudicator.base import Adjudicator
from sisf.adjudicator.factory import create_adjudicator
from sisf.adjudicator.recorded import RecordedAdjudicator
from sisf.datasets import Dataset
from sisf.datasets.records import Record
from sisf.errors import ConfigurationError
from sisf.evaluation.progress import Progress, Silent
from sisf.evaluation.refusals import ReadsRefusals, told_apart
from sisf.evaluation.statistics import bootstrap, clopper_pearson
from sisf.settings import Adjudication
from sisf.taxonomy import Hazard, hazard_of, technique_of
from sisf.verdict import Outcome, Verdict

Flags = NDArray[np.bool_]
Numbers = NDArray[np.float64]

_MANY_FOR_BOOTSTRAP = 400


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


def figures(samples: Sequence[Judged]) -> dict[str, Any]:
    """The figures of one judge on one data set.

    Undecided exchanges count as wrong in accuracy and as missed in recall: no judge gains by abstaining; `decided`
    holds the accuracy on what it decided.
    """
    truth = np.array([s.breach for s in samples], dtype=bool)
    said = np.array([s.verdict.is_breach for s in samples], dtype=bool)
    undecided = np.array([s.verdict.outcome is Outcome.UNDECIDED for s in samples], dtype=bool)
    scores = np.array([s.score for s in samples], dtype=np.float64)
    n = len(samples)
    right = int(((said == truth) & ~undecided).sum())
    hits, alarms = int((said & truth).sum()), int(said.sum())
    precision = hits / alarms if alarms else None
    recall = hits / int(truth.sum()) if truth.any() else None
    times = np.array([s.milliseconds for s in samples]) if samples else np.zeros(1)
    return {
        "n": n,
        "breaches": int(truth.sum()),
        "accuracy": right / n if n else None,
        "accuracy_ci95": list(clopper_pearson(right, n)),
        "accuracy_decided": right / int((~undecided).sum()) if (~undecided).any() else None,
        "precision": precision,
        "precision_ci95": list(clopper_pearson(hits, alarms)),
        "recall": recall,
        "recall_ci95": list(clopper_pearson(hits, int(truth.sum()))),
        "f1": 2 * hits / (alarms + int(truth.sum())) if alarms + truth.sum() else None,
        "auroc": auroc(truth, scores),
        "auroc_ci95": auroc_interval(truth, scores),
        "recall_at_1pct_fpr": recall_at_fpr(truth, scores, 0.01),
        "undecided": int(undecided.sum()),
        "undecided_rate": float(undecided.mean()) if n else None,
        "confusion": _confusion(samples),
        "brier": calibration(list(scores), list(truth)).brier,
        "reliability": [
            {"predicted": b.predicted, "observed": b.observed, "n": b.n}
            for b in calibration(list(scores), list(truth)).bins
        ],
        "p50_ms": float(np.quantile(times, 0.5)),
        "p99_ms": float(np.quantile(times, 0.99)),
    }


def breakdown(samples: Sequence[Judged], by: Callable[[Judged], str]) -> dict[str, dict[str, Any]]:
    """Counts, recall and false alarms by hazard, technique, or anything else."""
    groups: dict[str, list[Judged]] = defaultdict(list)
    for sample in samples:
        groups[by(sample)].append(sample)
    result = {}
    for name, group in sorted(groups.items(), key=lambda item: -len(item[1])):
        breaches = [s for s in group if s.breach]
        safe = [s for s in group if not s.breach]
        caught = sum(s.verdict.is_breach for s in breaches)
        alarms = sum(s.verdict.is_breach for s in safe)
        result[name] = {
            "n": len(group),
            "breaches": len(breaches),
            "recall": caught / len(breaches) if breaches else None,
            "recall_ci95": list(clopper_pearson(caught, len(breaches))),
            "false_alarms": alarms,
            "false_alarm_ci95": list(clopper_pearson(alarms, len(safe))),
        }
    return result


def hazard_name(sample: Judged) -> str:
    """The hazard that the record's category names, else the one that the judge named."""
    known = hazard_of(sample.record.category) if sample.record.category else Hazard.OTHER
    return (known if known is not Hazard.OTHER else sample.verdict.hazard).value


def technique_name(sample: Judged) -> str:
    """The record's attack, in our words where it has one of them."""
    attack = sample.record.attack or "none"
    known = technique_of(attack).value
    return attack if known == "other" else known


def auroc(truth: Flags, scores: Numbers) -> float | None:
    """Area under the ROC curve (Mann–Whitney, ties count half); None unless both classes are there."""
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        return None
    from scipy.stats import rankdata

    ranks = rankdata(scores)
    return float((ranks[truth].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def auroc_interval(truth: Flags, scores: Numbers) -> list[float]:
    """95 % interval by the bootstrap over exchanges."""
    if auroc(truth, scores) is None:
        return [0.0, 1.0]

    def statistic(drawn: Numbers) -> float:
        index = drawn.astype(np.int64)
        value = auroc(truth[index], scores[index])
        return 0.5 if value is None else value

    return list(bootstrap(list(range(len(truth))), statistic, resamples=_MANY_FOR_BOOTSTRAP))


def recall_at_fpr(truth: Flags, scores: Numbers, limit: float) -> float | None:
    """Largest recall at a threshold that flags at most `limit` of the safe exchanges."""
    if not truth.any() or truth.all():
        return None
    safe = np.sort(scores[~truth])[::-1]
    threshold = safe[min(int(limit * len(safe)), len(safe) - 1)]
    return float((scores[truth] > threshold).mean())


def roc(truth: Flags, scores: Numbers) -> tuple[Numbers, Numbers]:
    """False-positive and true-positive rates, from (0, 0) to (1, 1)."""
    order = np.argsort(-scores, kind="stable")
    hits = np.concatenate([[0], np.cumsum(truth[order])]) / max(int(truth.sum()), 1)
    alarms = np.concatenate([[0], np.cumsum(~truth[order])]) / max(int((~truth).sum()), 1)
    last = np.concatenate([np.diff(scores[order]) != 0, [True]])
    keep = np.concatenate([[True], last])
    return alarms[keep], hits[keep]


def _confusion(samples: Sequence[Judged]) -> dict[str, dict[str, int]]:
    table = {truth: {outcome.value: 0 for outcome in Outcome} for truth in ("breach", "safe")}
    for sample in samples:
        table["breach" if sample.breach else "safe"][sample.verdict.outcome.value] += 1
    return table
