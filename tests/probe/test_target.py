"""What a gateway's answers mean to the probing agent."""

import json

import pytest

from sisf.errors import ModelError
from sisf.exchange import Message, Role
from sisf.probe.target import GatewayTarget, Reaction, Reply
from sisf.testing import Failure, ScriptedServer


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
        target = GatewayTarget(server.url, timeout=60)
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
