"""The same payloads where no browser is: spreadsheets find no formula, terminals no escape."""

import csv
import io
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from sisf.cli.main import app
from sisf.console.app import create_console
from sisf.exchange import Fate
from sisf.policy import Action, Change, Direction, GateReport, Pattern, Policy, Status
from sisf.store import ExchangeRecord, NoteKind, open_store
from sisf.verdict import Outcome, Verdict
from tests.console.hostile import PAYLOADS, described, pick, said

TOKEN = "a-token"
FORMULA = ("=", "+", "-", "@", "|", "%", "＝", "＋", "－", "＠", "\t", "\r", "\n")
COMMANDS = (
    "exchange search",
    "audit list",
    "policy list --status all",
    "policy revisions",
    "breach list",
    "note list h0",
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A store with a payload in every field that an attacker, or a model under attack, has a say in."""
    made = f"sqlite:///{tmp_path_factory.mktemp('hostile') / 'sisf.db'}"
    store, last = open_store(made), None
    policies = [
        Policy(
            Pattern(f"word{number}"),
            Action.BLOCK,
            Direction.PROMPT,
            described(pick(number)),
            id=f"p{number}",
            status=Status.ACTIVE,
            gate_report=GateReport(True, benign_hits=(pick(number + 1),)),
        )
        for number in range(len(PAYLOADS))
    ]
    store.policies.commit(Change(tuple(policies), "loop", pick(3)), expected=0)
    for number in range(len(PAYLOADS)):
        verdict = Verdict(Outcome.BREACH, judge=pick(number + 41)[:200], rationale=pick(number + 43))
        last = store.exchanges.record(ExchangeRecord(said(number), (), Fate.WITHHELD, verdict), enqueue=False)
        store.oversight.note("h0", NoteKind.COMMENT, pick(number), actor=pick(number + 5)[:100])
    assert last is not None
    last.result()
    yield made
    store.close()


@pytest.mark.parametrize("path", ["/exchanges.csv", "/audit.csv"])
def test_no_cell_is_a_formula(url: str, path: str) -> None:
    store = open_store(url)
    client = TestClient(create_console(store, token=TOKEN), base_url="http://console")
    text = client.get(path, headers={"authorization": f"Bearer {TOKEN}"}).text
    store.close()
    rows = list(csv.reader(io.StringIO(text)))
    assert len(rows) > len(PAYLOADS)
    cells = [cell for row in rows for cell in row]
    assert [cell for cell in cells if cell.startswith(FORMULA)] == []
    bare = ("".join(c for c in cell[:200] if c.isprintable()).lstrip() for cell in cells)
    assert [cell for cell in bare if cell.startswith(FORMULA)] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_no_terminal_is_steered(url: str, command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(app, [*command.split(), "--store", url])
    assert answer.exit_code == 0, answer.output
    assert len(answer.output) > 100
    steering = {c for c in answer.output if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") and c != "\n"}
    assert steering == set()
