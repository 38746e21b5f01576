"""The page of `drift`."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from sisf.evaluation.experiment import SYSTEM, Run
from sisf.evaluation.protocols.drift.figures import figures_of
from sisf.evaluation.protocols.learn.page import page_of
from sisf.evaluation.protocols.learn.plots import draw_all
from sisf.evaluation.report.document import Table
from sisf.evaluation.report.plots import COLOURS, MUTED, draw
from sisf.evaluation.report.words import rate_text
from sisf.evaluation.report.writer import Report


def report(run: Run, settings: Mapping[str, Any]) -> Report:
    """Everything that the protocol writes."""
    summary = figures_of(run, settings)
    drawn = [draw("drift", "Attacks that get past the Warden, by date", _windows, summary["windows"])]
    drawn += draw_all(run, summary)
    rows = [
        (f"{w['from']} – {w['to']}", f"{w['new_asr']['n']:,}", rate_text(w["new_asr"]), rate_text(w["final_asr"]))
        for w in summary["windows"]
    ]
    note = (
        "Parts of equal size by date. When new: sent in turn, each learned from before the next. "
        "At the end: sent again at the final revision; more than when new means forgetting."
    )
    table = Table("By date", ("dates", "#attacks", "#Warden ASR when new", "#at the end"), rows, note=note)
    return Report(summary, run.outcomes, drawn, page_of(run, summary, drawn, (), [table]))


def _windows(axes: Axes, windows: Sequence[Mapping[str, Any]]) -> None:
    places = list(range(len(windows)))
    for key, colour, label in (
        ("new_asr", COLOURS[SYSTEM], "when new"),
        ("final_asr", MUTED, "again at the end"),
    ):
        values = [w[key]["mean"] for w in windows]
        axes.plot(places, values, color=colour, marker="o", linewidth=2.2, label=label)
    axes.set_xticks(places, [w["to"] for w in windows])
    axes.set(xlabel="up to", ylabel="Warden ASR", ylim=(0, None))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, fontsize=9)
