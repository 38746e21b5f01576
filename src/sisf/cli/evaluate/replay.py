"""`sisf evaluate replay`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sisf.cli.base import ConfigOption, JsonOption, load_settings
from sisf.cli.evaluate.common import names_of, show
from sisf.cli.evaluate.options import Format, Fresh, Limit, Out, Parallel
from sisf.cli.evaluate.running import Running


def replay(
    out: Out,
    exchanges: Annotated[str, typer.Option(help="Exports of `sisf exchange search --out FILE.jsonl`, or data sets.")],
    store: Annotated[str | None, typer.Option(help="The store whose policies decide [default: as configured].")] = None,
    revision: Annotated[int | None, typer.Option(help="An earlier or later revision than the one in force.")] = None,
    limit: Limit = None,
    parallel: Parallel = 1,
    fresh: Fresh = False,
    format: Format = "",  # noqa: A002 - the option's name
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Decide recorded exchanges again at a revision of a store: what would be decided otherwise. Exits with 0
    either way.
    """
    from sisf.evaluation.protocols.replay.page import report

    url = _there(store or load_settings(config).store.url)
    running = Running(out, config, json, limit, parallel, fresh, format=format)
    running.conduct(
        "replay.run:plan",
        [names_of(exchanges)],
        report,
        _show,
        given={"store": url, "revision": revision},
        baselines=(),
        trials=1,
    )


def _show(summary: dict[str, Any], out: Path) -> None:
    from rich.table import Table

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
