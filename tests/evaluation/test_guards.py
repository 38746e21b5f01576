"""Other guards in front: by address, by judge, by pattern; asked once, and failing loudly."""

import json
from pathlib import Path
from typing import Any

import pytest

from sisf.errors import ModelError
from sisf.evaluation.defences import no_defence
from sisf.evaluation.guards import Behind, EndpointGuard, Guard, JudgingGuard, KeywordGuard
from sisf.evaluation.protocols.learn.run import learn_plan
from sisf.evaluation.runs.calls import Calls
from sisf.evaluation.runs.runner import conduct
from sisf.exchange import Message, Role
from sisf.testing import Failure, Received, ScriptedAdjudicator, ScriptedServer
from sisf.verdict import Outcome
from tests.evaluation import families
from tests.evaluation.families import FAMILIES, VARIANTS

TOTAL = len(FAMILIES) * VARIANTS


def declines(request: Received) -> str:
    text = json.loads(request.body)["messages"][-1]["content"]
    return "I'm sorry, I can't help with that." if "marble" in text else "Here is an answer about it."


def stopped(folder: Path, guard: Guard) -> dict[str, Any]:
    """Attacks stopped by side, and honest prompts."""
    plan = learn_plan(
        families.setup(trials=1),
        {"sisf": lambda: Behind(guard, no_defence())},
        [families.attacks(folder)],
        [families.benign(folder)],
    )
    trial = conduct(plan).results["sisf"][0]
    assert all(s.policy_id == f"guard:{guard.name}" for s in trial.attacks if s.intercepted)
    assert {s.id for s in trial.attacks if s.intercepted} == {s.id for s in trial.final if s.intercepted}
    return {
        "prompt": sum(s.side == "prompt" for s in trial.attacks),
        "response": sum(s.side == "response" for s in trial.attacks),
        "honest": sum(s.intercepted for s in trial.benign["honest"]),
    }


def test_an_endpoint_that_declines_stops_the_prompt_and_is_asked_once(tmp_path: Path) -> None:
    with ScriptedServer(reply=declines) as server:
        found = stopped(tmp_path, EndpointGuard(f"{server.url}#guarded", Calls()))
        sent = [json.loads(request.body) for request in server.requests]
    assert found == {"prompt": VARIANTS, "response": 0, "honest": 1}
    assert {body["model"] for body in sent} == {"guarded"}
    assert len(sent) == TOTAL + 4  # what is sent again at the end is known by then


def test_an_endpoint_that_fails_is_no_guard(tmp_path: Path) -> None:
    message = (Message(Role.USER, "hello"),)
    with ScriptedServer(failure=Failure.REFUSE) as server:
        guard = EndpointGuard(server.url, Calls(), retries=0)
        with pytest.raises(ModelError, match="does not answer"):
            guard.stops(message, None)
    assert not guard.stops(message, "an answer is not its affair")


def test_a_judge_stops_answers_and_keywords_stop_prompts(tmp_path: Path) -> None:
    judge = ScriptedAdjudicator(lambda e: Outcome.BREACH if "orchard" in e.prompt else Outcome.UNDECIDED)
    assert stopped(tmp_path, JudgingGuard("guard-model", judge)) == {"prompt": 0, "response": VARIANTS, "honest": 0}
    assert stopped(tmp_path, KeywordGuard(["orchard|marble"])) == {"prompt": 2 * VARIANTS, "response": 0, "honest": 1}
