"""How an experiment tells what it is doing. The command line shows it; a library user may ignore it."""

from collections.abc import Mapping
from typing import Protocol


class Progress(Protocol):
    """Receives the steps of a long piece of work."""

    def begin(self, title: str, total: int) -> None:
        """A new step of `total` units starts; the step before it has ended."""
        ...

    def advance(self, figures: Mapping[str, str] | None = None) -> None:
        """One unit is done. `figures` are short texts to show beside the bar."""
        ...

    def note(self, line: str) -> None:
        """Something to be kept in sight while the work goes on."""
        ...

    def end(self) -> None:
        """All is done."""
        ...


class Silent:
    """Shows nothing."""

    def begin(self, title: str, total: int) -> None:
        """Ignore."""

    def advance(self, figures: Mapping[str, str] | None = None) -> None:
        """Ignore."""

    def end(self) -> None:
        """Ignore."""

    def note(self, line: str) -> None:
        """Ignore."""
