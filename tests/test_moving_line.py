"""Progress on one line, where somebody looks and nobody else draws."""

import io
import sys

import pytest
from rich.console import Console

from sisf.adjudicator.local.fitting import show_on_terminal as fitting
from sisf.embedding.conversion import show_on_terminal as converting


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_moves_on_one_line_and_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(sys, "__stderr__", terminal)
    for done in (64, 128):
        fitting(done, 128)
    converting("quantising", 1.0)
    said = terminal.getvalue()
    assert said.count("\r") == 3
    assert said.count("\n") == 2


def test_a_spinner_or_a_bar_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each state of the line would stay above it."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(sys, "__stderr__", terminal)
    with Console(file=terminal, force_terminal=True).status("a minute or so"):
        fitting(64, 128)
        converting("quantising", 0.5)
    assert "fitting" not in terminal.getvalue()
    assert "quantising" not in terminal.getvalue()


def test_nothing_is_shown_where_nobody_looks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fitting(64, 128)
    converting("quantising", 0.5)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys, "stderr", None)  # as of a service without one
    fitting(64, 128)
