"""`sisf evaluate stacked`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sisf.cli.base import ConfigOption, JsonOption, console
from sisf.cli.evaluate.common import names_of
from sisf.cli.evaluate.learn import mode_of, show_summary
from sisf.cli.evaluate.options import (
    Attacks,
    Benign,
    Format,
    Fresh,
    Judge,
    Labels,
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


def stacked(
    out: Out,
    guard: Annotated[
        str,
        typer.Option(help="keyword-filter, guard-model, moderation, or the base URL of a guarded endpoint (#NAME)."),
    ] = "keyword-filter",
    attacks: Attacks = "advbench",
    benign: Benign = "",
    model: Model = "recorded",
    adjudicator: Judge = "recorded",
    labels: Labels = "recorded",
    synthesiser: Synthesiser = "local",
    mode: Mode = "inline",
    trials: Trials = 3,
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
    """Measure SISF behind another guard: what the guard lets through, and how much of that SISF stops."""
    from sisf.evaluation.protocols.stacked.page import report

    running = Running(out, config, json, limit, parallel, fresh, max_calls, max_cost, format)
    running.conduct(
        "stacked.run:plan",
        [names_of(attacks), names_of(benign)],
        report,
        _show,
        given={"guard": guard},
        model=model,
        adjudicator=adjudicator,
        labels=labels,
        synthesiser=synthesiser,
        mode=mode_of(mode),
        baselines=(),
        trials=trials,
        seed=seed,
        reference=names_of(reference),
    )


def _show(summary: dict[str, Any], out: Path) -> None:
    from sisf.evaluation.report.words import rate_text

    screen = console()
    for what, key in (
        ("let through by the guard, released and harmful", "residual_asr"),
        ("the same with SISF behind it", "stacked_asr"),
        ("incremental value", "siv"),
        ("incremental value at the end", "siv_final"),
    ):
        screen.print(f"{what}: {rate_text(summary[key])}", style="bold")
    show_summary(summary, out)
