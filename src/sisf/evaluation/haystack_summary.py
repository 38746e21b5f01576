"""Files and words of `haystack`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from sisf.evaluation import outcomes, plots, report, summary
from sisf.evaluation.experiment import SYSTEM
from sisf.evaluation.hay import POSITIONS
from sisf.evaluation.haystack import HaystackRun, Searched
from sisf.evaluation.outcomes import Sample
from sisf.evaluation.pages import percent, rate_text, settings_table
from sisf.evaluation.report import Card, Page, Table
from sisf.evaluation.results import samples
from sisf.evaluation.statistics import clopper_pearson

_NOTES = (
    "Lost: attacks that are blocked alone and pass inside a long text, in points; with the 95 % interval "
    "(Clopper–Pearson on all trials together). Attacks in a text that is blocked without them are left out.",
    "Requests joined are many chances to be wrong in one text; `requests blocked alone` says how many of them the "
    "Warden would have stopped by themselves. The manual and the code are texts that people wrote as one.",
    "A rate of at most 0.1 % cannot be shown with fewer than some 3,000 texts: read the interval.",
)


def write(out: Path, done: HaystackRun, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Write everything into `out` and return the summary."""
    figures = figures_of(done, settings)
    summary.write(out / "summary.json", figures)
    clear = [s for trial in done.run.results[SYSTEM] for s in samples(trial)]
    hidden = [s for one in _all(done) for s in one.hidden.values()]
    outcomes.write_jsonl(out / "outcomes.jsonl", [*clear, *hidden])
    drawn = [
        plots.draw("recall_loss", "Attacks that pass inside long texts", _loss_by_length, figures),
        plots.draw("fpr", "Honest long texts blocked", _blocked_by_length, figures),
    ]
    plots.write(out, drawn)
    report.write(out / "report.html", _page(figures, drawn))
    return figures


def figures_of(done: HaystackRun, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The summary: that of every protocol, with recall alone, what is lost, what is blocked, and what it costs."""
    figures = summary.summarise(done.run, settings)
    figures["recall_clear"] = summary.recall_in_clear(done.run.results[SYSTEM])
    everything = _all(done)
    figures["recall_loss"] = {
        "all": _loss(s for one in everything for s in one.hidden.values()),
        "by_length": _by(everything, lambda one: str(one.stack.tokens), _lost),
        "by_kind": _by(everything, lambda one: one.stack.hay.kind, _lost),
        "by_position": {
            position: _loss(one.hidden[position] for one in everything if one.hidden) for position in POSITIONS
        },
    }
    figures["benign_blocked"] = {
        "all": _blocked(everything),
        "by_length": _by(everything, lambda one: str(one.stack.tokens), _blocked),
        "by_kind": _by(everything, lambda one: one.stack.hay.kind, _blocked),
    }
    figures["ms_per_1000_tokens"] = _by(everything, lambda one: str(one.stack.tokens), _cost)
    return figures


def _all(done: HaystackRun) -> list[Searched]:
    return [one for trial in done.searched for one in trial]


def _by(
    found: Sequence[Searched], key: Callable[[Searched], str], what: Callable[[Sequence[Searched]], Any]
) -> dict[str, Any]:
    return {name: what([one for one in found if key(one) == name]) for name in dict.fromkeys(map(key, found))}


def _lost(found: Sequence[Searched]) -> dict[str, Any]:
    return _loss(s for one in found for s in one.hidden.values())


def _loss(sent: Iterable[Sample]) -> dict[str, Any]:
    passed = [s.side != "prompt" for s in sent]
    low, high = clopper_pearson(sum(passed), len(passed))
    points = 100 * sum(passed) / len(passed) if passed else 0.0
    return {"points": round(points, 4), "missed": sum(passed), "n": len(passed), "ci95": [100 * low, 100 * high]}


def _blocked(found: Sequence[Searched]) -> dict[str, Any]:
    blocked = sum(one.clean.intercepted for one in found)
    tokens = sum(one.stack.tokens for one in found)
    return {
        "blocked": blocked,
        "n": len(found),
        "rate": blocked / len(found),
        "ci95": list(clopper_pearson(blocked, len(found))),
        "per_million_tokens": 1e6 * blocked / tokens,
        "requests_blocked_alone": sum(one.alone for one in found),
    }


def _cost(found: Sequence[Searched]) -> float:
    return round(1e6 * sum(one.seconds for one in found) / sum(one.stack.tokens for one in found), 2)


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


def _page(figures: Mapping[str, Any], drawn: Sequence[plots.Plot]) -> Page:
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
    header = ("by", "", "#blocked", "#of", "#rate", "#95 % up to", "#per million tokens", "#requests blocked alone")
    return Page(
        title="Haystack: attacks that are caught alone, hidden in honest long texts",
        lead=(
            f"{figures['attacks']:,} attacks, {blocked['all']['n']:,} honest texts, {figures['trials']} trial(s), "
            f"seed {figures['seed']}. Took {figures['seconds']:,.0f} seconds."
        ),
        cards=[
            Card("caught alone", rate_text(figures["recall_clear"])),
            Card("lost in long texts", f"{loss['all']['points']:.2f} points", f"of {loss['all']['n']:,} hidden"),
            Card("honest long texts blocked", f"{blocked['all']['blocked']}", f"of {blocked['all']['n']:,}"),
        ],
        plots=drawn,
        tables=[
            Table("Recall lost", ("by", "", "#points", "#missed", "#of", "#95 %"), lost),
            Table("Honest long texts blocked", header, honest),
            Table("Cost of a text without an attack", ("#tokens", "#ms per 1,000 tokens"), cost),
            settings_table(figures),
        ],
        notes=_NOTES,
    )


def _lost_row(group: str, name: str, entry: Mapping[str, Any]) -> tuple[str, ...]:
    low, high = entry["ci95"]
    return (group, name, f"{entry['points']:.2f}", f"{entry['missed']}", f"{entry['n']:,}", f"{low:.1f}–{high:.1f}")
