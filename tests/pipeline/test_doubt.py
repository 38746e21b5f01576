"""In `doubtful` mode an answer waits for a verdict where request or answer came near to a policy, and only there."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sisf import Guard
from sisf.bootstrap import System
from sisf.exchange import Fate, Message, Role
from sisf.gateway.texts import with_embedded
from sisf.pipeline import Caller, Inspected, Pipeline, Turn
from sisf.pipeline.stream_texts import Delta, StreamEvent, StreamStopped
from sisf.pipeline.streaming import AnswerStream
from sisf.policy import Action, Change, Direction, GateReport, Policy, Prototypes, Status
from sisf.store.records import ExchangeRecord
from sisf.testing import ScriptedServer, wait_until
from sisf.verdict import Outcome
from tests.guard.conftest import system_with
from tests.pipeline.doors import DOORS, STOPPED, Told, counted

NEAR = "tell me of the marble cellar under the old mill"
FAR = "a soup of leeks"
BAD = "a BREACH"


def near_to(system: System, text: str, below: float, **changes: Any) -> Policy:
    """A policy whose threshold lies so far above what `text` scores."""
    embedder = system.embedder
    learned, scored = embedder.embed([text.replace("marble", "granite"), text])
    prototypes = Prototypes(
        embedder.id, embedder.dimensions, learned.astype("<f4").tobytes(), float(learned @ scored) + below
    )
    condition = replace(prototypes, **changes.pop("condition", {}))
    policy = Policy(
        condition, Action.BLOCK, Direction.BOTH, "the cellar", status=Status.ACTIVE, gate_report=GateReport(passed=True)
    )
    return replace(policy, **changes)


@contextmanager
def doubtful(text: str = NEAR, below: float = 0.03, mode: str = "doubtful", **changes: Any) -> Iterator[System]:
    system = system_with(adjudication__mode=mode)
    try:
        change = Change((near_to(system, text, below, **changes),), "person:test", "a test")
        revision = system.store.policies.commit(change, expected=system.warden.revision).revision
        assert wait_until(lambda: system.warden.revision == revision)
        yield system
    finally:
        system.close()


def last(system: System) -> ExchangeRecord:
    system.store.flush()
    return next(iter(system.store.exchanges.recent(1)))


def judged_first(metrics: Any) -> float:
    """How many answers waited for a verdict."""
    counts = counted(metrics)
    return sum(count for name, count in counts.items() if name.startswith("inline_verdicts"))


@pytest.mark.parametrize("door", DOORS)
def test_what_came_near_waits_and_all_else_does_not(door: str, tmp_path: Path) -> None:
    with doubtful() as system, ScriptedServer() as server, DOORS[door](system, server, tmp_path) as opened:
        assert opened.send(FAR, "fine").what == "released"
        assert judged_first(opened.metrics) == 0
        assert opened.send(NEAR, "fine").what == "released"
        verdict = last(system).verdict
        assert verdict is not None
        assert verdict.outcome is Outcome.SAFE
        assert opened.send(NEAR, BAD) == Told(STOPPED)  # what is remembered of the prompt is that it is near
        assert last(system).fate is Fate.WITHHELD
        assert judged_first(opened.metrics) == 2
        assert opened.send(FAR, NEAR).what == "released"
        assert judged_first(opened.metrics) == 3  # the answer is near
        assert opened.send(FAR, BAD).what == "released"
        assert judged_first(opened.metrics) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "async"},
        {"below": 0.05},  # two steps of 0.02 are near
        {"status": Status.SHADOW},
        {"action": Action.FLAG},
        {"condition": {"exceptions": ["marble cellar"]}},
        {"tenant": "elsewhere"},
    ],
    ids=str,
)
def test_near_to_what_would_not_block_is_not_doubtful(changes: dict[str, Any], tmp_path: Path) -> None:
    with doubtful(**changes) as system, ScriptedServer() as server, DOORS["guard"](system, server, tmp_path) as opened:
        assert opened.send(NEAR, BAD).what == "released"
        assert judged_first(opened.metrics) == 0


def held(stream: AnswerStream) -> bool:
    return stream.held


@pytest.mark.parametrize(("end", "released"), [("", True), (f"{BAD}.", False)])
def test_a_stream_is_held_from_where_it_comes_near(end: str, released: bool) -> None:
    near = f"{NEAR}. " * 40

    async def streamed(pipeline: Pipeline) -> Turn:
        turn = pipeline.begin("test", Inspected((Message(Role.USER, FAR),), "", stream=True, tree={}), Caller())
        await pipeline.prompt(turn)
        stream = AnswerStream(pipeline, turn, with_embedded)
        await stream.take(StreamEvent([Delta(0, "content", "The weather is fine and the road is long. " * 60)]))
        assert not held(stream)  # what came so far goes out
        await stream.take(StreamEvent([Delta(0, "content", near + end)]))
        assert held(stream)
        await stream.finish()
        with nullcontext() if released else pytest.raises(StreamStopped):
            await stream.end(delivered=True)
        return turn

    with doubtful(text=near) as system, Guard(system=system) as guard:
        turn = asyncio.run(streamed(guard._pipeline))
        assert turn.fate is (Fate.RELEASED if released else Fate.WITHHELD)
        assert judged_first(guard._pipeline.metrics) == 1


def test_a_streamed_answer_that_the_judge_stops_never_ends_as_the_model_said_it(tmp_path: Path) -> None:
    near = f"{NEAR}. " * 40
    with (
        doubtful(text=near) as system,
        ScriptedServer() as server,
        DOORS["gateway"](system, server, tmp_path) as opened,
    ):
        assert opened.send(FAR, near, stream=True) == Told("released", near)
        assert opened.send(FAR, f"{near}{BAD}.", stream=True) == Told(STOPPED)
        assert judged_first(opened.metrics) == 2


def test_a_configuration_that_is_read_again_says_anew_what_waits(tmp_path: Path) -> None:
    with doubtful(mode="async") as system, ScriptedServer() as server:
        for mode, waited in (("doubtful", 1), ("async", 0)):
            judging = system.settings.adjudication.model_copy(update={"mode": mode})
            again = replace(system, settings=system.settings.model_copy(update={"adjudication": judging}))
            with DOORS["guard"](again, server, tmp_path) as opened:  # as the gateway does on SIGHUP: the Warden stays
                assert opened.send(NEAR, "fine").what == "released"
                assert judged_first(opened.metrics) == waited
