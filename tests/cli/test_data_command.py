"""`sisf data`, `sisf init` and `sisf completion` as people and scripts run them."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sisf import datasets
from sisf.cli.main import app
from sisf.datasets.catalogue import SHIPPED
from sisf.datasets.sources import SOURCES
from sisf.settings import load


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SISF_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("SISF_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_sets_are_listed_with_what_is_known_of_them(places: Path) -> None:
    (places / "mine.jsonl").write_text('{"id": "1", "text": "x", "label": "benign"}\n')
    rows = {row["name"]: row for row in json.loads(run("data", "list", "--json").stdout)["sets"]}
    assert set(rows) == {*SOURCES, *SHIPPED, "mine"}
    assert rows["multijail"]["content"] == rows["multijail"]["file"] == ""
    assert rows["multijail"]["rows"] is None
    assert rows["harmbench"]["revision"] in rows["harmbench"]["url"]
    assert rows["advbench"]["rows"] == 520
    shown = run("data", "list").stdout
    assert "unpinned" in shown
    assert "CC-BY-NC-4.0" in shown


def test_a_table_becomes_a_set_that_is_verified(places: Path) -> None:
    (places / "t.csv").write_text("Goal,Kind\nWhat is a kite?,sky\nWhat is bread?,food\n")
    made = run("data", "convert", "t.csv", "kites.jsonl", "--text", "Goal", "--label", "benign", "--category", "Kind")
    assert made.exit_code == 0, made.output
    assert [(r.id, r.category) for r in datasets.load("kites").records] == [
        ("kites-00000", "sky"),
        ("kites-00001", "food"),
    ]
    for words, problem in (
        (("t.csv", "kites.jsonl", "--text", "Goal", "--label", "benign"), "--force"),
        (("t.csv", "new.jsonl"), "--text"),
        (("t.csv", "new.jsonl", "--text", "Goal", "--label", "bad"), "harmful or benign"),
        (("t.csv", "new.jsonl", "--like", "nothing"), "no such known set"),
        (("t.csv", "new.txt", "--text", "Goal"), ".jsonl"),
        (("none.csv", "new.jsonl", "--text", "Goal"), "cannot be read"),
    ):
        refused = run("data", "convert", *words)
        assert refused.exit_code == 2
        assert problem in refused.output
    assert "2 rows, readable; unpinned" in run("data", "verify", "kites").output
    like = run("data", "convert", "t.csv", "jbb_benign.jsonl", "--text", "Goal", "--label", "benign")
    assert like.exit_code == 0
    differs = run("data", "verify")
    assert differs.exit_code == 1
    assert "does not hold the pinned content" in differs.output


def test_nothing_unhashed_is_fetched_by_accident() -> None:
    for words, problem in (
        (("fetch", "multijail"), "--unpinned"),
        (("fetch", "wildguardtest", "--unpinned"), "sisf data convert"),
        (("fetch", "nothing"), "no known set"),
    ):
        refused = run("data", *words)
        assert refused.exit_code == 2
        assert problem in refused.output
    named = run("evaluate", "learn", "--attacks", "multijail", "--benign", "sample_benign", "--out", "o")
    assert named.exit_code == 2
    assert "--unpinned" in named.output


def test_contamination_is_an_exit_code(places: Path) -> None:
    shipped = datasets.load("sample_benign").records[0].prompt
    rows = [shipped, "quokkas juggle seventeen teal umbrellas over Ljubljana"]
    for number, text in enumerate(rows):
        (places / f"m{number}.jsonl").write_text(json.dumps({"id": "1", "text": text, "label": "benign"}) + "\n")
    clean = run("data", "overlap", "--measured", "m1")
    assert clean.exit_code == 0, clean.output
    found = run("data", "overlap", "--measured", "m0,m1", "--json")
    assert found.exit_code == 1
    sets = json.loads(found.stdout)["sets"]
    assert sets["m0"]["overlaps"][0]["known"].startswith("sample_benign/")
    assert sets["m1"]["overlaps"] == []
    learned = run("data", "overlap", "--measured", "m1", "--learned", str(places / "m1.jsonl"))
    assert learned.exit_code == 1
    assert "1 of 1 in the same words" in learned.output


def test_a_starter_configuration_is_accepted_and_never_overwritten(places: Path) -> None:
    for wrong in ("localhost:9", "http://127.0.0.1:9/v1/chat/completions"):
        assert "upstream.url" in run("init", "--upstream", wrong).output
        assert not (places / "sisf.yaml").exists()
    done = run("init", "--upstream", "http://127.0.0.1:9/v1")
    assert done.exit_code == 0, done.output
    settings = load(places / "sisf.yaml", environment={})
    assert settings.upstream.url == "http://127.0.0.1:9/v1"
    written = (places / "sisf.yaml").read_text()
    again = run("init")
    assert again.exit_code == 2
    assert "stays as it is" in again.output
    assert (places / "sisf.yaml").read_text() == written
    assert run("init", "nowhere/sisf.yaml").exit_code == 2
    # What is commented out is accepted, too.
    told = [line[2:] if line.startswith("# ") else line for line in written.splitlines()]
    sections = "\n".join(told[next(i for i, line in enumerate(told) if line.startswith("keys:")) :])
    kept = [line for line in sections.splitlines() if line.startswith((" ", "keys:", "privacy:", "probe:"))]
    (places / "all.yaml").write_text("\n".join([*kept, ""]))
    assert load(places / "all.yaml", environment={}).probe.enabled


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes(shell: str) -> None:
    script = run("completion", shell)
    assert script.exit_code == 0
    assert "_SISF_COMPLETE=complete_" + shell in script.output


def test_no_other_shell_is_promised() -> None:
    assert run("completion", "cmd").exit_code == 2


def test_completion_is_answered(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    from sisf.cli.main import main

    for name, value in {"_SISF_COMPLETE": "complete_bash", "COMP_WORDS": "sisf comp", "COMP_CWORD": "1"}.items():
        monkeypatch.setitem(os.environ, name, value)
    with pytest.raises(SystemExit):
        main()
    assert capfd.readouterr().out.split() == ["completion"]


def test_what_is_wrong_is_said_of_what_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the file that was read, once, and of the option that was given; nothing runs where nothing is to be sent."""
    monkeypatch.chdir(tmp_path)
    Path("table.csv").write_text("a,b\n1,2\n")
    Path("bad.jsonl").write_text('{"id": "a", "text": "x", "label": "bad"}\n')
    experiment = ("evaluate", "learn", "--out", "o", "--attacks")
    for words, said in (
        (("data", "convert", "table.csv", "o.jsonl", "--text", "c"), "error: table.csv, row 1: there is no column `c`"),
        (("data", "convert", "table.csv", "o.jsonl", "--text", "a"), "error: table.csv: record o-00000: `label`"),
        (
            (*experiment, "sample_attacks", "--adjudicator", "nobody"),
            "no judge `nobody`: it must be `recorded`, `auto`",
        ),
        ((*experiment, ""), "nothing to send: name data sets with --attacks or --benign"),
        (("evaluate", "live", "--gateway", "http://127.0.0.1:1", "--out", "o"), "nothing to send"),
    ):
        refused = run(*words)
        assert refused.exit_code == 2, words
        assert said in refused.output
    assert run("data", "verify", "bad.jsonl").output.startswith("bad.jsonl:1: `label` must be")
