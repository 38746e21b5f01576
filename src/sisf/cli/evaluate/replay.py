"""`sisf evaluate replay`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sisf.cli.base import load_settings, there
from sisf.cli.evaluate.common import names_of, show
from sisf.cli.evaluate.running import Running, experiment


@experiment(without="max_calls max_cost", parallel=1)
def replay(
    running: Running,
    exchanges: Annotated[str, typer.Option(help="Exports of `sisf exchange search --out FILE.jsonl`, or data sets.")],
    store: Annotated[str | None, typer.Option(help="The store whose policies decide [default: as configured].")] = None,
    revision: Annotated[int | None, typer.Option(help="An earlier or later revision than the one in force.")] = None,
) -> None:
    """Decide recorded exchanges again at a revision of a store: what would be decided otherwise. Exits with 0
    either way.
    """
    from sisf.evaluation.protocols.replay.page import report

    url = there(store or load_settings(running.config).store.url)
    running.conduct(
        "replay.run:plan",
        [names_of(exchanges)],
        report,
        _show,
        given={"store": url, "revision": revision},
    )


def _show(summary: dict[str, Any], out: Path) -> None:
    from rich.table import Table

    table = Table("verdict", box=None, pad_edge=False, header_style="bold")
    keys = ("stopped_then", "stopped_now", "newly_stopped", "newly_passed")
    for heading in ("exchanges", *keys):
        table.add_column(heading.replace("_", " "))
    for name, entry in summary["exchanges"].items():
        table.add_row(name, *(f"{entry[key]:,}" for key in ("n", *keys)))
    show(table, out, f"revision {summary['revision']}, {summary['policies']['final']} policies")
