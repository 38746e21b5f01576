"""Commands over the store: audit, bundles, mistakes, deletion, health."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sisf import datasets
from sisf.cli.main import app
from sisf.exchange import Exchange
from sisf.policy import Action, Change, Decision, Direction, GateReport, Match, Pattern, Policy, Status
from sisf.store import ExchangeRecord, open_store

Sisf = Callable[..., Result]


@pytest.fixture
def sisf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sisf:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SISF_EMBEDDER__NAME", "hash")

    def run(*arguments: str, **options: Any) -> Result:
        return CliRunner().invoke(app, list(arguments), **options)

    return run


@pytest.fixture
def store(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'sisf.db'}"
    opened = open_store(url)
    policy = Policy(
        Pattern(r"open\s+sesame"),
        Action.BLOCK,
        Direction.PROMPT,
        "Asks the cave to open",
        id="cave",
        status=Status.ACTIVE,
        gate_report=GateReport(True, benign_total=3000, fpr_upper=0.001),
    )
    opened.policies.commit(Change((policy,), "loop", "learned"), expected=0)
    decision = Decision(Action.BLOCK, (Match("cave", Action.BLOCK, 1.0, 1.0),), 1, Direction.PROMPT)
    said = Exchange.of("open sesame is a fairy tale", id="tale", principal="kid")
    opened.exchanges.record(ExchangeRecord(said, (decision,), "intercepted_prompt"), enqueue=False).result(5)
    opened.close()
    return url


def test_the_audit_log_is_anchored_and_verified(sisf: Sisf, store: str, tmp_path: Path) -> None:
    assert "policy.activate" in sisf("audit", "list").stdout
    assert sisf("audit", "anchor", "anchor.json").exit_code == 0
    assert json.loads(sisf("audit", "verify", "--anchor", "anchor.json", "--json").stdout) == {
        "rows": 2,
        "problem": None,
    }
    with sqlite3.connect(tmp_path / "sisf.db") as connection:
        connection.execute("DELETE FROM audit WHERE sequence = 2")
    connection.close()
    assert sisf("audit", "verify").exit_code == 0, "without an anchor a cut end does not show"
    cut = sisf("audit", "verify", "--anchor", "anchor.json")
    assert cut.exit_code == 1
    assert "cut off" in cut.stdout
    with sqlite3.connect(tmp_path / "sisf.db") as connection:
        connection.execute("UPDATE audit SET actor = 'nobody' WHERE sequence = 1")
    connection.close()
    assert "row 1 was edited" in sisf("audit", "verify").stdout
    assert sisf("audit", "verify", "--anchor", "sisf.db").exit_code == 2


def test_a_mistake_becomes_an_exception(sisf: Sisf, store: str) -> None:
    assert sisf("check", "open sesame is a fairy tale").exit_code == 1
    said = sisf("breach", "mistake", "tale", "--json")
    assert json.loads(said.stdout) == {"id": "tale", "revision": 2}
    assert sisf("check", "open sesame is a fairy tale").exit_code == 0
    assert sisf("check", "open sesame now").exit_code == 1
    assert sisf("breach", "mistake", "nope").exit_code == 2


def test_deletion(sisf: Sisf, store: str) -> None:
    assert sisf("breach", "delete").exit_code == 2
    assert json.loads(sisf("breach", "delete", "--principal", "kid", "--json").stdout) == {"deleted": 1}
    assert json.loads(sisf("breach", "delete", "--older-than-days", "0", "--json").stdout) == {"deleted": 0}


def test_peoples_verdicts_become_a_data_set(sisf: Sisf, store: str, tmp_path: Path) -> None:
    assert sisf("breach", "label", "tale", "safe").exit_code == 0
    assert json.loads(sisf("breach", "labels", "--out", "labels.jsonl", "--json").stdout)["labels"] == 1
    (row,) = datasets.load(str(tmp_path / "labels.jsonl")).records
    assert (row.id, row.prompt, row.human_label) == ("tale", "open sesame is a fairy tale", "safe")
    assert sisf("breach", "labels", "--out", "nowhere/labels.jsonl").exit_code == 2


def test_health_and_review(sisf: Sisf, store: str) -> None:
    figures = json.loads(sisf("policy", "health", "--json").stdout)
    assert (figures["policies"]["active"], figures["never_used"], figures["used_lately"]) == (1, 0, 1.0)
    assert "fpr upper" in sisf("policy", "health").stdout
    assert "nothing is due" in sisf("policy", "review").stdout


def test_a_bundle_goes_round(sisf: Sisf, store: str, tmp_path: Path) -> None:
    assert sisf("policy", "export", "out.yaml", "--origin", "prod").exit_code == 0
    other = f"sqlite:///{tmp_path / 'other.db'}"
    open_store(other).close()
    edited = Path("out.yaml").read_text().replace("Asks the cave", "Begs the cave")
    Path("out.yaml").write_text(edited)
    refused = sisf("policy", "import", "out.yaml", "--store", other)
    assert refused.exit_code == 2
    assert "digest" in refused.stderr
    assert sisf("policy", "seal", "out.yaml").exit_code == 0
    assert "imported 1 policies of prod" in sisf("policy", "import", "out.yaml", "--store", other).stdout
    assert "not newer" in sisf("policy", "import", "out.yaml", "--store", other).stderr
    assert "every text" not in sisf("policy", "export", "-", "--store", other).stdout


def test_a_bundle_that_blocks_honest_users_is_refused(sisf: Sisf, store: str) -> None:
    sisf("policy", "export", "out.yaml", "--origin", "evil")
    Path("out.yaml").write_text(Path("out.yaml").read_text().replace(r"open\s+sesame", "how"))
    sisf("policy", "seal", "out.yaml")
    refused = sisf("policy", "import", "out.yaml")
    assert refused.exit_code == 2
    assert "the gate refuses 1 of 1" in refused.stderr


def test_rebuild_names_what_it_moves(sisf: Sisf, store: str) -> None:
    moved = json.loads(sisf("policy", "rebuild", "--embedder", "hash", "--json").stdout)
    assert moved == {"revision": 1, "moved": [], "left": {}}


def test_a_worker_needs_a_store_that_others_see(sisf: Sisf) -> None:
    refused = sisf("worker", "--store", "memory:")
    assert refused.exit_code == 2
    assert "one process only" in refused.stderr


def test_an_empty_fleet(sisf: Sisf, store: str) -> None:
    assert json.loads(sisf("fleet", "--json").stdout) == {"revision": 1, "nodes": []}
    assert "0 nodes" in sisf("fleet").stdout
