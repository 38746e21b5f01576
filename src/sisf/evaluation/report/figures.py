"""What every `summary.json` holds, in the form that scripts rely on (see docs/evaluation.md)."""

import importlib.metadata
import platform
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import sisf
from sisf.datasets import Dataset
from sisf.evaluation.outcomes import Sample
from sisf.statistics import clopper_pearson

_PACKAGES = ("numpy", "scipy", "scikit-learn", "onnxruntime", "google-re2", "sqlalchemy", "openai")


def common(datasets: Sequence[Dataset], settings: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """What a summary says of its making: data, settings, versions, time."""
    convention = {"convention": settings["convention"]} if "convention" in settings else {}
    return {
        **convention,
        "datasets": [dataset_entry(d) for d in datasets],
        "settings": dict(settings),
        "versions": versions(),
        "seconds": round(seconds, 3),
    }


def fpr(trials: Sequence[Sequence[Sample]]) -> dict[str, Any]:
    """Honest prompts blocked. `blocked` is the mean over trials; its interval is Clopper–Pearson on one trial's rows,
    because every trial sends the same prompts. `stand_in_blocked` counts scripted filler answers that were stopped:
    they stand for no real answer and are no part of the rate. `judged` are those whose answer waited for a verdict."""
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
        "judged": mean([sum(s.verdict is not None for s in samples) for samples in trials]),
        "answers": sum(not s.stand_in for s in trials[0] if s.side != "prompt"),
        "blocked_ids": dict(sorted(ids.items(), key=lambda item: (-item[1], item[0]))),
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
