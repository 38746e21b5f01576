"""In `doubtful` mode an answer waits for a verdict where request or answer came near to a policy, and only there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest

from sisf.bootstrap import System
from sisf.exchange import Fate
from sisf.policy import Action, Change, Direction, GateReport, Policy, Prototypes, Status
from sisf.store.records import ExchangeRecord
from sisf.testing import ScriptedServer, wait_until
from sisf.verdict import Outcome
from tests.guard.conftest import system_with
from tests.pipeline.doors import ALICE, DOORS, STOPPED, Told, counted, gateway

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


def test_a_stream_is_held_from_where_it_comes_near(tmp_path: Path) -> None:
    honest, near = "The weather is fine and the road is long. " * 60, f"{NEAR}. " * 40
    for end, released in ((near, True), (f"{near}{BAD}.", False)):
        with (
            doubtful(text=near) as system,
            ScriptedServer() as server,
            gateway(system, server, tmp_path / str(released)) as door,
        ):
            server.answer = f"{honest}\n\n{end}"
            client: openai.OpenAI = door._client  # type: ignore[attr-defined]
            messages: Any = [{"role": "user", "content": FAR}]
            chunks = list(client.chat.completions.create(model="", messages=messages, stream=True))
            said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
            assert judged_first(door.metrics) == 1
            assert said.startswith("The weather is fine")  # had left before anybody doubted
            assert (said == server.answer) == released
            assert BAD not in said
            assert last(system).fate is (Fate.RELEASED if released else Fate.WITHHELD)
            assert last(system).exchange.sender.principal == ALICE
