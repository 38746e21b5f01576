"""Progress on a terminal: a bar with live figures; elsewhere, one line a step."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from sisf.cli.base import console


class TerminalProgress:
    """See `sisf.evaluation.progress.Progress`. A context manager; everything goes to standard error."""

    def __init__(self) -> None:
        self._console = console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[figures]}", markup=False, style="dim"),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._task: Any = None
        self._title = ""
        self._figures = ""

    def __enter__(self) -> "TerminalProgress":
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._bars.stop()

    def begin(self, title: str, total: int) -> None:
        """Show the next step."""
        self.end()
        self._title, self._figures = title, ""
        self._task = self._bars.add_task(title, total=total, figures="")

    def advance(self, figures: Mapping[str, str] | None = None) -> None:
        """One unit further."""
        if self._task is None:
            return
        if figures is not None:
            self._figures = " · ".join(f"{name} {value}" for name, value in figures.items())
        self._bars.update(self._task, advance=1, figures=self._figures)

    def note(self, line: str) -> None:
        """A line that stays."""
        self._console.print(line, style="dim")

    def end(self) -> None:
        """The step is done: its last figures stay as one line."""
        if self._task is None:
            return
        self._bars.remove_task(self._task)
        self._task = None
        self._console.print(f"{self._title}  {self._figures}", style="dim")
