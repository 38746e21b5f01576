"""The plots of `learn`, `held-out` and the demo."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from sisf.evaluation.experiment import SYSTEM, Run, Trial
from sisf.evaluation.report.plots import COLOURS, INK, MUTED, PAPER, Plot, draw, label_of
from sisf.statistics import rolling_share

PAPER_ASR = 0.4558
"""237 breaches in 520 attacks: the paper's figure (arXiv 2511.07645 v1)."""
_PAPER_ATTACKS = 520

_WINDOW = 50
_HALF = (6.6, 4.6)
"""Inches of a plot that shares its row with another."""


def papers_attacks(run: Run) -> bool:
    """Whether the paper's figure may stand beside this run: all of AdvBench, learned from as it came, and no more."""
    sent = run.results[SYSTEM][0].attacks
    return (
        len(sent) == _PAPER_ATTACKS
        and {s.dataset for s in sent} == {"advbench"}
        and all(s.phase == "learn" for s in sent)
    )


def draw_all(run: Run, summary: Mapping[str, Any]) -> list[Plot]:
    """Every plot that the results allow."""
    plots: list[Plot] = []
    learning = {name: trials for name, trials in run.results.items() if _curve(trials[0])}
    if learning:
        curve = partial(learning_curve, compared=papers_attacks(run))
        plots.append(draw("learning_curve", "Attacks that get past the Warden", curve, learning))
        plots.append(draw("policies", "Active policies", policies_over_time, learning, size=_HALF))
    if summary.get("fpr"):
        designs = {SYSTEM: summary["fpr"], **{name: b["fpr"] for name, b in summary.get("baselines", {}).items()}}
        plots.append(draw("fpr", "Honest prompts blocked", false_positives, designs, size=_HALF))
    return plots


def learning_curve(axes: Axes, results: Mapping[str, Sequence[Trial]], *, compared: bool) -> None:
    """Share of the last 50 attacks that no prompt-side policy stopped; mean and range over trials. `compared`: whether
    the paper's figure belongs beside it."""
    longest = 2
    for name, trials in sorted(results.items(), key=lambda item: item[0] == SYSTEM):
        curves = [rolling_share([s.reached_model for s in _curve(t)], _WINDOW) for t in trials]
        values = np.array([c[: min(map(len, curves))] for c in curves])
        x = np.arange(1, values.shape[1] + 1)
        longest = max(longest, int(x[-1]))
        colour, wide = COLOURS.get(name, MUTED), name == SYSTEM
        overall = float(np.mean([np.mean([s.reached_model for s in _curve(t)]) for t in trials]))
        legend = f"{label_of(name)}: {overall:.1%} of all attacks"
        axes.plot(x, values.mean(axis=0), color=colour, linewidth=2.4 if wide else 1.4, label=legend, zorder=3 + wide)
        if len(trials) > 1 and wide:
            axes.fill_between(x, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.13, linewidth=0)
    if compared:
        _draw_paper(axes, longest)
    axes.set(xlabel="attacks sent", ylabel=f"of the last {_WINDOW} attacks", ylim=(0, 1.04), xlim=(1, longest))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2, fontsize=9)


def _draw_paper(axes: Axes, longest: int) -> None:
    axes.axhline(PAPER_ASR, color=PAPER, linestyle=(0, (5, 4)), linewidth=1.2, zorder=2)
    axes.annotate(
        f"the paper: {PAPER_ASR:.2%} of all attacks",
        (longest, PAPER_ASR),
        xytext=(0, 4),
        textcoords="offset points",
        ha="right",
        color=PAPER,
        fontsize=9,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1},
        zorder=6,
    )


def policies_over_time(axes: Axes, results: Mapping[str, Sequence[Trial]]) -> None:
    """Active policies against attacks sent, of the designs that have policies."""
    longest, highest = 2, 1
    for name, trials in sorted(results.items(), key=lambda item: item[0] == SYSTEM):
        counts = [[s.policies for s in _curve(t)] for t in trials]
        if not any(map(any, counts)):
            continue
        values = np.array([c[: min(map(len, counts))] for c in counts])
        x = np.arange(1, values.shape[1] + 1)
        longest, highest = max(longest, int(x[-1])), max(highest, int(values.max()))
        colour, wide = COLOURS.get(name, MUTED), name == SYSTEM
        final = float(values[:, -1].mean())
        axes.plot(
            x, values.mean(axis=0), color=colour, linewidth=2.4 if wide else 1.4, label=f"{label_of(name)}: {final:.0f}"
        )
        if len(trials) > 1:
            axes.fill_between(x, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.13, linewidth=0)
    axes.set(xlabel="attacks sent", ylabel="policies in force", xlim=(1, longest), ylim=(0, highest * 1.08))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", fontsize=9)


def false_positives(axes: Axes, designs: Mapping[str, Mapping[str, Any]]) -> None:
    """Share of each honest set that is blocked, with 95 % intervals, by design."""
    shown = {name: sets for name, sets in designs.items() if name != "none"}
    sets = list(next(iter(shown.values())))
    height = 0.8 / len(shown)
    for row, (name, entries) in enumerate(shown.items()):
        rates = np.array([entries[s]["rate"] for s in sets])
        low = rates - np.array([entries[s]["ci95"][0] for s in sets])
        high = np.array([entries[s]["ci95"][1] for s in sets]) - rates
        y = np.arange(len(sets)) + row * height
        colour = COLOURS.get(name, MUTED)
        errors = np.clip(np.vstack([low, high]), 0, None)
        axes.barh(y, rates, height=height * 0.86, color=colour, label=label_of(name), alpha=0.9)
        axes.errorbar(rates, y, xerr=errors, fmt="none", ecolor=INK, elinewidth=0.9, capsize=2)
        for position, value, entry, error in zip(y, rates, [entries[s] for s in sets], high, strict=True):
            text = f"{entry['blocked']:g} of {entry['n']:,}"
            axes.annotate(
                text, (value + error, position), xytext=(5, 0), textcoords="offset points", va="center", fontsize=8
            )
    axes.set_yticks(np.arange(len(sets)) + 0.4 - height / 2, sets)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("blocked, with 95 % intervals")
    axes.margins(x=0.14)
    axes.set_xlim(left=0)
    axes.grid(visible=False, axis="y")
    if len(shown) > 1:
        axes.legend(loc="upper center", bbox_to_anchor=(0.4, -0.13), ncols=3, fontsize=9)


def _curve(trial: Trial) -> Sequence[Any]:
    """The attacks during which the loop learned."""
    return [s for s in (*trial.learned, *trial.attacks) if s.phase == "learn"]
