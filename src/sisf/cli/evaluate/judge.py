"""`sisf evaluate judge`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sisf.cli.base import load_settings
from sisf.cli.evaluate.common import names_of, show
from sisf.cli.evaluate.running import Running, experiment


@experiment()
def judge(
    running: Running,
    judges: Annotated[
        str, typer.Option(help="Judges, separated by commas: local, llm, guard-model, moderation, ensemble, recorded.")
    ] = "local",
    data: Annotated[
        str, typer.Option(help="Labelled exchanges (`text`, `response`, `human_label`), separated by commas.")
    ] = "judged_gptfuzz,judged_beavertails",
    strictness: Annotated[str, typer.Option(help="strict or standard [default: as configured].")] = "",
) -> None:
    """Compare judges on labelled exchanges: accuracy, AUROC, calibration, latency, side by side."""
    from sisf.evaluation.protocols.judge.page import report

    strict = strictness or load_settings(running.config).adjudication.strictness
    running.conduct(
        "judge.run:plan",
        [names_of(data)],
        report,
        _show,
        given={"judges": names_of(judges), "strictness": strict},
    )


def _show(summary: dict[str, Any], out: Path) -> None:
    from rich.table import Table

    table = Table("judge", "data", box=None, pad_edge=False, header_style="bold")
    for heading in ("n", "AUROC", "accuracy", "precision", "recall", "undecided", "p50 ms", "p99 ms"):
        table.add_column(heading, justify="right")
    for name, entries in summary["judges"].items():
        for dataset, entry in entries.items():
            shares = [entry[key] for key in ("accuracy", "precision", "recall", "undecided_rate")]
            cells = ["–" if share is None else f"{share:.1%}" for share in shares]
            ranked = "–" if entry["auroc"] is None else f"{entry['auroc']:.3f}"
            table.add_row(
                name, dataset, f"{entry['n']:,}", ranked, *cells, f"{entry['p50_ms']:.1f}", f"{entry['p99_ms']:.1f}"
            )
    show(table, out)
