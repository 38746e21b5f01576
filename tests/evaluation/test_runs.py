"""Runs that are stopped, resumed, played side by side and capped: the same file in the end."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sisf.adjudicator.base import Adjudicator
from sisf.errors import ConfigurationError
from sisf.evaluation.defences import no_defence
from sisf.evaluation.experiment import Run
from sisf.evaluation.outcomes import Sample
from sisf.evaluation.progress import Silent
from sisf.evaluation.protocols.learn.run import learn_plan
from sisf.evaluation.runs.calls import Calls, CapReached, CountedJudge
from sisf.evaluation.runs.folder import Folder
from sisf.evaluation.runs.runner import conduct, conduct_in
from sisf.testing import ScriptedAdjudicator
from sisf.verdict import Outcome
from tests.evaluation import families

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


SCRIPT = """
import sys
from pathlib import Path
from tests.evaluation import families
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
