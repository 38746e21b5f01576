"""`sisf evaluate rapid-response`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sisf.cli.evaluate.common import counts_of, names_of, show
from sisf.cli.evaluate.options import (
    Benign,
)
from sisf.cli.evaluate.running import Running, experiment


@experiment("adjudicator synthesiser mode trials seed reference", without="limit")
def rapid_response(
    running: Running,
    data: Annotated[
        str, typer.Option(help="A set with target_model, split, attack, broke_model.")
    ] = "rapid_response_iid",
    benign: Benign = "",
    shots: Annotated[str, typer.Option(help="Numbers of seen examples, separated by commas.")] = "0,1,5,25",
) -> None:
    """Learn from prompts and answers of a few examples of each jailbreak strategy, then face the rest of it."""
    from sisf.evaluation.protocols.rapid_response.page import report

    counts = counts_of(shots, "--shots", "0,1,5,25")
    running.conduct(
        "rapid_response.run:plan",
        [[data], names_of(benign)],
        report,
        _show,
        given={"shots": counts},
        answers=True,
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
