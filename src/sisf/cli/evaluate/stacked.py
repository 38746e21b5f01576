"""`sisf evaluate stacked`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sisf.cli.base import console
from sisf.cli.evaluate.common import names_of
from sisf.cli.evaluate.learn import show_summary
from sisf.cli.evaluate.options import (
    Attacks,
    Benign,
)
from sisf.cli.evaluate.running import Running, experiment


@experiment("model adjudicator labels synthesiser mode trials seed reference", mode="inline", trials=3)
def stacked(
    running: Running,
    guard: Annotated[
        str,
        typer.Option(help="keyword-filter, guard-model, moderation, or the base URL of a guarded endpoint (#NAME)."),
    ] = "keyword-filter",
    attacks: Attacks = "advbench",
    benign: Benign = "",
) -> None:
    """Measure SISF behind another guard: what the guard lets through, and how much of that SISF stops."""
    from sisf.evaluation.protocols.stacked.page import report

    running.conduct(
        "stacked.run:plan",
        [names_of(attacks), names_of(benign)],
        report,
        _show,
        given={"guard": guard},
    )


def _show(summary: dict[str, Any], out: Path) -> None:
    from sisf.evaluation.report.words import rate_text

    screen = console()
    for what, key in (
        ("let through by the guard, released and harmful", "residual_asr"),
        ("the same with SISF behind it", "stacked_asr"),
        ("incremental value", "siv"),
        ("incremental value at the end", "siv_final"),
    ):
        screen.print(f"{what}: {rate_text(summary[key])}", style="bold")
    show_summary(summary, out)
