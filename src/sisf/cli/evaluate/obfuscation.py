"""`sisf evaluate obfuscation`."""

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
    Limit,
    MaxCalls,
    MaxCost,
    Model,
    Out,
    Parallel,
    Reference,
    Seed,
    Synthesiser,
    Trials,
)
from sisf.cli.evaluate.running import Running


def obfuscation(
    out: Out,
    learn: Annotated[str, typer.Option(help="Data sets of attacks to learn on, separated by commas.")] = "advbench",
    attacks: Annotated[str, typer.Option(help="Data sets of attacks to send [default: those learned on].")] = "",
    benign: Benign = "scripts_benign",
    model: Model = "recorded",
    adjudicator: Judge = "recorded",
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
    """Learn, freeze, and send what is caught in clear again: by twelve tricks on characters, encoded, encoded twice."""
    from sisf.evaluation.protocols.obfuscation.page import report

    running = Running(out, config, json, limit, parallel, fresh, max_calls, max_cost, format)
    running.conduct(
        "obfuscation.run:plan",
        [names_of(learn), names_of(attacks), names_of(benign)],
        report,
        _show,
        model=model,
        adjudicator=adjudicator,
        synthesiser=synthesiser,
        baselines=(),
        trials=trials,
        seed=seed,
        reference=names_of(reference),
    )


def _show(summary: dict[str, Any], out: Path) -> None:
    from rich.table import Table

    table = Table("trick", box=None, pad_edge=False, header_style="bold")
    table.add_column("points of recall lost", justify="right")
    for name, points in summary["recall_loss"].items():
        table.add_row(name, f"{points:.2f}")
    show(table, out, f"caught in clear: {summary['recall_clear']['mean']:.1%}")
