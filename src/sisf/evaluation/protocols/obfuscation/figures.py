"""The figures of `obfuscation`."""

from collections.abc import Mapping, Sequence
from typing import Any

from sisf.evaluation.experiment import SYSTEM
from sisf.evaluation.outcomes import Sample
from sisf.evaluation.protocols.learn.figures import recall_in_clear, summarise
from sisf.evaluation.protocols.obfuscation.run import ObfuscationRun
from sisf.evaluation.report.figures import mean


def figures_of(done: ObfuscationRun, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The summary: that of every protocol, with recall in clear, the loss under each trick, and benign blocks.

    `recall_loss` is in points: percent of the attacks caught in clear, mean over trials.
    """
    figures = summarise(done.run, settings)
    figures["recall_clear"] = recall_in_clear(done.run.results[SYSTEM])
    figures["recall_loss"] = {
        name: round(mean([100 * _passed(tricks[name]) for tricks in done.tricked]), 4) for name in done.tricked[0]
    }
    figures["recall_loss_counts"] = {
        name: [[sum(s.side != "prompt" for s in t[name]), len(t[name])] for t in done.tricked]
        for name in done.tricked[0]
    }
    figures["benign_blocked"] = {
        name: {
            "blocked": entry["blocked"],
            "n": entry["n"],
            "rate": entry["rate"],
            "only_in_a_view": mean([v[name] for v in done.by_view]),
        }
        for name, entry in figures["fpr"].items()
    }
    return figures


def _passed(sent: Sequence[Sample]) -> float:
    return sum(s.side != "prompt" for s in sent) / len(sent) if sent else 0.0
