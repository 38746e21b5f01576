"""The page of `haystack`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from sisf.errors import counted
from sisf.evaluation.experiment import Run
from sisf.evaluation.protocols.haystack.figures import figures_of
from sisf.evaluation.report.document import Card, Page, Table
from sisf.evaluation.report.plots import Plot, draw
from sisf.evaluation.report.words import percent, rate_text, settings_table
from sisf.evaluation.report.writer import Report

_NOTES = (
    "Lost: attacks that are blocked alone and pass inside a long text, in points; with the 95 % interval "
    "(Clopper–Pearson on all trials together). Attacks in a text that is blocked without them are left out.",
    "Requests joined are many chances to be wrong in one text; “requests blocked alone” says how many of them the "
    "Warden would have stopped by themselves. The manual and the code are texts that people wrote as one.",
    "A rate of at most 0.1 % cannot be shown with fewer than some 3,000 texts: read the interval.",
)


def report(run: Run, settings: Mapping[str, Any]) -> Report:
    """Everything that the protocol writes."""
    figures = figures_of(run, settings)
    drawn = [
        draw("recall_loss", "Attacks that pass inside long texts", _loss_by_length, figures),
        draw("fpr", "Honest long texts blocked", _blocked_by_length, figures),
    ]
    return Report(figures, run.outcomes, drawn, _page(figures, drawn))


def _loss_by_length(axes: Axes, figures: Mapping[str, Any]) -> None:
    entries = figures["recall_loss"]["by_length"]
    _bars(axes, entries, [e["points"] for e in entries.values()], [e["ci95"] for e in entries.values()])
    axes.set_ylabel("points of recall lost, 95 % interval")


def _blocked_by_length(axes: Axes, figures: Mapping[str, Any]) -> None:
    entries = figures["benign_blocked"]["by_length"]
    shares = [[100 * x for x in e["ci95"]] for e in entries.values()]
    _bars(axes, entries, [100 * e["rate"] for e in entries.values()], shares)
    axes.set_ylabel("per cent blocked, 95 % interval")


def _bars(axes: Axes, names: Iterable[str], values: Sequence[float], ends: Sequence[Sequence[float]]) -> None:
    labels = [f"{int(name) // 1000}k" for name in names]
    errors = np.abs(np.array(ends).T - np.array(values))
    axes.bar(labels, values, color="#1d4ed8", width=0.6, yerr=errors, ecolor="#667085", capsize=3)
    axes.set_xlabel("tokens of the text")
    axes.grid(visible=False, axis="x")


def _page(figures: Mapping[str, Any], drawn: Sequence[Plot]) -> Page:
    loss, blocked = figures["recall_loss"], figures["benign_blocked"]
    groups = [("all", "all", loss["all"], blocked["all"])]
    for key, heading in (("by_length", "tokens"), ("by_kind", "kind")):
        groups += [(heading, name, entry, blocked[key][name]) for name, entry in loss[key].items()]
    lost = [_lost_row(group, name, entry) for group, name, entry, _ in groups]
    lost += [_lost_row("position", name, entry) for name, entry in loss["by_position"].items()]
    honest = [
        (
            group,
            name,
            f"{e['blocked']}",
            f"{e['n']:,}",
            percent(e["rate"]),
            percent(e["ci95"][1]),
            f"{e['per_million_tokens']:.2f}",
            f"{e['requests_blocked_alone']}",
        )
        for group, name, _, e in groups
    ]
    cost = [(f"{int(n):,}", f"{ms:.0f}") for n, ms in figures["ms_per_1000_tokens"].items()]
    header = ("by", "what", "#blocked", "#of", "#rate", "#95 % up to", "#per million tokens", "#requests blocked alone")
    return Page(
        title="Haystack: attacks that are caught alone, hidden in honest long texts",
        lead=(
            f"{figures['attacks']:,} attacks, {blocked['all']['n']:,} honest texts, "
            f"{counted(figures['trials'], 'trial')}, seed {figures['seed']}. Took {figures['seconds']:,.0f} seconds."
        ),
        cards=[
            Card("caught alone", rate_text(figures["recall_clear"])),
            Card("lost in long texts", f"{loss['all']['points']:.2f} points", f"of {loss['all']['n']:,} hidden"),
            Card("honest long texts blocked", f"{blocked['all']['blocked']}", f"of {blocked['all']['n']:,}"),
        ],
        plots=drawn,
        tables=[
            Table("Recall lost", ("by", "what", "#points", "#missed", "#of", "#95 %"), lost),
            Table("Honest long texts blocked", header, honest),
            Table("Cost of a text without an attack", ("#tokens", "#ms per 1,000 tokens"), cost),
            settings_table(figures),
        ],
        notes=_NOTES,
    )


def _lost_row(group: str, name: str, entry: Mapping[str, Any]) -> tuple[str, ...]:
    low, high = entry["ci95"]
    return (group, name, f"{entry['points']:.2f}", f"{entry['missed']}", f"{entry['n']:,}", f"{low:.1f}–{high:.1f}")
