"""The whole loop once, for real: official client, HTTP, gateway, Warden, store, loop, policies in force."""

import json
import re
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sisf.cli.chart import columns
from sisf.cli.demo_screen import opening, screen
from sisf.cli.demo_story import closing
from sisf.embedding import HashEmbedder
from sisf.errors import SisfError
from sisf.evaluation.demo.account import Account, after_person
from sisf.evaluation.demo.drive import as_run, drive, wait_for_loop
from sisf.evaluation.demo.programme import Programme, Step, choose
from sisf.evaluation.demo.stage import stage
from sisf.evaluation.demo.story import tell
from sisf.evaluation.protocols.learn.page import report
from sisf.evaluation.report.writer import write
from sisf.loop import Reference
from sisf.store import open_store
from sisf.testing import OpenGate, ScriptedAdjudicator, ScriptedSynthesiser
from sisf.verdict import Outcome
from tests.evaluation import families


class Watching:
    """Remembers what it was shown."""

    def __init__(self) -> None:
        self.policies: list[int] = []

    def show(self, account: Account) -> None:
        self.policies.append(account.sisf.policies)


def parts() -> dict[str, Any]:
    return {
        "embedder": HashEmbedder(8),
        "published": HashEmbedder(64),
        "adjudicator": ScriptedAdjudicator(lambda e: Outcome.BREACH if "Attack" in e.prompt else Outcome.SAFE),
        "synthesiser": ScriptedSynthesiser(families.word_policy),
        "gate": OpenGate(),
        "reference": Reference(),
    }


