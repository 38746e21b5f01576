"""`sisf evaluate obfuscation`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sisf.cli.evaluate.common import names_of, show
from sisf.cli.evaluate.options import (
    Benign,
)
from sisf.cli.evaluate.running import Running, experiment


@experiment("model adjudicator synthesiser trials seed reference")
def obfuscation(
    running: Running,
    learn: Annotated[str, typer.Option(help="Data sets of attacks to learn on, separated by commas.")] = "advbench",
    attacks: Annotated[str, typer.Option(help="Data sets of attacks to send [default: those learned on].")] = "",
    benign: Benign = "scripts_benign",
) -> None:
    """Learn, freeze, and send what is caught in clear again: by twelve tricks on characters, encoded, encoded twice."""
    from sisf.evaluation.protocols.obfuscation.page import report

    running.conduct(
        "obfuscation.run:plan",
        [names_of(learn), names_of(attacks), names_of(benign)],
        report,
        _show,
    )


def _show(summary: dict[str, Any], out: Path) -> None:
    from rich.table import Table

    table = Table("trick", box=None, pad_edge=False, header_style="bold")
    table.add_column("points of recall lost", justify="right")
    for name, points in summary["recall_loss"].items():
        table.add_row(name, f"{points:.2f}")
    show(table, out, f"caught in clear: {summary['recall_clear']['mean']:.1%}")
