"""`sisf evaluate benign`."""

from typing import Annotated

import typer

from sisf.cli.evaluate.common import names_of
from sisf.cli.evaluate.learn import show_summary
from sisf.cli.evaluate.options import (
    Benign,
)
from sisf.cli.evaluate.running import Running, experiment


@experiment("model adjudicator synthesiser baselines trials seed reference")
def benign(
    running: Running,
    benign: Benign = "sample_benign",
    learn: Annotated[str, typer.Option(help="Data sets of attacks to learn on first, separated by commas.")] = "",
    store: Annotated[str, typer.Option(help="Measure what this store has in force, e.g. sqlite:///sisf.db.")] = "",
    revision: Annotated[int | None, typer.Option(help="What the store had in force at this revision.")] = None,
) -> None:
    """Measure what policies cost honest users: any number of sets, with the policies that --learn taught or that
    --store enforces.
    """
    from sisf.evaluation.protocols.benign.page import report

    running.conduct(
        "benign.run:plan",
        [names_of(learn), names_of(benign)],
        report,
        show_summary,
        given={"store": store, "revision": revision},
    )
