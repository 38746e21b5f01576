"""`sisf key` as a person types it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sisf.cli.main import app
from sisf.gateway.identity import KeyFile
from sisf.store import open_store


def test_a_key_from_creation_to_its_end(tmp_path: Path) -> None:
    path = str(tmp_path / "keys.json")
    runner = CliRunner()
    made = json.loads(runner.invoke(app, ["key", "create", "--file", path, "--tenant", "acme", "--json"]).stdout)
    assert KeyFile(Path(path)).find(made["key"]) is not None
    listed = runner.invoke(app, ["key", "list", "--file", path])
    assert made["id"] in listed.stdout
    assert made["key"] not in listed.stdout
    assert runner.invoke(app, ["key", "revoke", made["id"], "--file", path]).exit_code == 0
    assert KeyFile(Path(path)).find(made["key"]) is None


@pytest.mark.parametrize(
    "words", [["create", "--role", "king", "--file", "x"], ["revoke", "nope", "--file", "x"], ["list"]]
)
def test_mistakes_are_one_line_and_exit_2(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["key", *words])
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["key", "list", "--file", "deep.json"], "it is nested too deeply"),
        (["data", "convert", "deep.json", "out.jsonl", "--text", "a"], "it is nested too deeply"),
        (["audit", "list", "--limit", "9" * 30, "--store", "sqlite:///sisf.db"], "too large"),
        (["breach", "delete", "--older-than-days", "9" * 30, "--store", "sqlite:///sisf.db"], "too large"),
        (["breach", "show", "\udcff", "--store", "sqlite:///sisf.db"], "not text in UTF-8"),
        (["data", "verify", "x" * 5_000], "File name too long"),
    ],
)
def test_what_nothing_can_be_is_one_line(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deep.json").write_text("[" * 100_000)
    open_store("sqlite:///sisf.db").close()
    done = CliRunner().invoke(app, words)
    assert (done.exit_code, done.stderr.count("\n"), said in done.stderr) == (2, 1, True), done.stderr
