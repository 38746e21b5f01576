"""`sisf evaluate judge`."""

from typing import Annotated

import typer

from sisf.cli.base import ConfigOption, JsonOption, emit, load_settings
from sisf.cli.evaluate.common import names_of, show
from sisf.cli.evaluate.options import Out


def judge(
    out: Out,
    judges: Annotated[
        str, typer.Option(help="Judges, separated by commas: local, llm, guard-model, moderation, ensemble, recorded.")
    ] = "local",
    data: Annotated[
        str, typer.Option(help="Labelled exchanges (`text`, `response`, `human_label`), separated by commas.")
    ] = "judged_gptfuzz,judged_beavertails",
    strictness: Annotated[str, typer.Option(help="strict or standard [default: as configured].")] = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Compare judges on labelled exchanges: accuracy, AUROC, calibration, latency, side by side."""
    from rich.table import Table

    from sisf import datasets
    from sisf.cli.progress import TerminalProgress
    from sisf.evaluation.protocols.judge import page
    from sisf.evaluation.protocols.judge import run as protocol
    from sisf.evaluation.report.writer import prepare, write

    settings = load_settings(config, adjudication__strictness=strictness or None)
    prepare(out)
    sets = datasets.load_all(names_of(data))
    with TerminalProgress() as progress:
        asked = {name: protocol.create_judge(name, settings.adjudication, sets) for name in names_of(judges)}
        run = protocol.evaluate(asked, sets, progress)
    described = {"judges": names_of(judges), "strictness": settings.adjudication.strictness}
    summary = write(out, page.report(run, described))
    if json:
        emit(summary)
        return
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
