"""What the commands of `sisf evaluate` that run the loop have in common: load, build, read options, show."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sisf.cli.base import console, load_settings

if TYPE_CHECKING:
    from rich.table import Table

    from sisf.cli.progress import TerminalProgress
    from sisf.datasets import Dataset
    from sisf.evaluation.laboratory import Laboratory


@contextmanager
def laboratory(
    out: Path, config: Path | None, groups: Sequence[Sequence[str]], **options: Any
) -> "Iterator[tuple[Laboratory, list[list[Dataset]], TerminalProgress]]":
    """A laboratory over groups of named data sets, those sets, and a display of progress.

    `out` is tried before the work starts; `options` are those of `evaluation.laboratory.Options`.
    """
    from sisf import datasets
    from sisf.cli.progress import TerminalProgress
    from sisf.evaluation.laboratory import Laboratory, Options
    from sisf.evaluation.report.writer import prepare
    from sisf.gateway.server import configure_logs

    configure_logs("warning")  # an experiment sends thousands of exchanges: a line for each would hide what matters
    settings = load_settings(config)
    prepare(out)
    sets = [list(datasets.load_all(names)) for names in groups]
    with TerminalProgress() as progress:
        progress.begin("building", 1)
        yield Laboratory(settings, Options(**options), [d for group in sets for d in group]), sets, progress


def show(table: "Table", out: Path, headline: str = "") -> None:
    """Figures for a person, and where the report is."""
    screen = console()
    if headline:
        screen.print(headline, style="bold")
    screen.print(table)
    screen.print(f"report: {out / 'report.html'}", style="dim")


def names_of(given: str) -> list[str]:
    """The names in a list separated by commas."""
    return [name.strip() for name in given.split(",") if name.strip()]


def counts_of(given: str, option: str, example: str) -> list[int]:
    """The whole numbers in such a list. Raises `ConfigurationError` that names `option` and an `example`."""
    from sisf.errors import ConfigurationError

    names = names_of(given)
    if not names or not all(name.isdecimal() for name in names):
        raise ConfigurationError(f"{option} {given}: must be numbers separated by commas, such as {example}")
    return sorted({int(name) for name in names})
