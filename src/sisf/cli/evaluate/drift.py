"""`sisf evaluate drift`."""

from typing import Annotated

import typer

from sisf.cli.base import ConfigOption, JsonOption
from sisf.cli.evaluate.common import names_of
from sisf.cli.evaluate.learn import mode_of, show_summary
from sisf.cli.evaluate.options import (
    Baselines,
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


def drift(
    out: Out,
    attacks: Annotated[str, typer.Option(help="Data sets of attacks whose records have a `date`.")],
    benign: Benign = "",
    windows: Annotated[int, typer.Option(min=1, help="Parts of equal size, by date, that are told apart.")] = 5,
    model: Model = "recorded",
    adjudicator: Judge = "recorded",
    labels: Labels = "recorded",
    synthesiser: Synthesiser = "local",
    mode: Mode = "async",
    baselines: Baselines = "paper-warden",
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
    """Send attacks in the order of their dates: how many new ones are stopped, and whether old ones are forgotten."""
    from sisf.evaluation.protocols.drift.page import report

    running = Running(out, config, json, limit, parallel, fresh, max_calls, max_cost, format)
    running.conduct(
        "drift.run:plan",
        [names_of(attacks), names_of(benign)],
        report,
        show_summary,
        given={"windows": windows},
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
