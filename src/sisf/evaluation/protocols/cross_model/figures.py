"""The figures of `cross-model`."""

from collections.abc import Mapping
from typing import Any

from sisf.evaluation.experiment import Run, Trial
from sisf.evaluation.outcomes import AttackOutcome, Sample
from sisf.evaluation.protocols.cross_model.run import MODEL, aimed
from sisf.evaluation.protocols.learn.figures import agreement, figures
from sisf.evaluation.report.figures import common
from sisf.statistics import rate


def figures_of(run: Run, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The summary: at the top all teachers together, `transfer` (teacher → protected model → ASR), and the means of
    what protects the teacher itself (`own_asr`) and others (`others_asr`)."""
    trials = [trial for done in run.results.values() for trial in done]
    where = models_of(run)
    transfer: dict[str, dict[str, Any]] = {}
    own: list[tuple[int, int]] = []
    others: list[tuple[int, int]] = []
    for teacher, done in run.results.items():
        for model in dict.fromkeys(where.values()):
            sent = [[s for s in t.attacks if where[_key(s)] == model] for t in done]
            counts = [sum(s.outcome is AttackOutcome.BREACHED for s in trial) for trial in sent]
            totals = [len(trial) for trial in sent]
            transfer.setdefault(teacher, {})[model] = rate(counts, totals).as_json()
            (own if model == teacher else others).extend(zip(counts, totals, strict=True))
    return {
        "protocol": run.protocol,
        "seed": run.setup.seed,
        "trials": run.setup.trials,
        "attacks": len(trials[0].attacks),
        **figures(trials),
        **agreement(trials),
        "transfer": transfer,
        "own_asr": rate(*zip(*own, strict=True)).as_json(),
        "others_asr": rate(*zip(*others, strict=True)).as_json(),
        "learned_from": {name: [len(t.learned) for t in done] for name, done in run.results.items()},
        **common(run.datasets, settings, run.seconds),
    }


def models_of(run: Run) -> dict[tuple[str, str], str]:
    """Whom each attack aimed at, by data set and id."""
    aims = {(d.name, r.id): str(r.extra.get(MODEL, "")) for d in run.datasets for r in d.records}
    live = {(d.name, aimed(r, model).id): model for d in run.datasets for r in d.records for model in run.results}
    sent = [s for done in run.results.values() for t in done for s in _all(t)]
    return {_key(s): live.get(_key(s)) or aims[_key(s)] for s in sent}


def _all(trial: Trial) -> tuple[Sample, ...]:
    return (*trial.learned, *trial.attacks)


def _key(sample: Sample) -> tuple[str, str]:
    return (sample.dataset, sample.id)
