"""Files and words of `obfuscation`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from sisf.evaluation import outcomes, plots, report, summary
from sisf.evaluation.experiment import SYSTEM
from sisf.evaluation.obfuscation import ObfuscationRun
from sisf.evaluation.pages import percent, rate_text, settings_table
from sisf.evaluation.report import Card, Page, Table
from sisf.evaluation.results import samples


def write(out: Path, done: ObfuscationRun, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Write everything into `out` and return the summary."""
    figures = figures_of(done, settings)
    summary.write(out / "summary.json", figures)
    clear = [s for trial in done.run.results[SYSTEM] for s in samples(trial)]
    hidden = [s for tricks in done.tricked for sent in tricks.values() for s in sent]
    outcomes.write_jsonl(out / "outcomes.jsonl", [*clear, *hidden])
    drawn = [plots.draw("recall_loss", "Attacks that pass when spelt otherwise", _bars, figures["recall_loss"])]
    plots.write(out, drawn)
    report.write(out / "report.html", _page(figures, drawn))
    return figures


def figures_of(done: ObfuscationRun, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The summary: that of every protocol, with recall in clear, the loss under each trick, and benign blocks.

    `recall_loss` is in points: percent of the attacks caught in clear, mean over trials.
    """
    figures = summary.summarise(done.run, settings)
    figures["recall_clear"] = summary.recall_in_clear(done.run.results[SYSTEM])
    figures["recall_loss"] = {
        name: round(summary.mean([100 * _passed(tricks[name]) for tricks in done.tricked]), 4)
        for name in done.tricked[0]
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
            "only_in_a_view": summary.mean([v[name] for v in done.by_view]),
        }
        for name, entry in figures["fpr"].items()
    }
    return figures


def _passed(sent: Sequence[outcomes.Sample]) -> float:
    return sum(s.side != "prompt" for s in sent) / len(sent) if sent else 0.0


def _bars(axes: Axes, loss: Mapping[str, float]) -> None:
    names = list(loss)
    axes.barh(names, list(loss.values()), color="#1d4ed8")
    axes.invert_yaxis()
    axes.set(xlabel="points of recall lost")
    axes.set_xlim(0, max(5.0, *loss.values()) if loss else 5.0)
    axes.tick_params(axis="y", labelsize=7)


def _page(figures: Mapping[str, Any], drawn: Sequence[plots.Plot]) -> Page:
    loss: Mapping[str, float] = figures["recall_loss"]
    worst = max(loss, key=lambda name: loss[name]) if loss else ""
    counts = figures["recall_loss_counts"]
    rows = [(name, f"{points:.2f}", *(f"{p:,} of {n:,}" for p, n in counts[name])) for name, points in loss.items()]
    benign = [
        (name, f"{e['blocked']:g}", f"{e['n']:,}", percent(e["rate"]), f"{e['only_in_a_view']:g}")
        for name, e in figures["benign_blocked"].items()
    ]
    trials = tuple(f"#passed, trial {number + 1}" for number in range(figures["trials"]))
    return Page(
        title="Obfuscation: the attacks that are caught in clear, spelt otherwise",
        lead=(
            f"{figures['attacks']:,} attacks, {figures['trials']} trial(s), seed {figures['seed']}. "
            f"Took {figures['seconds']:,.0f} seconds."
        ),
        cards=[
            Card("caught in clear", rate_text(figures["recall_clear"])),
            Card("worst loss", f"{loss.get(worst, 0.0):.2f} points", worst),
        ],
        plots=drawn,
        tables=[
            Table("Recall lost under each trick", ("trick", "#points", *trials), rows),
            Table("Honest prompts blocked", ("set", "#blocked", "#of", "#rate", "#only in another reading"), benign),
            settings_table(figures),
        ],
    )
