"""What the commands of `sisf evaluate` have in common: read options, show."""

from pathlib import Path
from typing import TYPE_CHECKING

from sisf.cli.base import console

if TYPE_CHECKING:
    from rich.table import Table


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
