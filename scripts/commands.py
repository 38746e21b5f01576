"""Write docs/commands.md from the command line itself: every command with its arguments and options.

`make docs` does; the page is part of the site, and of no commit.
"""

from pathlib import Path
from typing import Any

from typer.main import get_command

from sisf.cli.main import app

PAGE = Path(__file__).resolve().parent.parent / "docs" / "commands.md"
HEAD = """\
# Options of every command

Written by `python scripts/commands.py` from the command line itself. What the commands are for stands in
[cli.md](cli.md). Every command has `-h` and `--help`.
"""


def page() -> str:
    """The whole page."""
    return HEAD + "".join(_section(words, command) for words, command in _commands(get_command(app), ["sisf"]))


def _commands(command: Any, words: list[str]) -> list[tuple[list[str], Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        return [(words, command)]
    return [found for name, child in children.items() for found in _commands(child, [*words, name])]


def _section(words: list[str], command: Any) -> str:
    about = " ".join((command.help or "").split())
    rows = [_row(parameter) for parameter in command.params if parameter.name != "help"]
    table = "\n".join(["| | | default |", "|---|---|---|", *rows]) + "\n" if rows else ""
    return f"\n## `{' '.join(words)}`\n\n{about}\n\n{table}"


def _row(parameter: Any) -> str:
    argument = parameter.param_type_name == "argument"
    name = (parameter.metavar or (parameter.name or "").upper()) if argument else ", ".join(parameter.opts)
    about = " ".join((getattr(parameter, "help", None) or "").split()).replace("|", "\\|")
    default = parameter.default
    shown = default in (None, "", False, ()) or callable(default)
    return f"| `{name}` | {about} | {'' if shown else f'`{default}`'} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
