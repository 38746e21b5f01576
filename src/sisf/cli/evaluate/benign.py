"""`sisf evaluate benign`."""

from typing import Annotated

import typer

from sisf.cli.base import ConfigOption, JsonOption
from sisf.cli.evaluate.common import names_of
from sisf.cli.evaluate.learn import show_summary
from sisf.cli.evaluate.options import (
    Baselines,
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


def benign(
    out: Out,
    benign: Benign = "sample_benign",
    learn: Annotated[str, typer.Option(help="Data sets of attacks to learn on first, separated by commas.")] = "",
    store: Annotated[str, typer.Option(help="Measure what this store has in force, e.g. sqlite:///sisf.db.")] = "",
    revision: Annotated[int | None, typer.Option(help="What the store had in force at this revision.")] = None,
    model: Model = "recorded",
    adjudicator: Judge = "recorded",
    synthesiser: Synthesiser = "local",
    baselines: Baselines = "",
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
    """Measure what policies cost honest users: any number of sets, with the policies that --learn taught or that
    --store enforces.
    """
    from sisf.evaluation.protocols.benign.page import report

    running = Running(out, config, json, limit, parallel, fresh, max_calls, max_cost, format)
    running.conduct(
        "benign.run:plan",
        [names_of(learn), names_of(benign)],
        report,
        show_summary,
        given={"store": store, "revision": revision},
        model=model,
        adjudicator=adjudicator,
        synthesiser=synthesiser,
        baselines=names_of(baselines),
        trials=trials,
        seed=seed,
        reference=names_of(reference),
    )