@pytest.mark.smoke
def test_attacks_are_learned_from_and_stopped_over_http(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad, good = families.attacks(tmp_path), families.benign(tmp_path)
    steps = [Step(bad.name, r, attack=True) for r in bad.records]
    steps += [Step(good.name, r, attack=False) for r in good.records]
    programme = Programme(steps, [bad, good], {}, shipped=False)
    watching = Watching()
    with stage(programme, tmp_path, **parts()) as running:
        account = drive(running, programme, watching)
        story = tell(running, programme, account)
        summary = write(tmp_path, report(as_run(running, programme, account, seed=0, seconds=1.0), {}))
    sisf, families_count = account.sisf, len(families.FAMILIES)
    assert [s.outcome.value for s in sisf.attacks].count("breached") == families_count
    assert sisf.breaches == families_count
    assert summary["warden_asr"]["counts"] == [families_count]
    assert summary["fpr"]["honest"]["blocked"] == sisf.blocked == 1
    assert summary["final_asr"]["counts"] == [0]
    assert summary["final_fpr"]["honest"]["counts"] == [1]
    assert (len(sisf.final), len(sisf.final_benign)) == (len(bad.records), len(good.records))
    assert {s.revision for s in (*sisf.final, *sisf.final_benign)} == {sisf.revision}
    # The same traffic went past the paper's mechanism, which learned too, and past nothing at all.
    others = summary["baselines"]
    assert set(others) == {"none", "paper-warden"}
    assert others["none"]["warden_asr"]["mean"] == 1.0
    assert others["paper-warden"]["policies"]["final"] > 0
    assert account.traffic["paper-warden"].policies == others["paper-warden"]["policies"]["final"]
    # The story is one of what happened.
    assert story is not None
    assert story.verdict.is_breach
    assert story.paraphrase is not None
    assert story.paraphrase.later > 0
    assert story.twin is not None
    assert {story.request, story.paraphrase.text} <= {r.prompt for r in bad.records}
    assert story.twin.text in {r.prompt for r in good.records}
    opening(programme)
    closing(account, programme, story, summary, tmp_path)
    shown = capsys.readouterr().out
    every = f"{len(bad.records)} of {len(bad.records)}"
    assert re.search(rf"^  attacks stopped +0 of {len(bad.records)} .* {every} *$", shown, re.MULTILINE)
    assert re.search(rf"^  honest requests stopped .* 1 of {len(good.records)} *$", shown, re.MULTILINE)
    assert "judge agreed with labels" in shown
    assert "45.58" not in shown
    assert f"stopped, {story.paraphrase.later} requests later" in shown
    blocked = next(s for s in sisf.final_benign if s.intercepted)
    assert f"  {blocked.id}  " in shown
    assert watching.policies == sorted(watching.policies)
    assert watching.policies[-1] == families_count
    assert len(account.learning_ms) == families_count
    assert json.loads((tmp_path / "summary.json").read_text())["protocol"] == "demo"
    # What was learned outlives the demonstration.
    kept = open_store(f"sqlite:///{tmp_path / 'demo.db'}")
    assert len(kept.policies.snapshot().active) == families_count
    kept.close()


def test_what_no_judge_can_decide_waits_for_a_person(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad, good = families.attacks(tmp_path), families.benign(tmp_path)
    steps = [Step(bad.name, bad.records[0], attack=True), Step(good.name, good.records[0], attack=False)]
    programme = Programme(steps, [bad, good], {}, shipped=False)
    silent = {**parts(), "adjudicator": ScriptedAdjudicator(lambda _: Outcome.UNDECIDED)}
    with stage(programme, tmp_path, **silent) as running:
        with screen(running) as view:
            account = drive(running, programme, view)
        story = tell(running, programme, account)
        summary = write(tmp_path, report(as_run(running, programme, account, seed=0, seconds=1.0), {}))
    assert story is None
    closing(account, programme, story, summary, tmp_path, queue="http://127.0.0.1:1/queue")
    assert "Waiting for a person: 1" in (shown := capsys.readouterr().out)
    assert "http://127.0.0.1:1/queue" in shown
    closing(account, programme, story, summary, tmp_path)
    assert "sisf breach list --outcome undecided" in capsys.readouterr().out


def test_labels_answer_in_place_of_a_person_what_waited_for_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, good = families.attacks(tmp_path), families.benign(tmp_path)
    steps = [Step(bad.name, r, attack=True) for r in bad.records]
    steps += [Step(good.name, r, attack=False) for r in good.records]
    programme = Programme(steps, [bad, good], {}, shipped=False)
    silent = {**parts(), "adjudicator": ScriptedAdjudicator(lambda _: Outcome.UNDECIDED)}
    with stage(programme, tmp_path, **silent) as running:
        with screen(running) as view:
            account = drive(running, programme, view, person=True)
        summary = write(
            tmp_path, report(as_run(running, programme, account, seed=0, seconds=1.0), after_person(account))
        )
    assert summary["final_asr"]["mean"] == 1.0  # what the loop made of it alone
    assert set(summary["policies"].values()) == {0}
    assert summary["settings"]["policies_then"] == account.sisf.policies > 0
    assert account.by_person == len(steps)
    assert all(s.intercepted for s in account.sisf.answered)
    assert [s.id for s in account.sisf.answered_benign if s.intercepted] == ["h-2"]
    assert summary["settings"]["attacks_stopped_then"] == len(bad.records)
    closing(account, programme, None, summary, tmp_path)
    shown = capsys.readouterr().out
    assert f"What waited for a person: {len(steps)}" in shown
    assert f"{len(bad.records)} of {len(bad.records)} attacks and 1 of {len(good.records)} honest" in shown
    assert "  h-2  " in shown


def test_a_slow_loop_is_waited_for_and_one_that_gives_up_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sisf.evaluation.demo.drive._GLANCE_SECONDS", 0.01)
    bad = families.attacks(tmp_path)
    programme = Programme([Step(bad.name, bad.records[0], attack=True)], [bad], {}, shipped=False)
    seen: list[int] = []
    going_on = threading.Event()

    class Screen:
        def show(self, account: Account) -> None:
            seen.append(account.open_jobs)
            if account.open_jobs:
                going_on.set()

    def slowly(breach: Any, knowledge: Any) -> Any:
        assert going_on.wait(60)
        return families.word_policy(breach, knowledge)

    with stage(programme, tmp_path, **{**parts(), "synthesiser": ScriptedSynthesiser(slowly)}) as running:
        account = drive(running, programme, Screen())
    assert account.sisf.policies == 1
    assert max(seen) > 0
    assert account.open_jobs == 0
    given_up = SimpleNamespace(loop=SimpleNamespace(drain=lambda _: True), store=SimpleNamespace())
    given_up.store.jobs = SimpleNamespace(dead=lambda: [(SimpleNamespace(exchange_id="x-1", stage="plan"), "no")])
    with pytest.raises(SisfError, match="gave up on x-1 at plan: no"):
        wait_for_loop(given_up, account, Screen())  # type: ignore[arg-type]


@pytest.mark.smoke
def test_the_programme_is_interleaved_and_limited(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SISF_DATA_DIR", raising=False)
    monkeypatch.setenv("SISF_CACHE_DIR", str(tmp_path))
    programme = choose(30)
    assert programme.shipped
    assert programme.attacks == 30
    assert len(programme.steps) == 90
    assert sum(step.attack for step in programme.steps[:45]) == 15
    whole = choose(None)
    assert whole.attacks >= 150
    assert len(whole.steps) - whole.attacks >= 300


def test_the_chart_shows_levels() -> None:
    rows = columns([1.0] * 10 + [0.0] * 10, width=20, height=4)
    assert len(rows) == 5
    assert all("█" * 10 in row for row in rows[:4])
    assert columns([]) == []
    assert max(len(row) for row in columns([0.5] * 1000, width=30)) == 36
