"""From the rows of a table (CSV, JSONL, JSON, Parquet) to records: which column holds what."""

import csv
import gzip
import io
import json
import lzma
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sisf.datasets.records import Label, parse_line
from sisf.errors import DataError, quoted, reason

FORMATS = ("csv", "jsonl", "json", "parquet")
_PACKED = {".gz": gzip.decompress, ".xz": lzma.decompress}
_FIELDS = ("category", "attack", "response", "source")
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column of a table holds what. A column that is named must be in every row."""

    text: tuple[str, ...] = ("text",)
    """Joined by a blank line, empty ones left out."""
    each: bool = False
    """Whether every column of `text` is a record of its own (translations) instead."""
    id: str = ""
    """Empty: the set's name and the row's number."""
    label: Label | None = None
    """The label of every row; None where a column says."""
    label_column: str = ""
    harmful: tuple[str, ...] = ("harmful", "1", "true", "unsafe")
    """What the label column holds for a harmful prompt, in any case; everything else is benign."""
    human_label: str = ""
    """A column that says whether the response is safe (`safe`, `1`, `true`, `unharmful`) or a breach."""
    category: str = ""
    attack: str = ""
    response: str = ""
    source: str = ""
    keep: tuple[str, ...] = ()
    """Other columns to keep as they are."""
    fixed: tuple[tuple[str, str], ...] = ()
    """Fields that are the same in every record."""


_SAFE = ("safe", "1", "true", "unharmful", "none")


def kind_of(name: str) -> str:
    """The format that a file's name tells. Raises `DataError`."""
    path = Path(name.partition("?")[0])
    suffix = Path(path.stem).suffix if path.suffix in _PACKED else path.suffix
    kind = suffix.lstrip(".").lower()
    if kind not in FORMATS:
        raise DataError(f"{name}: must end in {', '.join('.' + f for f in FORMATS)} (CSV and JSON also .gz or .xz)")
    return kind


def rows_of(body: bytes, name: str) -> list[Row]:
    """The rows of a table; `name` (a path or an address) tells the format. Raises `DataError` that names it."""
    kind = kind_of(name)
    for suffix, unpack in _PACKED.items():
        if Path(name.partition("?")[0]).suffix == suffix:
            try:
                body = unpack(body)
            except (OSError, EOFError, lzma.LZMAError) as error:
                raise DataError(f"{name}: cannot be unpacked: {reason(error)}") from None
    if kind == "parquet":
        return _parquet(body, name)
    try:
        text = body.decode("utf-8-sig")
        return list(_TEXT[kind](text))
    except (UnicodeDecodeError, ValueError, csv.Error) as error:
        raise DataError(f"{name}: is not {kind.upper()} ({error})") from None


def _csv(text: str) -> Iterator[Row]:
    return iter(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def _jsonl(text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield _object(json.loads(line), f"line {number}")


def _json(text: str) -> Iterator[Row]:
    data = json.loads(text)
    if not isinstance(data, list):
        raise ValueError("expected a list of objects")
    return (_object(row, f"entry {number}") for number, row in enumerate(data, start=1))


_TEXT = {"csv": _csv, "jsonl": _jsonl, "json": _json}


def _object(value: object, where: str) -> Row:
    if not isinstance(value, dict):
        raise ValueError(f"{where} is no object")
    return value


def _parquet(body: bytes, name: str) -> list[Row]:
    try:
        import pyarrow.parquet  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise DataError(
            f"{name}: reading Parquet needs the package pyarrow (pip install pyarrow); or convert it to CSV or JSONL"
        ) from None
    try:
        rows: list[Row] = pyarrow.parquet.read_table(io.BytesIO(body)).to_pylist()
    except (OSError, ValueError) as error:
        raise DataError(f"{name}: is not Parquet ({reason(error)})") from None
    return rows


def records_of(rows: Sequence[Row], columns: Columns, name: str, source: str = "") -> list[dict[str, Any]]:
    """Records of the set `name`, each checked as a line of a data set is. Raises `DataError` that names the row, and
    `source`, where it stands."""
    source = source or name
    made: list[dict[str, Any]] = []
    for number, row in enumerate(rows):
        where = f"{source}, row {number + 1}"
        made += _made(row, number, columns, name, where)
    if not made:
        raise DataError(f"{source}: holds no rows")
    for record in made:
        parse_line(json.dumps(record).encode(), f"{source}: record {record.get('id')}")
    ids = {record["id"] for record in made}
    if len(ids) != len(made):
        raise DataError(
            f"{source}: the column {quoted(columns.id)} does not tell rows apart; leave it out to number them"
        )
    return made


def _made(row: Row, number: int, columns: Columns, name: str, where: str) -> Iterator[dict[str, Any]]:
    identifier = _text(row, columns.id, where) if columns.id else f"{name}-{number:05d}"
    texts = {column: _text(row, column, where) for column in columns.text}
    if columns.each:
        chosen = {f"{identifier}-{column}": text for column, text in texts.items()}
    else:
        chosen = {identifier: "\n\n".join(text for text in texts.values() if text)}
    for one, text in chosen.items():
        if not text.strip():
            continue
        record: dict[str, Any] = {"id": one, "text": text}
        label = columns.label or _label(row, columns, where)
        if label:
            record["label"] = label
        if columns.human_label:
            record["human_label"] = _human(_text(row, columns.human_label, where))
        record |= {"source": name, **dict(columns.fixed)}
        for field in _FIELDS:
            column = getattr(columns, field)
            if column:
                record[field] = _text(row, column, where)
        yield record | {column: _cell(row, column, where) for column in columns.keep}


def _label(row: Row, columns: Columns, where: str) -> Label | None:
    if not columns.label_column:
        return None
    said = _text(row, columns.label_column, where).strip().lower()
    return "harmful" if said in {value.lower() for value in columns.harmful} else "benign"


def _human(said: str) -> str:
    return "safe" if said.strip().lower() in _SAFE else "breach"


def _cell(row: Row, column: str, where: str) -> Any:
    if column not in row:
        known = ", ".join(map(str, row))
        raise DataError(f"{where}: there is no column {quoted(column)}; there are {known}")
    return row[column]


def _text(row: Row, column: str, where: str) -> str:
    value = _cell(row, column, where)
    return "" if value is None else str(value).strip()
