"""`sisf evaluate rapid-response`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sisf.cli.base import ConfigOption, JsonOption
from sisf.cli.evaluate.common import counts_of, names_of, show
from sisf.cli.evaluate.options import (
    Benign,
    Format,
    Fresh,
    Judge,
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


def rapid_response(
    out: Out,
    data: Annotated[
        str, typer.Option(help="A set with target_model, split, attack, broke_model.")
    ] = "rapid_response_iid",
    benign: Benign = "",
    shots: Annotated[str, typer.Option(help="Numbers of seen examples, separated by commas.")] = "0,1,5,25",
    adjudicator: Judge = "recorded",
    synthesiser: Synthesiser = "local",
    trials: Trials = 1,
    seed: Seed = 0,
    reference: Reference = "",
    parallel: Parallel = 0,
    fresh: Fresh = False,
    max_calls: MaxCalls = None,
    max_cost: MaxCost = None,
    format: Format = "",  # noqa: A002 - the option's name
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Learn from prompts and answers of a few examples of each jailbreak strategy, then face the rest of it."""
    from sisf.evaluation.protocols.rapid_response.page import report

    counts = counts_of(shots, "--shots", "0,1,5,25")
    running = Running(out, config, json, None, parallel, fresh, max_calls, max_cost, format)
    running.conduct(
        "rapid_response.run:plan",
        [[data], names_of(benign)],
        report,
        _show,
        given={"shots": counts},
        adjudicator=adjudicator,
        synthesiser=synthesiser,
        answers=True,
        baselines=(),
        trials=trials,
        seed=seed,
        reference=names_of(reference),
    )


def _show(summary: dict[str, Any], out: Path) -> None:
    from rich.table import Table

    from sisf.evaluation.report.words import percent

    table = Table("examples seen", box=None, pad_edge=False, header_style="bold")
    for heading in ("iid", "ood", "honest blocked", "policies"):
        table.add_column(heading, justify="right")
    for count, entry in summary["shots"].items():
        rates = [percent(entry[key]) if key in entry else "–" for key in ("iid", "ood", "benign_rise")]
        table.add_row(count, *rates, f"{entry['policies']:.1f}")
    show(table, out)
