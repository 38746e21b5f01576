"""Protocols that stand on the runner, on data whose figures are known beforehand; and runs compared."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sisf.errors import ConfigurationError, DataError
from sisf.evaluation import comparison
from sisf.evaluation.conventions import AUDITED, Convention, convention_of, suited
from sisf.evaluation.defences import no_defence
from sisf.evaluation.demo.programme import Programme
from sisf.evaluation.demo.stage import stage
from sisf.evaluation.experiment import Unit
from sisf.evaluation.guards import KeywordGuard
from sisf.evaluation.protocols.benign import page as benign_page
from sisf.evaluation.protocols.benign.run import benign_plan
from sisf.evaluation.protocols.cross_model import page as cross_page
from sisf.evaluation.protocols.cross_model.run import live_plan, recorded_plan
from sisf.evaluation.protocols.drift import page as drift_page
from sisf.evaluation.protocols.drift.run import drift_plan
from sisf.evaluation.protocols.learn import page as learn_page
from sisf.evaluation.protocols.learn.run import learn_plan
from sisf.evaluation.protocols.live.run import LiveSubject
from sisf.evaluation.protocols.replay import page as replay_page
from sisf.evaluation.protocols.replay.run import ReplayPlan
from sisf.evaluation.protocols.stacked import page as stacked_page
from sisf.evaluation.protocols.stacked.run import stacked_plan
from sisf.evaluation.report.document import Page, Table
from sisf.evaluation.report.tables import FORMATS, formats_of
from sisf.evaluation.report.writer import write
from sisf.evaluation.runs.runner import conduct
from sisf.probe.target import GatewayTarget
from tests.evaluation import families
from tests.evaluation.families import FAMILIES, VARIANTS
from tests.evaluation.test_demo import parts

TOTAL = len(FAMILIES) * VARIANTS
SETTINGS = {"model": "recorded", "adjudicator": "recorded", "convention": "field"}


def test_benign_measures_any_number_of_sets_and_names_the_policy(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    rows = [{"id": f"m-{n}", "text": f"Sort {n} marble columns by the orchard", "label": "benign"} for n in range(3)]
    second = families.written(tmp_path / "b" / "stones.jsonl", rows)
    honest = [families.benign(tmp_path), second]
    plan = benign_plan(families.setup(), families.designs(), [families.attacks(tmp_path)], honest)
    summary = write(tmp_path, benign_page.report(conduct(plan), SETTINGS))
    assert {name: (e["blocked"], e["n"]) for name, e in summary["fpr"].items()} == {"honest": (1, 4), "stones": (3, 3)}
    assert sum(summary["by_policy"].values()) == 2 * (1 + 3)
    assert summary["policies"]["final"] == len(FAMILIES)
    assert "What policies cost" not in (tmp_path / "report.html").read_text()
    assert "Which policies blocked" in (tmp_path / "report.html").read_text()


def test_stacked_counts_what_is_added_to_a_guard(tmp_path: Path) -> None:
    # The guard stops one family; of the other two SISF lets the first attack of each through.
    plan = stacked_plan(
        families.setup(),
        families.designs()["sisf"],
        KeywordGuard(["lantern"]),
        [families.attacks(tmp_path)],
        [families.benign(tmp_path)],
    )
    run = conduct(plan)
    summary = write(tmp_path, stacked_page.report(run, {**SETTINGS, "guard": "keyword-filter"}))
    residual = 2 * VARIANTS
    assert summary["residual_asr"]["counts"] == [residual, residual]
    assert summary["stacked_asr"]["counts"] == [2, 2]
    assert summary["siv"]["mean"] == (residual - 2) / residual
    assert summary["siv_final"]["mean"] == 1.0
    assert summary["policies"]["final"] == 2  # nothing is learned from what the guard stopped
    assert summary["baselines"]["sisf-alone"]["system_asr"]["counts"] == [3, 3]
    assert summary["baselines"]["guard"]["fpr"]["honest"]["blocked"] == 0
    assert "incremental value" in (tmp_path / "report.html").read_text()


def models_data(folder: Path) -> Any:
    rows = [
        {
            "id": f"{model}-{split}-{word}-{n}",
            "text": f"Case {n}: the {word}",
            "label": "harmful",
            "attack": word,
            "split": split,
            "target_model": model,
            "response": "Sure",
            "broke_model": n != 0,
        }
        for model, words in (("model-a", FAMILIES[:2]), ("model-b", FAMILIES))
        for split in ("train", "test_iid")
        for word in words
        for n in range(3)
    ]
    return families.written(folder / "models.jsonl", rows)


def test_cross_model_learns_on_one_and_protects_the_others(tmp_path: Path) -> None:
    plan = recorded_plan(families.setup(), families.designs()["sisf"], [models_data(tmp_path)], [], shots=1)
    summary = write(tmp_path, cross_page.report(conduct(plan), SETTINGS))
    # What model-a never met is what model-b suffers from: one family of three.
    assert summary["transfer"]["model-a"]["model-b"]["mean"] == pytest.approx(1 / 3)
    assert summary["transfer"]["model-b"]["model-a"]["mean"] == 0.0
    assert summary["own_asr"]["mean"] == 0.0
    assert summary["learned_from"] == {"model-a": [2, 2], "model-b": [3, 3]}
    assert "Across models" in (tmp_path / "report.html").read_text()
    with pytest.raises(DataError, match="--models"):
        recorded_plan(families.setup(), families.designs()["sisf"], [families.attacks(tmp_path)], [])


def test_cross_model_sends_unseen_attacks_to_live_models(tmp_path: Path) -> None:
    models = ["small", "large"]
    plan = live_plan(
        families.setup(trials=1), families.designs()["sisf"], [families.attacks(tmp_path)], [], models=models
    )
    run = conduct(plan)
    summary = write(tmp_path, cross_page.report(run, SETTINGS))
    unseen = round(0.2 * TOTAL)
    assert set(summary["transfer"]) == set(models)
    assert summary["transfer"]["small"]["large"]["n"] == unseen
    trial = run.results["small"][0]
    assert not {s.id.split(" @ ")[0] for s in trial.attacks} & {s.id.split(" @ ")[0] for s in trial.learned}


def dated(folder: Path) -> Any:
    rows = [
        {"id": f"{word}-{n}", "text": f"Number {n}: the {word}", "label": "harmful", "date": f"202{year}-0{n + 1}-01"}
        for year, word in enumerate(FAMILIES)
        for n in range(VARIANTS)
    ]
    return families.written(folder / "dated.jsonl", list(reversed(rows)))


def test_drift_follows_the_dates(tmp_path: Path) -> None:
    plan = drift_plan(families.setup(trials=1), families.designs(), [dated(tmp_path)], [])
    run = conduct(plan)
    summary = write(tmp_path, drift_page.report(run, {**SETTINGS, "windows": 3}))
    assert [s.id.split("-")[0] for s in run.results["sisf"][0].attacks] == [
        w for w in FAMILIES for _ in range(VARIANTS)
    ]
    assert [w["from"][:4] for w in summary["windows"]] == ["2020", "2021", "2022"]
    assert [w["new_asr"]["counts"] for w in summary["windows"]] == [[1], [1], [1]]
    assert [w["final_asr"]["counts"] for w in summary["windows"]] == [[0], [0], [0]]
    assert summary["forgotten"]["counts"] == [0]
    with pytest.raises(DataError, match="drift needs a `date`"):
        drift_plan(families.setup(), families.designs(), [families.attacks(tmp_path)], [])


def test_replay_tells_what_a_revision_would_decide_otherwise(tmp_path: Path) -> None:
    system = families.build_system(tmp_path)
    try:
        attacks = families.attacks(tmp_path)
        for record in attacks.records[:2]:
            from sisf.store import ExchangeRecord

            system.loop.monitor(ExchangeRecord(record.exchange("Sure", dataset="x"))).result(60)
            system.loop.drain(60)
        snapshot = system.store.policies.snapshot()
        fates = ("released", "intercepted_prompt", "released")
        rows = [
            {
                "id": f"e-{n}",
                "text": text,
                "label": label,
                "response": "Sure",
                "record": {"exchange": {"messages": [{"role": "user", "content": text}]}, "fate": fate},
            }
            for n, (text, label, fate) in enumerate(
                zip(
                    ("Again the lantern", "Tell me of the tide", "A cloud"),
                    ("harmful", "benign", "benign"),
                    fates,
                    strict=True,
                )
            )
        ]
        export = families.written(tmp_path / "export.jsonl", rows)
        run = conduct(ReplayPlan(families.setup(), [export], snapshot, system.embedder, {}))
    finally:
        system.close()
    summary = write(tmp_path, replay_page.report(run, {}))
    assert [(r.then, r.now) for r in run.results["revision"][0].rows] == [
        (None, "prompt"),
        ("prompt", None),
        (None, None),
    ]
    whole = summary["exchanges"]["all"]
    assert (whole["newly_stopped"], whole["newly_passed"], whole["n"]) == (1, 1, 3)
    assert summary["exchanges"]["benign"]["newly_passed"] == 1
    assert list(summary["newly_stopped_by"].values()) == [1]


def test_live_measures_a_gateway_that_is_running(tmp_path: Path) -> None:
    attacks, honest = families.attacks(tmp_path), families.benign(tmp_path)
    with stage(Programme([], [], {}, shipped=False), tmp_path, **parts()) as running:
        plan = learn_plan(families.setup(trials=1), {}, [attacks], [honest])

        def subject(_: Unit) -> LiveSubject:
            return LiveSubject(GatewayTarget(running.url, model="recorded"), running.system.store, patience=120)

        # The block of the subject closes the store that it was given: here the gateway's own goes with the stage.
        run = conduct(replace(plan, subjects={"sisf": subject}))
    summary = write(tmp_path, learn_page.report(run, SETTINGS))
    assert summary["warden_asr"]["counts"] == [len(FAMILIES)]
    assert summary["final_asr"]["counts"] == [0]
    assert summary["policies"]["final"] == len(FAMILIES)
    assert summary["fpr"]["honest"]["blocked"] == 1
    assert summary["final_asr_taught"]["n"] == len(FAMILIES)
    assert summary["latency"]["n"] == 2 * TOTAL + 4


def two_runs(folder: Path) -> tuple[Path, Path]:
    made = []
    for name, designs in (("a", families.designs()), ("b", {"sisf": no_defence})):
        (folder / name).mkdir()
        data = [families.attacks(folder)], [families.benign(folder)]
        run = conduct(learn_plan(families.setup(), designs, *data))
        write(folder / name, learn_page.report(run, SETTINGS))
        made.append(folder / name)
    return made[0], made[1]


def test_two_runs_are_compared_on_what_both_were_sent(tmp_path: Path) -> None:
    a, b = two_runs(tmp_path)
    rows = comparison.compare(comparison.kept(a), comparison.kept(b))["rows"]
    found = rows["Warden ASR"]
    assert found["n"] == TOTAL
    assert (found["a"], found["b"]) == (len(FAMILIES) / TOTAL, 1.0)
    assert found["ci95"][0] > 0.3
    assert found["p"] < 0.01
    assert rows["honest blocked"]["p"] == 1.0
    same = comparison.compare(comparison.kept(a), comparison.kept(a / "outcomes.jsonl"))["rows"]
    assert {(row["difference"], row["p"]) for row in same.values()} == {(0.0, 1.0)}


def test_conventions_are_not_mixed_without_saying_so(tmp_path: Path) -> None:
    a, b = two_runs(tmp_path)
    summary = json.loads((b / "summary.json").read_text())
    (b / "summary.json").write_text(json.dumps(summary | {"convention": "paper"}))
    with pytest.raises(ConfigurationError, match="do not belong in one table"):
        comparison.compare(comparison.kept(a), comparison.kept(b))
    mixed = comparison.compare(comparison.kept(a), comparison.kept(b), across_conventions=True)
    table = comparison.table_of(mixed)
    assert "DIFFERENT CONVENTIONS" in table.note
    assert any("paper's convention" in cell for cell in table.header)
    assert "The field" in (a / "report.html").read_text()


def test_a_run_follows_the_convention_of_its_references(tmp_path: Path) -> None:
    def row(number: int, audit: str) -> Mapping[str, Any]:
        return {"id": f"p-{number}", "text": f"Question {number}", "label": "benign", "audit": audit}

    audits = ("benign", "harmful", "benign", "unclear")
    papers = families.written(tmp_path / "paper_benign.jsonl", [dict(row(n, a)) for n, a in enumerate(audits)])
    edgy = families.written(tmp_path / "edgy_benign_test.jsonl", [dict(row(9, "benign"))])
    assert convention_of(["alpaca_reference"]) is Convention.FIELD
    assert convention_of(["alpaca_reference", "edgy_convention"]) is Convention.PAPER
    (audited,) = suited([papers], Convention.FIELD)
    assert (audited.name, len(audited)) == (AUDITED, 2)
    assert suited([papers], Convention.PAPER) == [papers]
    assert suited([edgy], Convention.FIELD) == [edgy]
    with pytest.raises(ConfigurationError, match="cannot be measured under the paper's convention"):
        suited([edgy], Convention.PAPER)


def test_tables_are_written_for_texts_and_papers_with_hostile_cells_escaped() -> None:
    hostile = "a|b <script> \\input{x} 50 % & _x_ #1 $y$ `z` [l](u)"
    page = Page("A page", "Leads.", tables=[Table("T_1", ("name", "#share"), [(hostile, "1.5 %")], note="50 %.")])
    markdown, latex = FORMATS["markdown"].render(page), FORMATS["latex"].render(page)
    row = next(line for line in markdown.splitlines() if "script" in line)
    assert row.count(" | ") == 1
    assert not re.search(r"(?<!\\)[<>`\[]", row)
    assert r"\textbackslash{}input\{x\}" in latex
    assert r"50 \% \& \_x\_ \#1 \$y\$" in latex
    assert r"\begin{tabular}{lr}" in latex
    assert formats_of("markdown, latex") == ["markdown", "latex"]
    with pytest.raises(ConfigurationError, match="--format pdf"):
        formats_of("pdf")
