"""`sisf audit`: who did what, when, on whose evidence; and proof that nobody changed the record."""

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sisf.cli.base import (
    ConfigOption,
    JsonOption,
    StoreOption,
    emit,
    group,
    moment,
    print_rows,
    shown,
    store_of,
    written,
)
from sisf.errors import counted

if TYPE_CHECKING:
    from sisf.store import AuditRow

app = group("Read and verify the audit log.")


@app.command("list")
def list_rows(
    after: Annotated[
        int | None, typer.Option(min=0, help="The rows behind this one, in their order, in place of the newest.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many rows.")] = 100,
    config: ConfigOption = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """List rows, the newest first; with `--after`, in order."""
    with store_of(config, store) as opened:
        rows = opened.audit.latest(limit) if after is None else opened.audit.rows(after=after, limit=limit)
    if json:
        emit([_as_json(row) for row in rows])
        return
    cells = [
        (str(row.sequence), moment(row.time), shown(row.actor), row.action, str(row.revision), shown(row.subject))
        for row in rows
    ]
    print_rows(("row", "time (UTC)", "who", "what", "revision", "on"), cells, empty="there are no rows")


@app.command()
def anchor(
    file: Annotated[Path, typer.Argument(help="Where to write; keep it where this machine cannot change it.")],
    config: ConfigOption = None,
    store: StoreOption = None,
) -> None:
    """Write the newest row to a file: against it, later cuts and rewrites of the log show."""
    from sisf.errors import StoreError

    with store_of(config, store) as opened:
        count = opened.audit.verify()
        rows = opened.audit.rows(after=count - 1) if count else []
    if not rows:
        raise StoreError("the audit log is empty; there is nothing to anchor")
    with written(file) as new:
        new.write(jsonlib.dumps(_as_json(rows[0]), indent=2) + "\n")
    typer.echo(f"anchored row {rows[0].sequence} in {file}")


@app.command()
def verify(
    against: Annotated[Path | None, typer.Option("--anchor", help="A file that `sisf audit anchor` wrote.")] = None,
    config: ConfigOption = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Check the chain: edits, deletions, reordering and, with an anchor, truncation. Exit code 1 when it is broken."""
    from sisf.errors import StoreError, StoreUnavailable

    expected = _read(against) if against else None
    with store_of(config, store) as opened:
        try:
            count, problem = opened.audit.verify(expected), ""
        except StoreUnavailable:
            raise
        except StoreError as error:
            count, problem = 0, str(error)
    if json:
        emit({"rows": count, "problem": problem or None})
    else:
        typer.echo(problem or f"{counted(count, 'row')}, unbroken")
    if problem:
        raise typer.Exit(1)


def _as_json(row: "AuditRow") -> dict[str, Any]:
    import dataclasses

    return {**dataclasses.asdict(row), "time": row.time.isoformat()}


def _read(file: Path) -> "AuditRow":
    from datetime import datetime

    from sisf.errors import DataError, reason
    from sisf.store import AuditRow

    try:
        data = jsonlib.loads(file.read_text(encoding="utf-8"))
        return AuditRow(**{**data, "time": datetime.fromisoformat(data["time"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file}: is not an anchor that `sisf audit anchor` wrote: {reason(error)}") from None
