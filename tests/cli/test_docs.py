"""A command that no page mentions does not exist for its users."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from sisf.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
COMMAND = get_command(app)


def commands() -> list[list[str]]:
    found: list[list[str]] = []
    for name, command in COMMAND.commands.items():  # type: ignore[attr-defined]
        children = getattr(command, "commands", None)
        found += [[name, child] for child in children] if children else [[name]]
    return found


@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_every_command_is_documented(path: list[str]) -> None:
    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    line = next((x for x in page.splitlines() if f"`sisf {path[0]}" in x and f"{path[-1]}`" in x), None)
    assert line is not None, f"docs/cli.md does not mention `sisf {' '.join(path)}`"


def in_table(page: str) -> set[str]:
    """The commands that the first column of a page's table names, `a\\|b` for two of a group."""
    found = set()
    for row in re.findall(r"^\| (`sisf .+?) \| ", page, re.MULTILINE):
        for command in re.findall(r"`sisf ([^`]+)`", row):
            words = [word for word in command.split() if not word.isupper()]
            found |= {" ".join([*words[:-1], last]) for last in words[-1].split("\\|")}
    return found


def test_the_readme_names_only_what_there_is() -> None:
    named = in_table((ROOT / "README.md").read_text(encoding="utf-8"))
    assert named
    assert named <= {name for path in commands() for name in (path[0], " ".join(path))}


def test_the_search_for_commands_in_a_table_reads_each_of_them() -> None:
    page = "| command | what |\n|---|---|\n| `sisf check TEXT`, `sisf a` | x |\n| `sisf b c\\|d-e` | y |\nsisf f\n"
    assert in_table(page) == {"check", "a", "b c", "b d-e"}


@pytest.mark.parametrize("path", [[], *commands(), *sorted({(p[0],) for p in commands() if len(p) > 1})], ids=" ".join)
def test_every_command_has_a_short_form_of_help(path: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    shown = []
    for option in ("-h", "--help"):
        with pytest.raises(SystemExit) as done:
            COMMAND([*path, option], prog_name="sisf")
        assert done.value.code == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]
    assert "-h, --help" in shown[0]


def test_every_protocol_is_documented() -> None:
    page = (DOCS / "evaluation.md").read_text(encoding="utf-8")
    for protocol in (path[1] for path in commands() if path[0] == "evaluate"):
        assert f"`{protocol} " in page, f"docs/evaluation.md does not describe `{protocol}`"
