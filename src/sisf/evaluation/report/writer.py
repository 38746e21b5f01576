"""The one writer of what an experiment leaves: `summary.json`, `outcomes.jsonl`, plots and `report.html`."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sisf.errors import DataError
from sisf.evaluation.report.document import Page, render
from sisf.evaluation.report.plots import Plot
from sisf.evaluation.report.tables import FORMATS
from sisf.files import make_writable


@dataclass(frozen=True, slots=True)
class Report:
    """What one experiment writes."""

    summary: Mapping[str, Any]
    outcomes: Mapping[str, Iterable[Mapping[str, Any]]]
    """By file name, one object a line."""
    plots: Sequence[Plot]
    page: Page


def prepare(out: Path) -> None:
    """Make the folder before the work starts. Raises `DataError` when that is not possible."""
    try:
        make_writable(out)
    except OSError as error:
        raise DataError(f"{out}: cannot be written: {error.strerror}; choose another folder with --out") from None


def write(out: Path, report: Report, formats: Sequence[str] = ()) -> dict[str, Any]:
    """Write everything into `out` and return the summary. Raises `DataError` when the disk refuses.

    `formats` (of `report.tables.FORMATS`): the tables once more, for a text or a paper.
    """
    _write(out / "summary.json", [json.dumps(report.summary, indent=2, ensure_ascii=False)])
    for name, rows in report.outcomes.items():
        _write(out / name, (json.dumps(row, ensure_ascii=False) for row in rows))
    for plot in report.plots:
        for suffix, body in (("png", plot.png), ("svg", plot.svg)):
            _write(out / f"{plot.name}.{suffix}", body)
    _write(out / "report.html", [render(report.page)])
    for name in formats:
        _write(out / FORMATS[name].file, [FORMATS[name].render(report.page)])
    return dict(report.summary)


def _write(path: Path, content: bytes | Iterable[str]) -> None:
    try:
        with path.open("wb") as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                file.writelines(f"{line}\n".encode() for line in content)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}; choose another folder with --out") from None
