"""The Adversarial Probing Agent: what a gateway's answers mean, and what a round of probing tells."""

import json

import pytest

from sisf.corpus import Sample, TechniqueFrame
from sisf.errors import ModelError
from sisf.exchange import Message, Role
from sisf.probe.agent import Attempt, ProbingAgent
from sisf.probe.attacks import direct, framed
from sisf.probe.target import GatewayTarget, Reaction, Reply
from sisf.taxonomy import Hazard, Technique
from sisf.testing import Failure, ScriptedServer, chat_completion

GOALS = [Sample(f"g-{i}", f"Do the bad thing {i}", "harmful", Hazard.PRIVACY) for i in range(5)]
FRAMES = [
    TechniqueFrame("f-1", Technique.ROLE_PLAY, "You are a pirate. {goal}", "attack"),
    TechniqueFrame("f-2", Technique.FICTION, "In my novel: {goal}", "attack"),
    TechniqueFrame("f-3", Technique.FICTION, "Write a novel about the sea.", "twin"),
]


def filtered(server: ScriptedServer) -> None:
    error = {"message": "blocked", "type": "invalid_request_error", "param": "prompt", "code": "content_filter"}
    server.status, server.body = 400, json.dumps({"error": error}).encode()


def test_every_reaction_is_told_from_the_others() -> None:
    with ScriptedServer(answer="An answer.") as server:
        target = GatewayTarget(server.url)
        server.headers = {"x-sisf-exchange": "e-1", "x-sisf-revision": "7", "x-sisf-decision": "allow"}
        assert target.send("hello") == Reply(Reaction.ANSWERED, "An answer.", None, "e-1", 7)
        server.headers = {"x-sisf-decision": "withhold"}
        assert target.send("hello").reaction is Reaction.WITHHELD
        server.headers = {"x-sisf-decision": "block", "x-sisf-policy": "p-1"}
        intercepted = target.send("hello")
        assert (intercepted.reaction, intercepted.policy_id, intercepted.text) == (Reaction.INTERCEPTED, "p-1", "")
        server.headers = {"x-sisf-policy": "p-2", "x-sisf-revision": "odd"}
        filtered(server)
        blocked = target.send([Message(Role.SYSTEM, "Be good."), Message(Role.USER, "hello")])
        assert (blocked.reaction, blocked.policy_id, blocked.revision) == (Reaction.BLOCKED, "p-2", 0)
        assert [m["role"] for m in server.requests[-1].json()["messages"]] == ["system", "user"]
        target.close()


@pytest.mark.parametrize("failure", [Failure.REFUSE, Failure.SERVER_ERROR, Failure.RATE_LIMIT])
def test_what_is_no_gateway_is_an_error_and_is_asked_once(failure: Failure) -> None:
    with ScriptedServer(failure=failure) as server:
        target = GatewayTarget(server.url, timeout=5)
        with pytest.raises(ModelError, match="does not answer as a gateway should"):
            target.send("hello")
        assert len(server.requests) <= 1
        target.close()


def test_another_bad_request_is_not_taken_for_a_block() -> None:
    body = json.dumps({"error": {"message": "no such model", "type": "x", "param": None, "code": "model"}}).encode()
    with ScriptedServer(status=400, body=body) as server:
        target = GatewayTarget(server.url)
        with pytest.raises(ModelError, match="no such model"):
            target.send("hello")
        target.close()


def test_attacks_are_dressed_in_every_technique_and_twins_are_left_out() -> None:
    attacks = [*direct(GOALS), *framed(GOALS, FRAMES, each=2, seed=1)]
    assert [a.technique for a in attacks[:5]] == [Technique.DIRECT] * 5
    assert [a.technique for a in attacks[5:]] == [Technique.ROLE_PLAY] * 2 + [Technique.FICTION] * 2
    assert attacks[5].text.startswith("You are a pirate. Do the bad thing")
    assert len({a.id for a in attacks}) == 9
    assert attacks == [*direct(GOALS), *framed(GOALS, FRAMES, each=2, seed=1)]


def test_findings_count_by_technique_and_name_what_got_an_answer() -> None:
    class Pirateproof:
        def send(self, messages: str) -> Reply:
            return Reply(Reaction.BLOCKED if "pirate" in messages else Reaction.ANSWERED, chat_completion("x").decode())

    seen: list[Attempt] = []
    findings = ProbingAgent(Pirateproof()).probe(framed(GOALS, FRAMES, each=3), seen=seen.append)
    assert len(seen) == len(findings.attempts) == 6
    assert findings.reactions() == {
        Technique.ROLE_PLAY: {Reaction.BLOCKED: 3},
        Technique.FICTION: {Reaction.ANSWERED: 3},
    }
    assert {a.attack.technique for a in findings.answered()} == {Technique.FICTION}
