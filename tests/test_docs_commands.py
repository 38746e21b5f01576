"""What the pages tell people to type: every line is understood, and what can be run in a test is run."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from typer.main import get_command

from sisf.cli.main import app

ROOT = Path(__file__).resolve().parents[1]
COMMAND = get_command(app)
PAGES = sorted({ROOT / "README.md", *ROOT.glob("docs/**/*.md")} - {ROOT / "docs/commands.md"})
SITE = [ROOT / "docs/index.md", ROOT / "docs/experiments.md", *sorted(ROOT.glob("docs/guides/*.md"))]
"""Pages whose every block of commands is run, or says why it is not."""

_BLOCK = re.compile(r"^```(?:sh|bash|console)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(sisf [^`\n]* --[^`\n]+)`")
_SHELL = re.compile(r"(?:^<!-- (run|not run: [^\n]+) -->\n)?^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LEFT_OUT = ("…", "...", "|")


def commands(page: str) -> list[list[str]]:
    """The lines of a page's blocks that begin with `sisf`, as words; comments and continued lines are understood, and
    what is left open (`…`) is left out."""
    return _words(line for block in _BLOCK.findall(page) for line in block.replace("\\\n", " ").splitlines())


def mentioned(page: str) -> list[list[str]]:
    """Commands with options in running text and tables, as words: short forms, of which nothing but the names is held
    to be there."""
    return _words(line for line in _INLINE.findall(page) if not any(x in line for x in _LEFT_OUT))


def _words(lines: Iterable[str]) -> list[list[str]]:
    found = []
    for line in lines:
        words = shlex.split(line, comments=True) if line.startswith("sisf ") else []
        for stop in ("||", ">", ">>", "&&", ";", "&"):
            words = words[: words.index(stop)] if stop in words else words
        if words and "…" not in words:
            found.append(words[1:])
    return found


def understood(words: list[str], *, whole: bool = True) -> str:
    """Empty when the command line takes these words (`whole`: not only their names), else what is wrong with them.
    Nothing is run."""
    command, path = COMMAND, "sisf"
    while hasattr(command, "commands"):
        if words and words[0] in ("--version", "-h", "--help"):
            return ""
        if not whole and words and words[0].isupper():
            return ""  # any of them
        if not words or words[0] not in command.commands:
            return f"{path} has no command {words[:1]}"
        command, path, words = command.commands[words[0]], f"{path} {words[0]}", words[1:]
    if not whole:
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        wrong = [word for word in words if word.startswith("--") and word not in known]
        return f"{path} has no option {wrong[0]}" if wrong else ""
    try:
        command.make_context(path, list(words))
    except SystemExit:
        return ""
    except Exception as error:  # noqa: BLE001 - whatever the parser says of it
        return f"{path}: {getattr(error, 'message', error)}"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_is_understood(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    wrong = [(words, understood(words)) for words in commands(text)]
    wrong += [(words, understood(words, whole=False)) for words in mentioned(text)]
    assert [found for found in wrong if found[1]] == []


def test_the_search_for_commands_reads_blocks_and_finds_wrong_ones() -> None:
    page = "```sh\nsisf check 'a b' \\\n  --json   # why\nsisf data list > x\n```\n```\nsisf policy polish\n```\n"
    assert commands(page) == [["check", "a b", "--json"], ["data", "list"], ["policy", "polish"]]
    assert understood(["check", "a b", "--json"]) == ""
    assert "no command" in understood(["policy", "polish"])
    assert understood(["check", "--jsn"])
    assert mentioned("`sisf check --jsn x`, `sisf evaluate learn --attacks …`") == [["check", "--jsn", "x"]]
    assert "no option --jsn" in understood(["check", "--jsn", "x"], whole=False)
    assert sum(len(commands(p.read_text(encoding="utf-8"))) for p in PAGES) > 20
    assert sum(len(mentioned(p.read_text(encoding="utf-8"))) for p in PAGES) > 20


@pytest.mark.parametrize("page", SITE, ids=lambda page: page.stem)
def test_every_block_is_run_or_says_why_not(page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert len(_SHELL.findall(text)) == text.count("```sh\n")
    blocks = _SHELL.findall(text)
    assert [block for mark, block in blocks if not mark] == [], "write <!-- run --> or <!-- not run: why --> above it"
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "sisf"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m sisf "$@"\n')
    script.chmod(0o755)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SISF_")} | {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "SISF_CACHE_DIR": str(tmp_path / "cache"),
    }
    for number, block in enumerate(block for mark, block in blocks if mark == "run"):
        folder = tmp_path / str(number)
        folder.mkdir()
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stderr}"
