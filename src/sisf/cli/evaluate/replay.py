"""`sisf evaluate replay`."""

from pathlib import Path
from typing import Annotated

import typer

from sisf.cli.base import ConfigOption, JsonOption, emit, load_settings
from sisf.cli.evaluate.common import names_of, show
from sisf.cli.evaluate.options import Format, Out


def replay(
    out: Out,
    exchanges: Annotated[str, typer.Option(help="Exports of `sisf exchange search --out FILE.jsonl`, or data sets.")],
    store: Annotated[str | None, typer.Option(help="The store whose policies decide [default: as configured].")] = None,
    revision: Annotated[int | None, typer.Option(help="An earlier or later revision than the one in force.")] = None,
    format: Format = "",  # noqa: A002 - the option's name
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Decide recorded exchanges again at a revision of a store: what would be decided otherwise. Exits with 0
    either way.
    """
    from rich.table import Table

    from sisf import datasets
    from sisf.cli.progress import TerminalProgress
    from sisf.embedding import configured_embedder
    from sisf.evaluation.protocols.replay import page
    from sisf.evaluation.protocols.replay import run as protocol
    from sisf.evaluation.report.tables import formats_of
    from sisf.evaluation.report.writer import prepare, write
    from sisf.evaluation.stored import snapshot_of

    formats = formats_of(format)
    settings = load_settings(config, store__url=store)
    prepare(out)
    exports = datasets.load_all(names_of(exchanges))
    snapshot = snapshot_of(_there(settings.store.url), revision, settings)
    embedder = configured_embedder(settings.embedder)
    with TerminalProgress() as progress:
        run = protocol.replay(exports, snapshot, embedder, progress)
    summary = write(out, page.report(run, {"embedder": embedder.id, "revision": snapshot.revision}), formats)
    if json:
        emit(summary)
        return
    table = Table("verdict", box=None, pad_edge=False, header_style="bold")
    keys = ("n", "stopped_then", "stopped_now", "newly_stopped", "newly_passed")
    for key in keys:
        table.add_column(key.replace("_", " ").replace("n", "exchanges") if key == "n" else key.replace("_", " "))
    for name, entry in summary["exchanges"].items():
        table.add_row(name, *(f"{entry[key]:,}" for key in keys))
    show(table, out, f"revision {summary['revision']}, {summary['policies']['final']} policies")


def _there(url: str) -> str:
    from sisf.errors import StoreError

    path = url.removeprefix("sqlite:///")
    if path != url and not Path(path).is_file():
        raise StoreError(f"{path}: there is no store; name it with --store sqlite:///PATH")
    return url
