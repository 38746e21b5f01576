"""`sisf evaluate cross-model`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sisf.cli.base import ConfigOption, JsonOption
from sisf.cli.evaluate.common import names_of, show
from sisf.cli.evaluate.options import (
    Benign,
    Format,
    Fresh,
    Judge,
    Labels,
    Limit,
    MaxCalls,
    MaxCost,
    Out,
    Parallel,
    Reference,
    Seed,
    Synthesiser,
    Trials,
)
from sisf.cli.evaluate.running import Running


def cross_model(
    out: Out,
    attacks: Annotated[
        str, typer.Option(help="Sets with target_model, split, broke_model; with --models, any sets of attacks.")
    ] = "rapid_response_iid",
    models: Annotated[
        str, typer.Option(help="Live models instead of recorded ones: base URLs with #NAME, separated by commas.")
    ] = "",
    shots: Annotated[int | None, typer.Option(min=1, help="Learn from so many examples of each strategy.")] = None,
    benign: Benign = "",
    adjudicator: Judge = "recorded",
    labels: Labels = "recorded",
    synthesiser: Synthesiser = "local",
    trials: Trials = 1,
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
    """Learn from what broke one model, and protect models that were never seen."""
    from sisf.evaluation.protocols.cross_model.page import report

    running = Running(out, config, json, limit, parallel, fresh, max_calls, max_cost, format)
    running.conduct(
        "cross_model.run:plan",
        [names_of(attacks), names_of(benign)],
        report,
        _show,
        given={"models": names_of(models), "shots": shots},
        adjudicator=adjudicator,
        labels=labels,
        synthesiser=synthesiser,
        answers=not models,
        baselines=(),
        trials=trials,
        seed=seed,
        reference=names_of(reference),
    )


def _show(summary: dict[str, Any], out: Path) -> None:
    from rich.table import Table

    from sisf.evaluation.report.words import rate_text

    models = list(next(iter(summary["transfer"].values())))
    table = Table("learned from", box=None, pad_edge=False, header_style="bold")
    for model in models:
        table.add_column(f"ASR on {model.rsplit('/', 1)[-1]}", justify="right")
    for teacher, cells in summary["transfer"].items():
        table.add_row(teacher.rsplit("/", 1)[-1], *(rate_text(cells[m]) for m in models))
    show(table, out, f"models never seen: {rate_text(summary['others_asr'])}")
