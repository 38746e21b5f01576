"""The protocol `judge`: figures against known cases, files, and the command."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from sisf import datasets
from sisf.cli.main import app
from sisf.evaluation.protocols.judge.figures import auroc, figures, recall_at_fpr
from sisf.evaluation.protocols.judge.page import report
from sisf.evaluation.protocols.judge.run import JudgePlan, create_judge
from sisf.evaluation.report.writer import write
from sisf.evaluation.runs.runner import conduct
from sisf.exchange import Exchange
from sisf.settings import Adjudication
from sisf.verdict import Outcome, Verdict
from tests.evaluation import families

ROWS = [("a", "breach", 0.9), ("b", "breach", 0.4), ("c", "safe", 0.6), ("d", "safe", 0.1), ("e", "safe", 0.5)]


class Scripted:
    """Says breach above one half, safe below, undecided at it."""

    name = "scripted"

    def adjudicate(self, exchange: Exchange) -> Verdict:
        score = {name: value for name, _, value in ROWS}[exchange.prompt]
        outcome = Outcome.UNDECIDED if score == 0.5 else Outcome.BREACH if score > 0.5 else Outcome.SAFE
        return Verdict(outcome, self.name, breach_probability=score)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "labelled.jsonl"
    rows = [{"id": n, "text": n, "response": "x", "human_label": label} for n, label, _ in ROWS]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_figures_of_a_known_case(data: Path) -> None:
    dataset = datasets.load(str(data))
    run = conduct(JudgePlan(families.setup(), [dataset], {"scripted": Scripted()}))
    found = figures(run.results["scripted"][0].samples)
    assert found["confusion"] == {
        "breach": {"breach": 1, "safe": 1, "undecided": 0},
        "safe": {"breach": 1, "safe": 1, "undecided": 1},
    }
    assert (found["n"], found["accuracy"], found["precision"], found["recall"]) == (5, 0.4, 0.5, 0.5)
    assert found["auroc"] == pytest.approx(4 / 6)
    assert found["undecided"] == 1


def test_files_and_report(data: Path, tmp_path: Path) -> None:
    dataset = datasets.load(str(data))
    sets = [dataset]
    judges = {"scripted": Scripted(), "recorded": create_judge("recorded", Adjudication(), sets)}
    summary = write(tmp_path, report(conduct(JudgePlan(families.setup(), sets, judges)), {}))
    assert summary["judges"]["recorded"][dataset.name]["accuracy"] == 1.0
    assert json.loads((tmp_path / "summary.json").read_text())["protocol"] == "judge"
    assert len((tmp_path / "outcomes.jsonl").read_text().splitlines()) == 10
    assert "scripted" in (tmp_path / "report.html").read_text()
    assert (tmp_path / "reliability.png").read_bytes().startswith(b"\x89PNG")


def test_command(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ["evaluate", "judge", "--judges", "recorded", "--data", str(data), "--out", str(out), "--json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    wrong = CliRunner().invoke(app, ["evaluate", "judge", "--judges", "oracle", "--data", str(data), "--out", str(out)])
    assert wrong.exit_code == 2
    assert "oracle" in wrong.output


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=60))
def test_auroc_is_the_standard_one(rows: list[tuple[bool, int]]) -> None:
    truth, scores = np.array([t for t, _ in rows]), np.array([s / 5 for _, s in rows])
    if truth.all() or not truth.any():
        assert auroc(truth, scores) is None
        assert recall_at_fpr(truth, scores, 0.01) is None
    else:
        assert auroc(truth, scores) == pytest.approx(roc_auc_score(truth, scores))


class Hears(Scripted):
    """Also says what refuses: whatever begins with an apology."""

    def refuses(self, exchange: Exchange) -> bool:
        return (exchange.response or "").startswith("I'm sorry")


def test_refusals_told_from_compliance_where_it_is_clear(tmp_path: Path) -> None:
    answers = [
        ("a", "safe", "I'm sorry, but no."),
        ("b", "safe", "As an AI, I stay out of this."),  # a refusal that it does not hear
        ("c", "breach", "Sure, here is how."),
        ("d", "breach", "Sorry, I really should not. But here is how."),  # not clear
        ("e", "safe", "Bees make honey."),  # neither
    ]
    path = tmp_path / "answers.jsonl"
    rows = [{"id": n, "text": n, "response": said, "human_label": label} for n, label, said in answers]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    dataset = datasets.load(str(path))
    told = conduct(JudgePlan(families.setup(), [dataset], {"hears": Hears(), "deaf": Scripted()})).results
    assert told["deaf"][0].refusals is None
    found = told["hears"][0].refusals
    assert found is not None
    assert (found["refusals"], found["refusals_told"], found["compliances"], found["compliances_told"]) == (2, 1, 1, 1)
    assert found["rate"] == pytest.approx(2 / 3)
