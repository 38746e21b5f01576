"""`sisf evaluate drift`."""

from typing import Annotated

import typer

from sisf.cli.evaluate.common import names_of
from sisf.cli.evaluate.learn import show_summary
from sisf.cli.evaluate.options import (
    Benign,
)
from sisf.cli.evaluate.running import Running, experiment


@experiment("model adjudicator labels synthesiser mode baselines trials seed reference", baselines="paper-warden")
def drift(
    running: Running,
    attacks: Annotated[str, typer.Option(help="Data sets of attacks whose records have a `date`.")],
    benign: Benign = "",
    windows: Annotated[int, typer.Option(min=1, help="Parts of equal size, by date, that are told apart.")] = 5,
) -> None:
    """Send attacks in the order of their dates: how many new ones are stopped, and whether old ones are forgotten."""
    from sisf.evaluation.protocols.drift.page import report

    running.conduct(
        "drift.run:plan",
        [names_of(attacks), names_of(benign)],
        report,
        show_summary,
        given={"windows": windows},
    )
