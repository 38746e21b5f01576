"""`sisf evaluate learn` and `held-out`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sisf.cli.base import ConfigOption, JsonOption, console
from sisf.cli.evaluate.common import names_of
from sisf.cli.evaluate.options import (
    Attacks,
    Baselines,
    Benign,
    Delay,
    Format,
    Fresh,
    Judge,
    Labels,
    Learn,
    Limit,
    MaxCalls,
    MaxCost,
    Mode,
    Model,
    Out,
    Parallel,
    Reference,
    Seed,
    Synthesiser,
    Trials,
)
from sisf.cli.evaluate.running import Running

if TYPE_CHECKING:
    from rich.console import Console

_ALL = "none,keyword-filter,paper-warden"


def learn(
    out: Out,
    attacks: Attacks = "advbench",
    benign: Benign = "",
    model: Model = "recorded",
    adjudicator: Judge = "recorded",
    labels: Labels = "recorded",
    synthesiser: Synthesiser = "local",
    mode: Mode = "async",
    delay: Delay = 0,
    baselines: Baselines = _ALL,
    trials: Trials = 5,
    seed: Seed = 0,
    reference: Reference = "",
    limit: Limit = None,
    parallel: Parallel = 0,
    fresh: Fresh = False,
    max_calls: MaxCalls = None,
    max_cost: MaxCost = None,
    format: Format = "",  # noqa: A002 - the option's name
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Run the paper's dynamic learning evaluation: attacks one after the other, from zero policies, then honest
    prompts.
    """
    from sisf.evaluation.protocols.learn.page import report

    running = Running(out, config, json, limit, parallel, fresh, max_calls, max_cost, format)
    running.conduct(
        "learn.run:plan",
        [names_of(attacks), names_of(benign)],
        report,
        show_summary,
        given={"delay": delay},
        model=model,
        adjudicator=adjudicator,
        labels=labels,
        synthesiser=synthesiser,
        mode=mode_of(mode),
        baselines=names_of(baselines),
        trials=trials,
        seed=seed,
        reference=names_of(reference),
    )


def held_out(
    out: Out,
    attacks: Attacks = "advbench",
    learn: Learn = "",
    benign: Benign = "",
    model: Model = "recorded",
    adjudicator: Judge = "recorded",
    labels: Labels = "recorded",
    synthesiser: Synthesiser = "local",
    mode: Mode = "async",
    baselines: Baselines = "paper-warden",
    trials: Trials = 5,
    seed: Seed = 0,
    reference: Reference = "",
    limit: Limit = None,
    parallel: Parallel = 0,
    fresh: Fresh = False,
    max_calls: MaxCalls = None,
    max_cost: MaxCost = None,
    format: Format = "",  # noqa: A002 - the option's name
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Learn on 80 % of the attacks (or on --learn), freeze, and send the rest (or all of --attacks)."""
    from sisf.evaluation.protocols.learn.page import report

    running = Running(out, config, json, limit, parallel, fresh, max_calls, max_cost, format)
    running.conduct(
        "learn.run:held_out_plan_of",
        [names_of(learn), names_of(attacks), names_of(benign)],
        report,
        show_summary,
        model=model,
        adjudicator=adjudicator,
        labels=labels,
        synthesiser=synthesiser,
        mode=mode_of(mode),
        baselines=names_of(baselines),
        trials=trials,
        seed=seed,
        reference=names_of(reference),
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
    for heading in ("blocked", "of", "rate", "95 % up to"):
        honest.add_column(heading, justify="right")
    for name, entry in summary["fpr"].items():
        honest.add_row(
            name, f"{entry['blocked']:g}", f"{entry['n']:,}", percent(entry["rate"]), percent(entry["ci95"][1])
        )
    screen.print()
    screen.print(honest)


def _compact(rate: dict[str, Any]) -> str:
    low, high = rate["ci95"]
    return f"{rate['mean']:.1%} [{100 * low:.1f}, {100 * high:.1f}]"


def mode_of(given: str) -> Literal["async", "inline"]:
    """`--mode`. Raises `ConfigurationError`."""
    from sisf.errors import ConfigurationError

    if given not in ("async", "inline"):
        raise ConfigurationError(f"--mode {given}: must be async or inline")
    return given  # type: ignore[return-value]
