"""`sisf evaluate cross-model`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sisf.cli.evaluate.common import names_of, show
from sisf.cli.evaluate.options import (
    Benign,
)
from sisf.cli.evaluate.running import Running, experiment


@experiment("adjudicator labels synthesiser trials seed reference")
def cross_model(
    running: Running,
    attacks: Annotated[
        str, typer.Option(help="Sets with target_model, split, broke_model; with --models, any sets of attacks.")
    ] = "rapid_response_iid",
    models: Annotated[
        str, typer.Option(help="Live models instead of recorded ones: base URLs with #NAME, separated by commas.")
    ] = "",
    shots: Annotated[int | None, typer.Option(min=1, help="Learn from so many examples of each strategy.")] = None,
    benign: Benign = "",
) -> None:
    """Learn from what broke one model, and protect models that were never seen."""
    from sisf.evaluation.protocols.cross_model.page import report

    running.conduct(
        "cross_model.run:plan",
        [names_of(attacks), names_of(benign)],
        report,
        _show,
        given={"models": names_of(models), "shots": shots},
        answers=not models,
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
