"""The figures of `poison`."""

from collections.abc import Mapping, Sequence
from typing import Any

from sisf.evaluation.outcomes import AttackOutcome
from sisf.evaluation.protocols.poison.run import Effect, PoisonRun
from sisf.evaluation.report.figures import common, mean
from sisf.statistics import rate


def figures_of(run: PoisonRun, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The summary. The figures that every protocol has are those of the clean experiment on the unseen attacks."""
    clean = [next(iter(effects.values())) for effects in run.clean]
    unseen = [[s for s in effect.samples if s.phase == "frozen"] for effect in clean]
    totals = [len(samples) for samples in unseen]

    def share(counts: Any) -> dict[str, Any]:
        return rate([sum(bool(counts(s)) for s in samples) for samples in unseen], totals).as_json()

    return {
        "protocol": "poison",
        "seed": run.setup.seed,
        "trials": run.setup.trials,
        "attacks": totals[0],
        "warden_asr": share(lambda s: s.beat_warden),
        "warden_asr_prompt": share(lambda s: s.reached_model),
        "system_asr": share(lambda s: s.outcome is AttackOutcome.BREACHED),
        "breaches": mean([e.breaches for e in clean]),
        "policies": {"final": mean([e.policies for e in clean])},
        "fpr": {},
        "clean": _clean(clean),
        "attackers": summarise(run),
        **common(run.datasets, settings, run.seconds),
    }


def _clean(effects: Sequence[Effect]) -> dict[str, float]:
    return {
        "benign_blocked": mean([e.benign_blocked for e in effects]),
        "intercepted": mean([e.intercepted for e in effects]),
        "breaches": mean([e.breaches for e in effects]),
        "policies": mean([e.policies for e in effects]),
    }


def summarise(run: PoisonRun) -> dict[str, Any]:
    """`attackers` of `summary.json`: name → share → rises and falls against the clean experiment, means over trials."""
    return {
        name: {
            f"{share:g}": _compared([clean[name] for clean in run.clean], effects) for share, effects in shares.items()
        }
        for name, shares in run.poisoned.items()
    }


def _compared(clean: Sequence[Effect], poisoned: Sequence[Effect]) -> dict[str, float]:
    pairs = list(zip(clean, poisoned, strict=True))

    def average(values: Sequence[float]) -> float:
        return sum(values) / len(values)

    return {
        "benign_rise": average([p.benign_blocked - c.benign_blocked for c, p in pairs]),
        "topic_rise": average([p.target_blocked - c.target_blocked for c, p in pairs]),
        "recall_fall": average([c.intercepted - p.intercepted for c, p in pairs]),
        "breaches": average([p.breaches for p in poisoned]),
        "steered": average([p.steered for p in poisoned]),
        "policies": average([p.policies for p in poisoned]),
    }
