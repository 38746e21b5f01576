"""The figures of `obfuscation`."""

from collections.abc import Mapping, Sequence
from typing import Any

from sisf.evaluation.experiment import SYSTEM, Run
from sisf.evaluation.outcomes import Sample
from sisf.evaluation.protocols.learn.figures import recall_in_clear, summarise
from sisf.evaluation.protocols.obfuscation.run import ONLY_IN_A_VIEW
from sisf.evaluation.report.figures import mean


def figures_of(run: Run, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The summary: that of every protocol, with recall in clear, the loss under each trick, and benign blocks.

    `recall_loss` is in points: percent of the attacks caught in clear, mean over trials.
    """
    trials = run.results[SYSTEM]
    tricks = list(trials[0].more)
    figures = summarise(run, settings)
    figures["recall_clear"] = recall_in_clear(trials)
    figures["recall_loss"] = {
        name: round(mean([100 * _passed(trial.more[name]) for trial in trials]), 4) for name in tricks
    }
    figures["recall_loss_counts"] = {
        name: [[sum(s.side != "prompt" for s in trial.more[name]), len(trial.more[name])] for trial in trials]
        for name in tricks
    }
    figures["benign_blocked"] = {
        name: {
            "blocked": entry["blocked"],
            "n": entry["n"],
            "rate": entry["rate"],
            "only_in_a_view": mean([trial.notes[ONLY_IN_A_VIEW][name] for trial in trials]),
        }
        for name, entry in figures["fpr"].items()
    }
    return figures


def _passed(sent: Sequence[Sample]) -> float:
    return sum(s.side != "prompt" for s in sent) / len(sent) if sent else 0.0
