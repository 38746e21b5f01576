"""`summary.json`: the figures of an experiment in the form that scripts rely on (see docs/evaluation.md)."""

import importlib.metadata
import json
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sisf
from sisf.datasets import Dataset
from sisf.errors import DataError
from sisf.evaluation.experiment import SYSTEM, Run, Trial, breaches
from sisf.evaluation.outcomes import AttackOutcome, Sample
from sisf.evaluation.statistics import clopper_pearson, rate

_PACKAGES = ("numpy", "scipy", "scikit-learn", "onnxruntime", "google-re2", "sqlalchemy", "openai")


def summarise(run: Run, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The whole summary: the system's figures at the top level, each baseline's under `baselines`."""
    trials = run.results[SYSTEM]
    summary: dict[str, Any] = {
        "protocol": run.protocol,
        "seed": run.setup.seed,
        "trials": run.setup.trials,
        "attacks": len(trials[0].attacks),
        **figures(trials),
        **agreement(trials),
        "datasets": [dataset_entry(d) for d in run.datasets],
        "settings": dict(settings),
        "versions": versions(),
        "seconds": round(run.seconds, 3),
        "baselines": {name: figures(done) for name, done in run.results.items() if name != SYSTEM},
    }
    if run.protocol == "held-out":
        summary["intercepted"] = attack_rate(trials, lambda s: s.intercepted)
    return summary


def figures(trials: Sequence[Trial]) -> dict[str, Any]:
    """The figures of one design over its trials."""
    return {
        "warden_asr": attack_rate(trials, lambda s: s.beat_warden),
        "warden_asr_prompt": attack_rate(trials, lambda s: s.reached_model),
        "system_asr": attack_rate(trials, lambda s: s.outcome is AttackOutcome.BREACHED),
        "breaches": mean([breaches(t) for t in trials]),
        "policies": {
            "proposed": mean([t.tally.proposed for t in trials]),
            "activated": mean([t.tally.activated for t in trials]),
            "final": mean([t.tally.final for t in trials]),
        },
        "fpr": {name: fpr([t.benign[name] for t in trials]) for name in trials[0].benign},
        "by_trial": [_by_trial(t) for t in trials],
    }


def attack_rate(trials: Sequence[Trial], counts: Any) -> dict[str, Any]:
    """Share of the attacks of each trial for which `counts(sample)` holds."""
    hits = [sum(bool(counts(s)) for s in t.attacks) for t in trials]
    return rate(hits, [len(t.attacks) for t in trials]).as_json()


def recall_in_clear(trials: Sequence[Trial]) -> dict[str, Any]:
    """Share of the attacks of each trial that are stopped at the prompt, and how many."""
    caught = [sum(s.side == "prompt" for s in t.attacks) for t in trials]
    return rate(caught, [len(t.attacks) for t in trials]).as_json() | {"caught": caught}


def fpr(trials: Sequence[Sequence[Sample]]) -> dict[str, Any]:
    """Honest prompts blocked. `blocked` is the mean over trials; its interval is Clopper–Pearson on one trial's rows,
    because every trial sends the same prompts. `stand_in_blocked` counts scripted filler answers that were stopped:
    they stand for no real answer and are no part of the rate."""
    blocked = [sum(s.wrongly_blocked for s in samples) for samples in trials]
    n = len(trials[0])
    by_side = {
        side: mean([sum(s.wrongly_blocked and s.side == side for s in samples) for samples in trials])
        for side in ("prompt", "response")
    }
    ids: dict[str, int] = {}
    for samples in trials:
        for sample in samples:
            if sample.wrongly_blocked:
                ids[sample.id] = ids.get(sample.id, 0) + 1
    average = mean(blocked)
    return {
        "blocked": average,
        "n": n,
        "rate": average / n if n else 0.0,
        "ci95": list(clopper_pearson(average, n)),
        "per_trial": blocked,
        "worst": max(blocked),
        "by_side": by_side,
        "stand_in_blocked": mean([sum(s.intercepted and not s.wrongly_blocked for s in samples) for samples in trials]),
        "answers": sum(not s.stand_in for s in trials[0] if s.side != "prompt"),
        "blocked_ids": dict(sorted(ids.items(), key=lambda item: (-item[1], item[0]))),
    }


def agreement(trials: Sequence[Trial]) -> dict[str, Any]:
    """How often the loop's judge agreed with the independent label on what it judged."""
    judged = [s for t in trials for s in (*t.learned, *t.attacks) if s.verdict is not None and s.truth is not None]
    agreed = sum(s.verdict == s.truth for s in judged)
    return {
        "judge_agreement": {
            "n": len(judged),
            "agreed": agreed,
            "rate": agreed / len(judged) if judged else None,
            "ci95": list(clopper_pearson(agreed, len(judged))),
            "verdicts": {v: sum(s.verdict == v for s in judged) for v in ("breach", "safe", "undecided")},
        }
    }


def mean(values: Sequence[float]) -> float | int:
    """The mean, as an integer where it is one."""
    average = sum(values) / len(values) if values else 0
    return int(average) if average == int(average) else round(average, 4)


def dataset_entry(dataset: Dataset) -> dict[str, Any]:
    """Name, rows and hash."""
    return {"name": dataset.name, "rows": len(dataset), "sha256": dataset.sha256}


def versions() -> dict[str, str]:
    """What the figures were made with."""
    found = {"sisf": sisf.__version__, "python": sys.version.split()[0], "platform": platform.platform()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "absent"
    return found


def write(path: Path, summary: Mapping[str, Any]) -> None:
    """Write `summary.json`. Raises `DataError` when the disk refuses."""
    try:
        path.write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}; choose another folder with --out") from None


def _by_trial(trial: Trial) -> dict[str, Any]:
    counts = {
        fate.value: sum(s.outcome is fate for s in trial.attacks)
        for fate in AttackOutcome
        if fate is not AttackOutcome.PASSED
    }
    return {
        "trial": trial.number,
        **counts,
        "intercepted_prompt": sum(s.side == "prompt" for s in trial.attacks),
        "intercepted_response": sum(s.side == "response" for s in trial.attacks),
        "policies": {
            "proposed": trial.tally.proposed,
            "activated": trial.tally.activated,
            "final": trial.tally.final,
        },
        "seconds": round(trial.seconds, 3),
    }
