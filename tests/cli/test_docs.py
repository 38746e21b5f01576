"""A command that no page mentions does not exist for its users."""

from pathlib import Path

import pytest
from typer.main import get_command

from sisf.cli.main import app

DOCS = Path(__file__).resolve().parents[2] / "docs"


def commands() -> list[list[str]]:
    found: list[list[str]] = []
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        children = getattr(command, "commands", None)
        found += [[name, child] for child in children] if children else [[name]]
    return found


@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_every_command_is_documented(path: list[str]) -> None:
    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    line = next((x for x in page.splitlines() if f"`sisf {path[0]}" in x and f"{path[-1]}`" in x), None)
    assert line is not None, f"docs/cli.md does not mention `sisf {' '.join(path)}`"


def test_every_protocol_is_documented() -> None:
    page = (DOCS / "evaluation.md").read_text(encoding="utf-8")
    for protocol in (path[1] for path in commands() if path[0] == "evaluate"):
        assert f"`{protocol} " in page, f"docs/evaluation.md does not describe `{protocol}`"
