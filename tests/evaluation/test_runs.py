"""Runs that are stopped, resumed, played side by side and capped: the same file in the end."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer

from sisf.adjudicator.base import Adjudicator
from sisf.cli import evaluate
from sisf.datasets import Dataset
from sisf.datasets.records import Record
from sisf.embedding import HashEmbedder
from sisf.errors import ConfigurationError
from sisf.evaluation.defences import no_defence
from sisf.evaluation.experiment import Experiment, Run
from sisf.evaluation.laboratory import Options
from sisf.evaluation.outcomes import Sample
from sisf.evaluation.progress import Silent
from sisf.evaluation.protocols.haystack.run import haystack_plan
from sisf.evaluation.protocols.judge.run import JudgePlan
from sisf.evaluation.protocols.learn.run import learn_plan
from sisf.evaluation.protocols.obfuscation.run import obfuscation_plan
from sisf.evaluation.protocols.poison.poisoners import PhrasePoisoner
from sisf.evaluation.protocols.poison.run import World, poison_plan
from sisf.evaluation.protocols.replay import run as replay_run
from sisf.evaluation.protocols.replay.run import ReplayPlan
from sisf.evaluation.runs.calls import Calls, CapReached, CountedJudge
from sisf.evaluation.runs.estimate import estimate
from sisf.evaluation.runs.folder import Folder
from sisf.evaluation.runs.runner import conduct, conduct_in
from sisf.evaluation.under_test import Subject
from sisf.policy import Action, Direction, GateReport, Pattern, Policy, Snapshot, Status
from sisf.settings import load
from sisf.testing import ScriptedAdjudicator
from sisf.text.tricks import ENCODINGS
from sisf.verdict import Outcome
from tests.evaluation import families
from tests.evaluation.families import FAMILIES


def _replay(folder: Path) -> Any:
    policies = []
    for word in FAMILIES:
        made = Policy(Pattern(word), Action.BLOCK, Direction.PROMPT, "x", id=word, status=Status.ACTIVE)
        policies.append(replace(made, gate_report=GateReport(True)))
    exports = [families.attacks(folder), families.benign(folder)]
    return ReplayPlan(families.setup(), exports, Snapshot(1, tuple(policies)), HashEmbedder(8), {})


def _judged(folder: Path) -> Any:
    labelled = families.attacks(folder, human_label="breach")
    honest = [{"id": f"a-{n}", "text": "What is rain?", "response": f"Water {n}.", "label": "benign"} for n in range(4)]
    answered = families.written(folder / "answered.jsonl", honest)
    judges = {"one": ScriptedAdjudicator(lambda _: Outcome.BREACH), "two": ScriptedAdjudicator(lambda _: Outcome.SAFE)}
    return JudgePlan(families.setup(), [labelled, answered], judges)


def _poisoned(folder: Path) -> Any:
    world = World(families.designs()["sisf"], (PhrasePoisoner(),))
    data = [families.attacks(folder)], [families.benign(folder)]
    return poison_plan(families.setup(trials=1), [world], *data, shares=(0.5,))


def _obfuscated(folder: Path) -> Any:
    data: Sequence[list[Dataset]] = [families.attacks(folder)], [], [families.benign(folder)]
    tricks = {"base64": ENCODINGS["base64"]}
    return obfuscation_plan(families.setup(trials=1), families.designs()["sisf"], *data, tricks=tricks)


def _hidden(folder: Path) -> Any:
    data: Sequence[list[Dataset]] = [families.attacks(folder)], [], [families.benign(folder)]
    made = families.designs()["sisf"]
    return haystack_plan(families.setup(trials=1), made, *data, embedder=HashEmbedder(8), lengths=[1_000], tokens=1_000)


OTHERS: Mapping[str, Callable[[Path], Experiment[Any]]] = {
    "replay": _replay,
    "judge": _judged,
    "poison": _poisoned,
    "obfuscation": _obfuscated,
    "haystack": _hidden,
}


FILES = ("outcomes.jsonl", "outcomes-none.jsonl")
WHAT = {"protocol": "learn", "options": {"trials": 2}}
PATIENCE = 240.0


class Stops(Silent):
    """Ctrl-C after so many samples."""

    def __init__(self, after: int) -> None:
        self.left = after

    def advance(self, figures: Mapping[str, str] | None = None) -> None:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


class Says(Silent):
    """Remembers the lines that stay."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, line: str) -> None:
        self.lines.append(line)


def bodies(out: Path) -> list[bytes]:
    return [(out / name).read_bytes() for name in FILES]


