"""The page of the protocol `judge`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from sisf.evaluation.protocols.judge.figures import judgements, roc, summarise
from sisf.evaluation.protocols.judge.run import JudgeRun
from sisf.evaluation.report.document import Card, Page, Table, excerpt
from sisf.evaluation.report.plots import Plot, draw
from sisf.evaluation.report.words import percent
from sisf.evaluation.report.writer import Report
from sisf.verdict import Outcome

_COLOURS = ("#1d4ed8", "#b45309", "#7c3aed", "#0f766e", "#be123c", "#4d7c0f")
_SHOWN = 60


def report(run: JudgeRun, settings: Mapping[str, Any]) -> Report:
    """Everything that the protocol writes."""
    result = summarise(run, settings)
    drawn = [_plot(run, dataset.name) for dataset in run.datasets]
    drawn += [draw("reliability", "Said and seen breach probability", _reliability, result["judges"])]
    return Report(result, run.outcomes, drawn, _page(run, result, drawn))


def _plot(run: JudgeRun, dataset: str) -> Plot:
    curves = {
        one.judge: (np.array([s.breach for s in one.samples]), np.array([s.score for s in one.samples]))
        for one in judgements(run)
        if one.dataset == dataset and one.samples
    }
    return draw(f"roc_{_safe(dataset)}", f"Breaches found and false alarms on {dataset}", _roc, curves)


def _roc(axes: Axes, curves: Mapping[str, Any]) -> None:
    for colour, (name, (truth, scores)) in zip(_COLOURS * len(curves), curves.items(), strict=False):
        alarms, hits = roc(truth, scores)
        axes.plot(alarms, hits, color=colour, linewidth=2, label=name)
    axes.plot([0, 1], [0, 1], color="#9ca3af", linewidth=1, linestyle=(0, (4, 4)))
    axes.set(xlabel="safe answers called breaches", ylabel="breaches found", xlim=(0, 1), ylim=(0, 1.01))
    axes.legend(loc="lower right", fontsize=9)


def _reliability(axes: Axes, judges: Mapping[str, Any]) -> None:
    number = 0
    for name, sets in judges.items():
        for dataset, entry in sets.items():
            points = entry["reliability"]
            colour = _COLOURS[number % len(_COLOURS)]
            number += 1
            axes.plot(
                [p["predicted"] for p in points],
                [p["observed"] for p in points],
                marker="o",
                color=colour,
                label=f"{name}, {dataset}: Brier {entry['brier']:.3f}",
            )
    axes.plot([0, 1], [0, 1], color="#9ca3af", linewidth=1, linestyle=(0, (4, 4)))
    axes.set(xlabel="probability the judge gave", ylabel="share of breaches", xlim=(0, 1), ylim=(0, 1.01))
    axes.legend(loc="upper left", fontsize=8)


def _page(run: JudgeRun, result: Mapping[str, Any], drawn: list[Plot]) -> Page:
    cards, tables = [], []
    header = ["judge", "# n", "# AUROC", "# accuracy", "# precision", "# recall", "# F1", "# at 1 % FPR", "# undecided"]
    header += ["# p50 ms", "# p99 ms"]
    for dataset in (d.name for d in run.datasets):
        rows = []
        for name, sets in result["judges"].items():
            entry = sets[dataset]
            low, high = entry["auroc_ci95"]
            if entry["auroc"] is not None:
                cards.append(
                    Card(f"{name} on {dataset}", f"{entry['auroc']:.3f}", f"AUROC, 95 % {low:.3f} to {high:.3f}")
                )
            keys = ("accuracy", "precision", "recall", "f1", "recall_at_1pct_fpr", "undecided_rate")
            cells = ["–" if entry[key] is None else percent(entry[key]) for key in keys]
            ranked = "–" if entry["auroc"] is None else f"{entry['auroc']:.3f} [{low:.3f}, {high:.3f}]"
            times = [f"{entry['p50_ms']:.1f}", f"{entry['p99_ms']:.1f}"]
            rows.append([name, f"{entry['n']:,}", ranked, *cells, *times])
        tables.append(Table(dataset, header, rows, "Undecided counts as wrong in accuracy and as missed in recall."))
    tables.append(_confusions(result["judges"]))
    tables.append(_counts(result["counts"]))
    for one in judgements(run):
        entry, name = result["judges"][one.judge][one.dataset], f"{one.judge} on {one.dataset}"
        for kind in ("by_hazard", "by_technique"):
            tables.append(_breakdown(f"{name}, {kind.replace('_', ' ')}", entry[kind]))
        tables.append(_disagreements(f"{name}: where it disagrees with the label", one.samples))
    lead = "Judges against labelled exchanges. A breach is an answer that a person called one."
    return Page("Judges", lead, cards, drawn, tables)


def _confusions(judges: Mapping[str, Any]) -> Table:
    """What each judge said, by what people said."""
    rows = [
        [name, dataset, label, *(f"{said[outcome.value]:,}" for outcome in Outcome)]
        for name, sets in judges.items()
        for dataset, entry in sets.items()
        for label, said in entry["confusion"].items()
    ]
    return Table("Confusion", ["judge", "data", "label", *(f"# {outcome.value}" for outcome in Outcome)], rows)


def _counts(counts: Mapping[str, Mapping[str, float]]) -> Table:
    """What the judges' work took: calls that failed, tokens, money."""
    rows = [[judge, name, f"{count:,g}"] for judge, each in counts.items() for name, count in sorted(each.items())]
    note = "Tokens and money as the endpoints reported them; failed attempts may have cost more."
    return Table("Counts and cost", ["judge", "of", "# in all"], rows, note, folded=True)


def _breakdown(title: str, groups: Mapping[str, Any]) -> Table:
    rows = [
        [
            name,
            f"{group['n']:,}",
            "–" if group["recall"] is None else f"{percent(group['recall'])} of {group['breaches']}",
            f"{group['false_alarms']} of {group['n'] - group['breaches']}",
        ]
        for name, group in groups.items()
    ]
    return Table(title, ["name", "# n", "# breaches found", "# false alarms"], rows, folded=True)


def _disagreements(title: str, samples: Any) -> Table:
    wrong = [s for s in samples if s.agreement in ("missed", "false_alarm")]
    wrong.sort(key=lambda s: abs(s.score - float(s.breach)), reverse=True)
    rows = [
        [s.agreement, f"{s.score:.2f}", excerpt(s.record.prompt), excerpt(s.record.response or "")]
        for s in wrong[:_SHOWN]
    ]
    return Table(title, ["what", "# score", "prompt", "answer"], rows, f"{len(wrong)} in all.", folded=True)


def _safe(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in name)
