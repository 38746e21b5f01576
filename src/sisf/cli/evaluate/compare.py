"""`sisf evaluate compare`."""

from pathlib import Path
from typing import Annotated

import typer

from sisf.cli.base import JsonOption, console, emit
from sisf.cli.evaluate.options import Format


def compare(
    a: Annotated[Path, typer.Argument(help="A run's folder, or one of its outcomes-DESIGN.jsonl.")],
    b: Annotated[Path, typer.Argument(help="The run to compare it with, given in the same way.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for summary.json and report.html.")] = None,
    across_conventions: Annotated[
        bool, typer.Option("--across-conventions", help="Compare runs of different conventions of what is benign.")
    ] = False,
    format: Format = "",  # noqa: A002 - the option's name
    json: JsonOption = False,
) -> None:
    """Compare two runs on what both were sent: differences with intervals (bootstrap) and paired tests (McNemar)."""
    from rich.table import Table

    from sisf.evaluation import comparison
    from sisf.evaluation.report.tables import formats_of
    from sisf.evaluation.report.writer import prepare, write

    formats = formats_of(format)
    summary = comparison.compare(comparison.kept(a), comparison.kept(b), across_conventions=across_conventions)
    if out is not None:
        prepare(out)
        write(out, comparison.report(summary), formats)
    if json:
        emit(summary)
        return
    told = comparison.table_of(summary)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for cell in told.header:
        table.add_column(cell.removeprefix("#"), justify="right" if cell.startswith("#") else "left")
    for row in told.rows:
        table.add_row(*row)
    screen = console()
    screen.print(f"A: {a}\nB: {b}")
    screen.print(table)
    screen.print(told.note, style="dim")
