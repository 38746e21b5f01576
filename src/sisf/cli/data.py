"""`sisf data`: the known public data sets, other people's tables, and what is contaminated."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sisf.cli.base import JsonOption, StoreOption, emit, group, print_rows, shown, store_of
from sisf.errors import counted, quoted

if TYPE_CHECKING:
    from sisf.datasets.columns import Columns
    from sisf.datasets.overlap import Overlap, Text
    from sisf.datasets.sources import Source

app = group("List and fetch data sets, convert your own tables, and find contaminated ones.")

_EXAMPLES = 5
_ALL = 1_000_000


@app.command("list")
def list_sets(json: JsonOption = False) -> None:
    """List the known public sets, those that ship, and those on this machine."""
    from sisf import datasets
    from sisf.datasets.catalogue import SHIPPED
    from sisf.datasets.sources import SOURCES

    rows = [_known(name, source) for name, source in SOURCES.items()]
    rows += [{"name": name, "what": "ships with the package", "here": "shipped"} for name in SHIPPED]
    named = {row["name"] for row in rows}
    for name in (n for n in datasets.local_names() if n not in named):
        place = _place(name)
        if place is not None:
            rows.append({"name": name, "what": "", "here": str(place), "bytes": place.stat().st_size})
    if json:
        emit({"sets": rows})
        return
    headings = ("set", "where", "rows", "MB", "licence", "pinned", "source", "what")
    print_rows(headings, map(_cells, rows), empty="no set is known")


def _cells(row: dict[str, Any]) -> Sequence[str]:
    pin = row.get("content") or row.get("file") or ""
    return (
        row["name"],
        "shipped" if row["here"] == "shipped" else "here" if row["here"] else "–",
        str(row.get("rows") or "–"),
        f"{row['bytes'] / 1e6:.1f}" if row.get("bytes") else "–",
        row.get("licence", "–"),
        pin[:12] if pin else "unpinned" if "content" in row else "–",
        row.get("repository", "–"),
        row["what"],
    )


def _known(name: str, source: "Source") -> dict[str, Any]:
    place = _place(name)
    return {
        "name": name,
        "what": source.what,
        "repository": source.repository,
        "revision": source.revision or None,
        "url": source.url or None,
        "by_hand": source.by_hand or None,
        "licence": source.licence,
        "rows": source.rows,
        "bytes": place.stat().st_size if place else source.size,
        "content": source.content,
        "file": source.file,
        "here": str(place) if place else "",
    }


def _place(name: str) -> Path | None:
    from sisf.datasets.catalogue import where

    return where(name)


@app.command()
def fetch(
    names: Annotated[list[str], typer.Argument(help="Names of known sets.")],
    unpinned: Annotated[bool, typer.Option("--unpinned", help="Take sets whose content nobody has hashed.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Fetch it even if it is in the cache.")] = False,
) -> None:
    """Fetch known sets once, check them against their pins, and keep them in the cache."""
    from sisf import datasets
    from sisf.datasets.catalogue import cached
    from sisf.datasets.fetching import PINS, noted
    from sisf.datasets.fetching import fetch as fetched
    from sisf.datasets.sources import SOURCES
    from sisf.errors import DataError

    unknown = [name for name in names if name not in SOURCES]
    if unknown:
        raise DataError(f"there is no known set {quoted(unknown[0])}: `sisf data list` shows them")
    for name in names:
        place = _place(name)
        if place is None or again:
            place = fetched(name, cached(name), unpinned=unpinned)
        typer.echo(f"{name}: {counted(len(datasets.read(place)), 'row')} in {place} ({SOURCES[name].licence})")
        if not SOURCES[name].pinned and (kept := noted(place).get("content")):
            typer.echo(f"  unpinned: held from now on to what it holds today ({kept[:16]}…, in {place.parent / PINS})")


@app.command()
def verify(
    names: Annotated[list[str] | None, typer.Argument(help="Sets [default: all on this machine].")] = None,
    json: JsonOption = False,
) -> None:
    """Read sets strictly and hold known ones to their pins. Exit code 1 when one is not what it should be."""
    from sisf import datasets

    found = [_verified(name) for name in names or datasets.local_names()]
    if json:
        emit({"sets": found})
    elif not found:
        typer.echo("no public set is on this machine; `sisf data list` shows what can be fetched")
    else:
        for row in found:
            named = row["state"].startswith(row["name"])  # as errors do, with the line
            typer.echo(row["state"] if named else f"{row['name']}: {row['state']}")
    if any(not row["good"] for row in found):
        raise typer.Exit(1)


def _verified(name: str) -> dict[str, Any]:
    from sisf import datasets
    from sisf.datasets.fetching import content_hash, noted
    from sisf.datasets.sources import SOURCES
    from sisf.errors import DataError

    place = _place(name) or Path(name)
    try:
        read = datasets.read(place)
    except DataError as error:
        return {"name": name, "good": False, "state": str(error)}
    found = content_hash({"text": r.prompt, "response": r.response} for r in read.records)
    source = SOURCES.get(read.name)
    expected = (source.content if source else "") or noted(place).get("content", "")
    row = {"name": name, "rows": len(read), "sha256": read.sha256, "content": found, "good": True}
    if not expected:
        return row | {"state": f"{counted(len(read), 'row')}, readable; unpinned, content {found[:16]}…"}
    if found == expected:
        return row | {"state": f"{counted(len(read), 'row')}, as pinned ({expected[:16]}…)"}
    state = f"{place} does not hold the pinned content (expected {expected[:16]}…, found {found[:16]}…)"
    return row | {"good": False, "state": state}


@app.command()
def convert(
    file: Annotated[Path, typer.Argument(help="CSV, JSONL, JSON (also .gz, .xz) or Parquet.")],
    out: Annotated[Path, typer.Argument(help="The JSONL file to write.")],
    like: Annotated[str, typer.Option(help="Read it as this known set is read (`sisf data list`).")] = "",
    text: Annotated[list[str] | None, typer.Option(help="Column of the prompt; several are joined.")] = None,
    label: Annotated[str, typer.Option(help="Label of every row: harmful or benign.")] = "",
    label_column: Annotated[str, typer.Option(help="Column that holds the label.")] = "",
    harmful: Annotated[list[str] | None, typer.Option(help="What it holds for a harmful prompt.")] = None,
    human_label: Annotated[str, typer.Option(help="Column that says whether the response is safe.")] = "",
    identifier: Annotated[str, typer.Option("--id", help="Column of the id [default: rows are numbered].")] = "",
    category: Annotated[str, typer.Option(help="Column of the category.")] = "",
    attack: Annotated[str, typer.Option(help="Column of the attack technique.")] = "",
    response: Annotated[str, typer.Option(help="Column of a recorded answer.")] = "",
    keep: Annotated[list[str] | None, typer.Option(help="Another column to keep as it is.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT.")] = False,
) -> None:
    """Turn a table into a data set that every command reads."""
    from sisf.datasets.columns import Columns, records_of, rows_of
    from sisf.datasets.fetching import write
    from sisf.errors import ConfigurationError, DataError

    if out.suffix != ".jsonl":
        raise ConfigurationError(f"{out}: a data set is a .jsonl file")
    if out.exists() and not force:
        raise ConfigurationError(f"{out} exists: choose another name, or replace it with --force")
    if label not in ("", "harmful", "benign"):
        raise ConfigurationError(f"--label {label}: must be harmful or benign")
    if like:
        columns = _columns_of(like)
    elif not text:
        raise ConfigurationError("name the prompt's column with --text, or a known set with --like")
    else:
        columns = Columns(
            text=tuple(text),
            id=identifier,
            label=label or None,  # type: ignore[arg-type]
            label_column=label_column,
            harmful=tuple(harmful) if harmful else Columns().harmful,
            human_label=human_label,
            category=category,
            attack=attack,
            response=response,
            keep=tuple(keep or ()),
        )
    try:
        body = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}") from None
    records = records_of(rows_of(body, str(file)), columns, out.stem, str(file))
    write(out, records)
    typer.echo(f"{out}: {counted(len(records), 'record')}")


def _columns_of(name: str) -> "Columns":
    from sisf.datasets.sources import SOURCES
    from sisf.errors import DataError

    if name not in SOURCES:
        raise DataError(f"--like {name}: there is no such known set: `sisf data list` shows them")
    return SOURCES[name].columns


@app.command()
def overlap(
    measured: Annotated[str, typer.Option(help="The sets that are measured, by name or path, with commas.")],
    learned: Annotated[str, typer.Option(help="Sets that were learned from or calibrated on.")] = "",
    store: StoreOption = None,
    near: Annotated[
        float, typer.Option(min=0.1, max=1.0, help="Share of their three-word runs that near texts have in common.")
    ] = 0.6,
    json: JsonOption = False,
) -> None:
    """Look for measured prompts that ship with the package, or were learned from, in the same or nearly the same words.

    `--store` adds the breaches of a store. Exit code 1 when there is one.
    """
    from sisf import datasets
    from sisf.datasets.overlap import Known, Text, overlaps, shipped

    sets = datasets.load_all(_names(measured))
    names = {one.name for one in sets}

    def texts() -> "Iterator[Text]":
        yield from (text for text in shipped() if text.origin not in names)
        for one in datasets.load_all(_names(learned)):
            yield from (Text(one.name, r.id, r.prompt) for r in one.records)
        if store is not None:
            yield from _breaches(store)

    known = Known(texts(), near)
    found = {one.name: overlaps((Text(one.name, r.id, r.prompt) for r in one.records), known) for one in sets}
    if json:
        rows = {one.name: {"n": len(one), "overlaps": [_row(o) for o in found[one.name]]} for one in sets}
        emit({"known": len(known), "near": near, "sets": rows})
    else:
        for one in sets:
            _tell(one.name, len(one), found[one.name])
    if any(found.values()):
        raise typer.Exit(1)


def _names(given: str) -> list[str]:
    return [name.strip() for name in given.split(",") if name.strip()]


def _breaches(url: str) -> "Iterable[Text]":
    from sisf.datasets.overlap import Text
    from sisf.verdict import Outcome

    with store_of(None, url) as opened:
        records = opened.exchanges.recent(_ALL, outcome=Outcome.BREACH)
        return [Text("store", r.exchange.id, r.exchange.prompt) for r in records]


def _row(overlap: "Overlap") -> dict[str, Any]:
    known = overlap.known
    return {"id": overlap.measured.id, "known": f"{known.origin}/{known.id}", "likeness": round(overlap.likeness, 3)}


def _tell(name: str, rows: int, found: "list[Overlap]") -> None:
    exact = sum(o.exact for o in found)
    typer.echo(f"{name}: {exact} of {rows} in the same words, {len(found) - exact} in nearly the same")
    for overlap in sorted(found, key=lambda o: -o.likeness)[:_EXAMPLES]:
        known = overlap.known
        typer.echo(
            shown(f"  {overlap.likeness:.2f}  {overlap.measured.id}  {known.origin}/{known.id}: {known.text[:80]}")
        )