def run_in(out: Path, order: families.Order, progress: Any = None, **more: Any) -> Run:
    out.mkdir(exist_ok=True)
    return conduct_in(out, order.plan(), WHAT, progress or Silent(), order=order, **more)


def test_stopped_anywhere_and_gone_on_with_gives_the_same_file(tmp_path: Path) -> None:
    order = families.Order.at(tmp_path)
    whole = run_in(tmp_path / "whole", order)
    expected = bodies(tmp_path / "whole")
    total = sum(body.count(b"\n") for body in expected)
    chooser = random.Random(3)
    out, stopped = tmp_path / "stopped", 0
    for after in (0, chooser.randrange(1, total // 3), chooser.randrange(1, total // 2), total // 2):
        with pytest.raises(KeyboardInterrupt):
            run_in(out, order, Stops(after))
        stopped += 1
        # What is there already is the beginning of what will be.
        assert all(known.startswith(part) for known, part in zip(expected, bodies(out), strict=True))
    said = Says()
    resumed = run_in(out, order, said)
    assert stopped == 4
    assert bodies(out) == expected
    assert "going on with the run" in said.lines[0]
    assert [t.policies for t in resumed.results["sisf"]] != []
    for name, trials in whole.results.items():
        for first, second in zip(trials, resumed.results[name], strict=True):
            assert first.samples() == second.samples()
            assert [p.id for p in first.policies] == [p.id for p in second.policies]
            assert first.tally == second.tally
    assert not Folder(out).path.exists()
    # In memory it is the same experiment.
    kept = conduct(order.plan())
    assert [t.samples() for t in kept.results["sisf"]] == [t.samples() for t in whole.results["sisf"]]


@pytest.mark.parametrize("protocol", OTHERS)
def test_every_protocol_is_written_as_it_goes_and_gone_on_with(
    protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_run, "PART", 5)
    plan = OTHERS[protocol](tmp_path)
    whole = conduct(plan)
    (rows,) = whole.outcomes.values()
    expected = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(KeyboardInterrupt):
        conduct_in(out, plan, WHAT, Stops(random.Random(protocol).randrange(2, len(rows) - 1)))
    begun = (out / "outcomes.jsonl").read_bytes()
    assert begun
    assert expected.startswith(begun)
    resumed = conduct_in(out, plan, WHAT, Silent())
    assert (out / "outcomes.jsonl").read_bytes() == expected
    assert {name: len(found) for name, found in resumed.results.items()} == {
        name: len(found) for name, found in whole.results.items()
    }
    assert len(rows) <= sum(plan.size(unit) for unit in plan.units()) <= len(rows) + len(FAMILIES) * families.VARIANTS


class Running:
    """A system that cannot be set back: every request that reaches it counts. See `Subject`."""

    def __init__(self, inner: Subject, sent: list[str]) -> None:
        self._inner = inner
        self._sent = sent
        self.policies, self.tally, self.latency = inner.policies, inner.tally, inner.latency
        self.settle, self.show, self.check = inner.settle, inner.show, inner.check

    def send(self, record: Record, **more: Any) -> Sample:
        self._sent.append(record.id)
        return self._inner.send(record, **more)

    def benign(self, record: Record, **more: Any) -> Sample:
        self._sent.append(record.id)
        return self._inner.benign(record, **more)

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        """It runs on."""


def test_what_cannot_be_set_back_is_sent_nothing_twice(tmp_path: Path) -> None:
    plan = learn_plan(families.setup(trials=1), {}, [families.attacks(tmp_path)], [families.benign(tmp_path)])
    sent: list[str] = []
    with families.setup().subject(families.designs()["sisf"]()) as subject:
        lasting = replace(plan, subjects={"sisf": lambda _: Running(subject, sent)}, lasting=True)
        (tmp_path / "out").mkdir()
        for after in (3, 10, 6):
            with pytest.raises(KeyboardInterrupt):
                conduct_in(tmp_path / "out", lasting, WHAT, Stops(after))
        run = conduct_in(tmp_path / "out", lasting, WHAT, Silent())
    total = 2 * len(FAMILIES) * families.VARIANTS + 4
    assert len(sent) == total
    assert len(run.results["sisf"][0].samples()) == total
    assert [s.id for s in run.results["sisf"][0].samples()] == sent


def test_every_experiment_is_run_by_the_one_runner() -> None:
    group = typer.main.get_group(evaluate.app)
    options = {name: {p.name for p in command.params} for name, command in group.commands.items()}
    assert {name for name, params in options.items() if "fresh" not in params} == {"compare"}


SCRIPT = """
import sys
from pathlib import Path
from tests.evaluation import families
from tests.evaluation.families import FAMILIES
from tests.evaluation.test_runs import run_in
if __name__ == "__main__":
    run_in(Path(sys.argv[1]), families.Order(Path(sys.argv[2])))
"""


def test_a_killed_process_loses_no_finished_trial_and_side_by_side_is_the_same(tmp_path: Path) -> None:
    order = families.Order.at(tmp_path)
    run_in(tmp_path / "whole", order)
    out, script = tmp_path / "killed", tmp_path / "script.py"
    script.write_text(SCRIPT)
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": f"{root}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    process = subprocess.Popen([sys.executable, str(script), str(out), str(tmp_path)], env=environment, cwd=root)
    try:
        wanted = random.Random(os.getpid()).randrange(1, 40)
        end = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < end:
            if (out / FILES[0]).is_file() and (out / FILES[0]).read_bytes().count(b"\n") >= wanted:
                break
            time.sleep(0.002)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    run_in(out, order, processes=2)
    assert bodies(out) == bodies(tmp_path / "whole")


def test_another_run_is_not_mixed_with_an_unfinished_one(tmp_path: Path) -> None:
    order = families.Order.at(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run_in(tmp_path / "out", order, Stops(5))
    other = {**WHAT, "options": {"trials": 3}}
    with pytest.raises(ConfigurationError, match=r"another `options\.trials`.*--fresh"):
        conduct_in(tmp_path / "out", order.plan(), other, Silent())


def test_a_sample_survives_its_line(tmp_path: Path) -> None:
    run = conduct(families.Order.at(tmp_path).plan())
    for sample in run.results["sisf"][0].samples():
        assert Sample.from_json(json.loads(json.dumps(sample.as_json()))) == sample


def test_calls_are_capped_and_nobody_is_asked_twice(tmp_path: Path) -> None:
    asked: list[str] = []

    def label(exchange: Any) -> Outcome:
        asked.append(exchange.prompt)
        return Outcome.BREACH

    out = tmp_path / "out"
    out.mkdir()

    def play(most: int | None) -> Run:
        calls = Calls(Folder(out).calls, max_calls=most)
        judge: Adjudicator = CountedJudge(ScriptedAdjudicator(label), calls)
        setup = families.setup(independent=judge, trials=1, calls=calls)
        plan = learn_plan(setup, {"none": no_defence}, [families.attacks(tmp_path)], [])
        return conduct_in(out, plan, WHAT, Silent())

    with pytest.raises(CapReached, match="--max-calls 5 is reached"):
        play(5)
    assert len(asked) == 5
    run = play(None)
    assert len(asked) == len(set(asked)) == len(families.FAMILIES) * families.VARIANTS
    assert run.results["none"][0].spent["calls"] == len(asked) - 5


def test_what_a_run_may_cost_is_known_beforehand(tmp_path: Path) -> None:
    settings, total = load(environment={}), len(FAMILIES) * families.VARIANTS
    plan = families.Order.at(tmp_path).plan()
    assert estimate(plan.asks(), Options(), settings).calls == 0
    asked = estimate(plan.asks(), Options(adjudicator="llm", labels="guard-model"), settings)
    assert asked.calls == 2 * total
    assert asked.tokens > 900 * asked.calls
    assert "--max-calls" in asked.told(None, None)
    # Attacks and honest prompts go to a model elsewhere.
    assert estimate(plan.asks(), Options(model="http://127.0.0.1:9/v1#m"), settings).calls == total + 4
    judges = replace(
        _judged(tmp_path), judges=dict.fromkeys(("local", "llm"), ScriptedAdjudicator(lambda _: Outcome.SAFE))
    )
    assert estimate(judges.asks(), Options(), settings).calls == total + 4


def test_learning_that_comes_late_lets_more_through(tmp_path: Path) -> None:
    def breaches(delay: int) -> int:
        plan = learn_plan(families.setup(trials=1), families.designs(), [families.attacks(tmp_path)], [], delay=delay)
        trial = conduct(plan).results["sisf"][0]
        assert trial.tally.final == len(families.FAMILIES)
        assert not any(s.beat_warden for s in trial.final)
        return sum(s.beat_warden for s in trial.attacks)

    total = len(families.FAMILIES) * families.VARIANTS
    assert breaches(0) == len(families.FAMILIES)
    assert len(families.FAMILIES) < breaches(2) < total
    assert breaches(total) == total
