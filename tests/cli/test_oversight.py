"""The console's words on the command line: notes, sessions, two people for a broad policy."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from sisf.cli import note, policy
from sisf.cli.main import app
from sisf.embedding.factory import create_embedder
from sisf.exchange import Exchange
from sisf.policy import Action, Change, Direction, GateReport, Policy, Probe, Status
from sisf.serving import Background
from sisf.store import ExchangeRecord, open_store
from tests.console.system import TOKEN, rigged

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SISF_EMBEDDER__NAME", "hash")


def sisf(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_notes_are_written_and_shown_without_escapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path / 'sisf.db'}"
    opened = open_store(url)
    opened.exchanges.record(ExchangeRecord(Exchange.of("hello", "so", id="e1")), enqueue=False).result()
    opened.close()
    monkeypatch.setattr(note, "person", lambda: "person:ann")
    assert sisf("note", "comment", "e1", "look \x1b[31mhere", "--store", url).exit_code == 0
    assert json.loads(sisf("note", "assign", "e1", "bob", "--store", url, "--json").output)["kind"] == "assigned"
    shown = sisf("note", "list", "e1", "--store", url).output
    assert "\x1b" not in shown
    assert "person:ann  comment: look \\x1b[31mhere" in shown
    assert sisf("note", "comment", "nowhere", "x", "--store", url).exit_code == 2
    assert sisf("note", "comment", "e1", " ", "--store", url).exit_code == 2


def test_sessions_of_a_running_console_are_listed_and_ended(tmp_path: Path) -> None:
    with rigged(tmp_path) as rig, Background(rig.console) as listener:
        asked = ("--console", listener.url, "--key", TOKEN)
        link = sisf("session", "link", "ann", "--role", "operator", *asked).output.strip()
        rig.client.get(link.removeprefix(listener.url))
        (found,) = json.loads(sisf("session", "list", *asked, "--json").output)
        assert (found["name"], found["role"]) == ("ann", "operator")
        assert "ann" in sisf("session", "list", *asked).output
        assert "is over" in sisf("session", "end", found["id"], *asked).output
        assert sisf("session", "end", found["id"], *asked).exit_code == 2
        assert "is needed" in sisf("session", "list", "--console", listener.url, "--key", "wrong").stderr
    assert "no console answers" in sisf("session", "list", *asked).stderr


def test_a_broad_policy_needs_two_people_here_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, embedder = f"sqlite:///{tmp_path / 'sisf.db'}", create_embedder("hash")
    weights = np.zeros(embedder.dimensions, np.float32).tobytes()
    probe = Probe(embedder.id, embedder.dimensions, weights, {}, -1.0, 5.0)
    broad = Policy(
        probe,
        Action.BLOCK,
        Direction.PROMPT,
        "Learned",
        id="wide",
        status=Status.SHADOW,
        gate_report=GateReport(True, benign_total=3_000),
    )
    opened = open_store(url)
    opened.policies.commit(Change((broad,), "loop", "learned"), expected=0)
    monkeypatch.setenv("SISF_ADMIN__TWO_PERSONS", "true")
    for who, code in (("ann", 2), ("ann", 2), ("bob", 0)):
        monkeypatch.setattr(policy, "person", lambda who=who: f"person:{who}")
        answer = sisf("policy", "activate", "wide", "--store", url)
        assert answer.exit_code == code, answer.output
        assert ("second person" in answer.stderr) is (code == 2)
    assert opened.policies.get("wide").status is Status.ACTIVE
    opened.close()
