"""The figures of `rapid-response`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from sisf.evaluation.outcomes import AttackOutcome, Sample
from sisf.evaluation.protocols.rapid_response.run import RapidRun, Round
from sisf.evaluation.report.figures import common, fpr, mean
from sisf.statistics import bootstrap, rate


def figures_of(run: RapidRun, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The summary. The figures that every protocol has are those of the largest number of examples."""
    most = max(r.shots for r in run.rounds)
    last = [r for r in run.rounds if r.shots == most]
    trials = sorted({r.trial for r in last})
    total = _attacks(run)

    def over_trials(counts: Callable[[Sample], bool]) -> dict[str, Any]:
        hits = [sum(counts(s) for r in last if r.trial == t for s in r.attacks) for t in trials]
        return rate(hits, [total] * len(trials)).as_json()

    return {
        "protocol": "rapid-response",
        "seed": run.setup.seed,
        "trials": run.setup.trials,
        "attacks": total,
        "warden_asr": over_trials(lambda s: s.beat_warden),
        "warden_asr_prompt": over_trials(lambda s: s.reached_model),
        "system_asr": over_trials(lambda s: s.outcome is AttackOutcome.BREACHED),
        "breaches": mean([r.learned for r in last]),
        "policies": {
            "proposed": mean([r.tally.proposed for r in last]),
            "activated": mean([r.tally.activated for r in last]),
            "final": mean([r.tally.final for r in last]),
        },
        "fpr": {name: fpr([r.benign[name] for r in last]) for name in last[0].benign},
        "shots": summarise(run),
        **common(run.datasets, settings, run.seconds),
    }


def _attacks(run: RapidRun) -> int:
    """Test attacks over all models, those that never broke a model included."""
    return sum(str(r.extra.get("split", "")).startswith("test_") for r in run.datasets[0].records)


def summarise(run: RapidRun) -> dict[str, Any]:
    """`shots` of `summary.json`: per number of examples the mean over strategies and models, with its parts."""
    return {str(count): _shot([r for r in run.rounds if r.shots == count], run) for count in _counts_of(run)}


def _shot(rounds: Sequence[Round], run: RapidRun) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    for split in sorted({s for r in rounds for s in r.success}):
        cells: dict[str, dict[str, list[float]]] = {}
        for r in rounds:
            for strategy, share in r.success.get(split, {}).items():
                cells.setdefault(r.model, {}).setdefault(strategy, []).append(share)
        flat = [float(np.mean(values)) for strategies in cells.values() for values in strategies.values()]
        entry[split] = float(np.mean(flat))
        entry[f"{split}_ci95"] = list(bootstrap(flat, seed=run.setup.seed))
        entry[f"{split}_by_model"] = {
            model: {strategy: float(np.mean(values)) for strategy, values in strategies.items()}
            for model, strategies in cells.items()
        }
    entry["benign_rise"] = benign_rise(rounds)
    entry["benign_by_set"] = {
        name: benign_rise(rounds, name) for name in sorted({name for r in rounds for name in r.benign})
    }
    entry["policies"] = float(np.mean([r.tally.final for r in rounds]))
    entry["learned_from"] = float(np.mean([r.learned for r in rounds]))
    return entry


def benign_rise(rounds: Sequence[Round], only: str | None = None) -> float:
    """Share of honest prompts blocked after learning; before it, nothing is in force and nothing is blocked."""
    shares = []
    for r in rounds:
        samples = [s for name, sent in r.benign.items() if only in (None, name) for s in sent]
        if samples:
            shares.append(sum(s.wrongly_blocked for s in samples) / len(samples))
    return float(np.mean(shares)) if shares else 0.0


def _counts_of(run: RapidRun) -> list[int]:
    return sorted({r.shots for r in run.rounds})
