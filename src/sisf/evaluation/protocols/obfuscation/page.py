"""The page of `obfuscation`."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from sisf.errors import counted
from sisf.evaluation.experiment import Run
from sisf.evaluation.protocols.obfuscation.figures import figures_of
from sisf.evaluation.report.document import Card, Page, Table
from sisf.evaluation.report.plots import Plot, draw
from sisf.evaluation.report.words import percent, rate_text, settings_table
from sisf.evaluation.report.writer import Report


def report(run: Run, settings: Mapping[str, Any]) -> Report:
    """Everything that the protocol writes."""
    figures = figures_of(run, settings)
    drawn = [draw("recall_loss", "Attacks that pass when spelt otherwise", _bars, figures["recall_loss"])]
    return Report(figures, run.outcomes, drawn, _page(figures, drawn))


def _bars(axes: Axes, loss: Mapping[str, float]) -> None:
    names = list(loss)
    axes.barh(names, list(loss.values()), color="#1d4ed8")
    axes.invert_yaxis()
    axes.set(xlabel="points of recall lost")
    axes.set_xlim(0, max(5.0, *loss.values()) if loss else 5.0)
    axes.tick_params(axis="y", labelsize=7)


def _page(figures: Mapping[str, Any], drawn: Sequence[Plot]) -> Page:
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
            f"{figures['attacks']:,} attacks, {counted(figures['trials'], 'trial')}, seed {figures['seed']}. "
            f"Took {figures['seconds']:,.0f} seconds."
        ),
        cards=[
            Card("caught in clear", rate_text(figures["recall_clear"])),
            Card("worst loss", f"{loss.get(worst, 0.0):.2f} points", worst if loss.get(worst) else "under any trick"),
        ],
        plots=drawn,
        tables=[
            Table("Recall lost under each trick", ("trick", "#points", *trials), rows),
            Table("Honest prompts blocked", ("set", "#blocked", "#of", "#rate", "#only in another reading"), benign),
            settings_table(figures),
        ],
    )
