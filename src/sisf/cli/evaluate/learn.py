"""`sisf evaluate learn` and `held-out`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sisf.cli.base import console
from sisf.cli.evaluate.common import names_of
from sisf.cli.evaluate.options import (
    Attacks,
    Benign,
    Delay,
    Learn,
)
from sisf.cli.evaluate.running import Running, experiment

if TYPE_CHECKING:
    from rich.console import Console

_ALL = "none,keyword-filter,paper-warden"


@experiment("model adjudicator labels synthesiser mode baselines trials seed reference", baselines=_ALL, trials=5)
def learn(
    running: Running,
    attacks: Attacks = "advbench",
    benign: Benign = "",
    delay: Delay = 0,
) -> None:
    """Run the paper's dynamic learning evaluation: attacks one after the other, from zero policies, then honest
    prompts.
    """
    from sisf.evaluation.protocols.learn.page import report

    running.conduct(
        "learn.run:plan",
        [names_of(attacks), names_of(benign)],
        report,
        show_summary,
        given={"delay": delay},
    )


@experiment(
    "model adjudicator labels synthesiser mode baselines trials seed reference", baselines="paper-warden", trials=5
)
def held_out(
    running: Running,
    attacks: Attacks = "advbench",
    learn: Learn = "",
    benign: Benign = "",
) -> None:
    """Learn on 80 % of the attacks (or on --learn), freeze, and send the rest (or all of --attacks)."""
    from sisf.evaluation.protocols.learn.page import report

    running.conduct(
        "learn.run:held_out_plan_of",
        [names_of(learn), names_of(attacks), names_of(benign)],
        report,
        show_summary,
    )


def show_summary(summary: dict[str, Any], out: Path) -> None:
    """The figures for a person."""
    screen = console()
    if summary["attacks"]:
        _show_attacks(summary, screen)
    if summary["fpr"]:
        _show_honest(summary, screen)
    judged = summary["judge_agreement"]
    if judged["n"]:
        screen.print(
            f"\nthe loop's judge agreed with the labels on {judged['agreed']:,} of {judged['n']:,}", style="dim"
        )
    screen.print(f"report: {out / 'report.html'}", style="dim")


def _show_attacks(summary: dict[str, Any], screen: "Console") -> None:
    from rich.table import Table

    from sisf.evaluation.report.plots import label_of
    from sisf.evaluation.report.words import rate_text

    table = Table("attack success rate", box=None, pad_edge=False, header_style="bold")
    shown = {"prompt-side Warden": "warden_asr_prompt", "Warden": "warden_asr", "system": "system_asr"}
    if "final_asr" in summary:
        shown["all again at the end"] = "final_asr"
    for heading in (*shown, "breaches", "policies"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, figures in (("sisf", summary), *summary["baselines"].items()):
        rates = [_compact(figures[key]) for key in shown.values()]
        table.add_row(label_of(name), *rates, f"{figures['breaches']:g}", f"{figures['policies']['final']:g}")
    screen.print(table)
    if "intercepted" in summary:
        screen.print(f"held-out attacks intercepted: {rate_text(summary['intercepted'])}", style="bold")
    if summary.get("final_asr_taught", {}).get("n"):
        again = rate_text(summary["final_asr_taught"])
        screen.print(f"of the attacks that taught a policy, again at the end: {again} get through")


def _show_honest(summary: dict[str, Any], screen: "Console") -> None:
    from rich.table import Table

    from sisf.evaluation.report.words import percent

    honest = Table("honest prompts, at the final revision", box=None, pad_edge=False, header_style="bold")
    doubtful = summary["settings"].get("mode") == "doubtful"
    for heading in ("blocked", "of", "rate", "95 % up to", *(["waited for a verdict"] if doubtful else [])):
        honest.add_column(heading, justify="right")
    for name, entry in summary["fpr"].items():
        rate, bound = percent(entry["rate"]), percent(entry["ci95"][1])
        waited = [f"{entry['judged']:g}"] if doubtful else []
        honest.add_row(name, f"{entry['blocked']:g}", f"{entry['n']:,}", rate, bound, *waited)
    screen.print()
    screen.print(honest)


def _compact(rate: dict[str, Any]) -> str:
    low, high = rate["ci95"]
    return f"{rate['mean']:.1%} [{100 * low:.1f}, {100 * high:.1f}]"
