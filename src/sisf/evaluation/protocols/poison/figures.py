"""The figures of `poison`."""

from collections.abc import Mapping, Sequence
from typing import Any

from sisf.evaluation.experiment import Run
from sisf.evaluation.protocols.learn.figures import figures
from sisf.evaluation.protocols.poison.run import CLEAN, Effect, effect, effects
from sisf.evaluation.report.figures import common, mean


def figures_of(run: Run, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The summary. The figures that every protocol has are those of the clean experiment on the unseen attacks.

    `attackers`: name → share → rises and falls against the clean experiment, means over trials.
    """
    first, clean = next((name, trials) for name, trials in run.results.items() if name.startswith(CLEAN))
    measured = next(iter(clean[0].more))
    found = [effect(trial, measured) for trial in clean]
    return {
        "protocol": "poison",
        "seed": run.setup.seed,
        "trials": run.setup.trials,
        "attacks": len(clean[0].attacks),
        **figures(clean),
        "clean": {
            "design": first,
            "benign_blocked": mean([e.benign_blocked for e in found]),
            "intercepted": mean([e.intercepted for e in found]),
            "breaches": mean([e.breaches for e in found]),
            "policies": mean([e.policies for e in found]),
        },
        "attackers": {
            name: {f"{share:g}": _compared(pairs) for share, pairs in shares.items()}
            for name, shares in effects(run).items()
        },
        **common(run.datasets, settings, run.seconds),
    }


def _compared(pairs: Sequence[tuple[Effect, Effect]]) -> dict[str, float]:
    def average(values: Sequence[float]) -> float:
        return sum(values) / len(values)

    return {
        "benign_rise": average([p.benign_blocked - c.benign_blocked for c, p in pairs]),
        "topic_rise": average([p.target_blocked - c.target_blocked for c, p in pairs]),
        "recall_fall": average([c.intercepted - p.intercepted for c, p in pairs]),
        "breaches": average([p.breaches for _, p in pairs]),
        "steered": average([p.steered for _, p in pairs]),
        "policies": average([p.policies for _, p in pairs]),
    }
