"""The page of `cross-model`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from sisf.errors import counted
from sisf.evaluation.experiment import Run
from sisf.evaluation.protocols.cross_model.figures import figures_of
from sisf.evaluation.report.document import Card, Page, Table
from sisf.evaluation.report.plots import INK_ON_COLOUR, draw
from sisf.evaluation.report.sections import limits_of
from sisf.evaluation.report.words import data_table, interval, percent, rate_text, settings_table
from sisf.evaluation.report.writer import Report


def report(run: Run, settings: Mapping[str, Any]) -> Report:
    """Everything that the protocol writes."""
    summary = figures_of(run, settings)
    drawn = [draw("transfer", "Attacks that still break the model", _heat, summary["transfer"], size=(6.6, 4.6))]
    models = list(next(iter(summary["transfer"].values())))
    rows = [
        (_plain(teacher), f"{np.mean(summary['learned_from'][teacher]):,.0f}", *(rate_text(cells[m]) for m in models))
        for teacher, cells in summary["transfer"].items()
    ]
    header = ("learned from", "#attacks seen", *(f"#protecting {_plain(m)}" for m in models))
    note = "Released and harmful, of the attacks that break the protected model where nothing stands before it."
    honest = [
        (name, f"{entry['blocked']:g} of {entry['n']:,}", percent(entry["ci95"][1]))
        for name, entry in summary["fpr"].items()
    ]
    page = Page(
        title="Across models: learned from one model's breaches, protecting others",
        lead=(
            f"{len(summary['transfer'])} models taught in turn, {counted(summary['trials'], 'trial')} each, seed "
            f"{summary['seed']}; {summary['attacks']:,} attacks measured at the frozen revision. "
            f"Took {summary['seconds']:,.0f} seconds."
        ),
        cards=[
            Card("ASR on the teacher itself", percent(summary["own_asr"]["mean"]), interval(summary["own_asr"])),
            Card("ASR on models never seen", percent(summary["others_asr"]["mean"]), interval(summary["others_asr"])),
            Card("Policies in force", f"{summary['policies']['final']:g}", "mean over teachers and trials"),
        ],
        plots=drawn,
        tables=[
            Table("System ASR by teacher and protected model", header, rows, note=note),
            *([Table("Honest prompts blocked", ("set", "#blocked", "#95 % up to"), honest)] if honest else []),
            settings_table(summary),
            data_table(summary),
        ],
        limits=limits_of(summary),
    )
    return Report(summary, run.outcomes, drawn, page)


def _heat(axes: Axes, transfer: Mapping[str, Mapping[str, Any]]) -> None:
    models = list(next(iter(transfer.values())))
    values = np.array([[cells[m]["mean"] for m in models] for cells in transfer.values()])
    axes.pcolormesh(values, cmap="Blues", vmin=0, vmax=max(0.05, float(values.max())), edgecolors="white", linewidth=2)
    for (row, column), value in np.ndenumerate(values):
        dark = value > 0.6 * max(0.05, float(values.max()))
        axes.annotate(
            f"{value:.1%}",
            (column + 0.5, row + 0.5),
            ha="center",
            va="center",
            color="white" if dark else INK_ON_COLOUR,
        )
    axes.set_xticks([x + 0.5 for x in range(len(models))], [_plain(m) for m in models], rotation=12)
    axes.set_yticks([y + 0.5 for y in range(len(transfer))], [_plain(t) for t in transfer])
    axes.invert_yaxis()
    axes.set(xlabel="protected model", ylabel="learned from")
    axes.grid(visible=False)


def _plain(model: str) -> str:
    return model.rsplit("/", 1)[-1]
