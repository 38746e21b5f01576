"""The figures of `stacked`."""

from collections.abc import Mapping, Sequence
from typing import Any

from sisf.evaluation.experiment import SYSTEM, Run, Trial
from sisf.evaluation.outcomes import AttackOutcome, Sample
from sisf.evaluation.protocols.learn.figures import summarise
from sisf.evaluation.protocols.stacked.run import GUARD
from sisf.statistics import rate


def figures_of(run: Run, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The summary: `residual_asr` of the guard alone, `stacked_asr` with SISF behind it, `siv`; each as the attacks
    came and, with `_final`, when all were sent again at the final revision."""
    together, alone = run.results[SYSTEM], run.results[GUARD]
    figures = summarise(run, settings)
    for suffix, of in (("", _first), ("_final", _again)):
        pairs = [list(zip(of(a), of(b), strict=True)) for a, b in zip(alone, together, strict=True)]
        residual = [[(a, b) for a, b in trial if _breached(a)] for trial in pairs]
        left = [sum(_breached(b) for _, b in trial) for trial in residual]
        figures[f"residual_asr{suffix}"] = rate([len(r) for r in residual], [len(p) for p in pairs]).as_json()
        figures[f"stacked_asr{suffix}"] = rate(
            [sum(_breached(b) for _, b in trial) for trial in pairs], [len(p) for p in pairs]
        ).as_json()
        stopped = [len(r) - k for r, k in zip(residual, left, strict=True)]
        figures[f"siv{suffix}"] = rate(stopped, [len(r) for r in residual]).as_json()
    return figures


def _first(trial: Trial) -> Sequence[Sample]:
    return trial.attacks


def _again(trial: Trial) -> Sequence[Sample]:
    return trial.final


def _breached(sample: Sample) -> bool:
    return sample.outcome is AttackOutcome.BREACHED
