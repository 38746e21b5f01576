"""Observing by endpoint, tenant and policy; and endpoints that pass uninspected because the settings say so."""

import json
from pathlib import Path
from typing import Any

import pytest

from sisf.embedding.hashing import HashEmbedder
from sisf.errors import ConfigurationError
from sisf.exchange import Message, Role
from sisf.gateway.identity import KeyFile
from sisf.policy import Action, Decision, Direction, GateReport, Match, Pattern, Policy, Snapshot, Status
from sisf.settings import load
from sisf.testing import Failure, ScriptedServer
from sisf.warden import Warden
from tests.gateway.conftest import chat, rig
from tests.gateway.fakes import FakeWarden


def test_an_observed_endpoint_only_tells_and_the_others_enforce() -> None:
    with rig(observe__endpoints=["/v1/completions"], reveal="everyone") as gateway:
        gateway.upstream.body = b'{"choices": [{"index": 0, "text": "fine"}]}'
        answer = gateway.post({"model": "m", "prompt": "FORBIDDEN"}, path="/v1/completions")
        assert (answer.status, answer.headers["x-sisf-decision"]) == (200, "would_block")
        assert answer.headers["x-sisf-policy"] == "p-FORBIDDEN"
        assert gateway.post(chat("FORBIDDEN")).status == 400
        assert gateway.metric("sisf_would_block_total", direction="prompt") == 1


def test_an_observed_tenant_only_is_told_and_the_others_are_blocked(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    keys = KeyFile(file)
    trial, _ = keys.create(tenant="trial")
    live, _ = keys.create(tenant="live")
    with rig(observe__tenants=["trial"], keys__file=str(file)) as gateway:
        seen = {
            name: gateway.post(chat("FORBIDDEN"), headers={"authorization": f"Bearer {key}"}).status
            for name, key in (("trial", trial), ("live", live))
        }
        assert seen == {"trial": 200, "live": 400}


def test_the_litellm_guardrail_can_be_observed() -> None:
    path = "/beta/litellm_basic_guardrail_api"
    with rig(observe__endpoints=[path]) as gateway:
        assert gateway.post({"input_type": "request", "texts": ["FORBIDDEN"]}, path=path).json() == {"action": "NONE"}


class ObservingWarden(FakeWarden):
    """Matches one policy that is observed."""

    async def check(self, messages: object, direction: Direction, sender: object, seconds: float) -> Decision:
        match = Match("p-new", Action.BLOCK, 1.0, 1.0, shadow="p-new" in self.observed)
        return Decision(Action.ALLOW if match.shadow else Action.BLOCK, (match,), 7, direction)


def test_an_observed_policy_is_told_in_header_and_metric() -> None:
    with rig(observe__policies=["p-new"], reveal="everyone") as gateway:
        assert gateway.warden.observed == {"p-new"}
        warden = ObservingWarden()
        warden.follow(gateway.settings)
        object.__setattr__(gateway.app.core.pipeline.checks, "warden", warden)
        answer = gateway.post(chat("hi"))
        assert answer.status == 200
        assert (answer.headers["x-sisf-decision"], answer.headers["x-sisf-policy"]) == ("would_block", "p-new")
        assert gateway.metric("sisf_would_block_total", direction="prompt") == 1


def test_the_warden_observes_policies_across_revisions_and_enforces_them_again() -> None:
    report = GateReport(passed=True)
    policies = tuple(
        Policy(Pattern(word), Action.BLOCK, Direction.BOTH, "a test", status=Status.ACTIVE, gate_report=report)
        for word in ("marrow", "thistle")
    )
    first, second = policies
    warden = Warden(HashEmbedder())

    def blocked(text: str) -> bool:
        return warden.inspect([Message(Role.USER, text)], Direction.PROMPT).blocked

    warden.activate(Snapshot(1, policies))
    warden.follow(load(environment={}, overrides={"observe.policies": [first.id]}))
    seen = warden.inspect([Message(Role.USER, "marrow")], Direction.PROMPT)
    assert (seen.blocked, [m.shadow for m in seen.matches]) == (False, [True])
    assert blocked("thistle")
    assert blocked("marrow and thistle")
    warden.activate(Snapshot(2, (first,)))
    assert (blocked("marrow"), blocked("thistle")) == (False, False)
    warden.follow(load(environment={}))
    assert blocked("marrow")
    assert warden.revision == 2
    assert second.id != first.id


def test_named_endpoints_pass_uninspected_and_say_so() -> None:
    routes = ["POST /v1/files", "GET /v1/files/*", "GET /v1/files/*/content"]
    upstream = ScriptedServer(headers={"content-type": "text/plain", "set-cookie": "a=b"})
    with rig(upstream, pass_through=routes, upstream__api_key="sk-ours") as gateway:
        upstream.body = b"\x00\xff raw \r\n bytes"
        sent = b"--x\r\n\r\nFORBIDDEN\r\n--x--"
        headers = {"content-type": "multipart/form-data; boundary=x", "authorization": "Bearer sk-client"}
        answer = gateway.request("POST", "/v1/files", sent, headers)
        assert (answer.status, answer.body) == (200, upstream.body)
        assert answer.headers["x-sisf-decision"] == "uninspected"
        assert "set-cookie" not in answer.headers
        received = upstream.requests[0]
        assert received.body == sent
        assert received.headers["content-type"] == "multipart/form-data; boundary=x"
        assert received.headers["authorization"] == "Bearer sk-ours"
        assert gateway.get("/v1/files/file-1/content?limit=2").status == 200
        assert gateway.metric("sisf_requests_total", endpoint="pass_through", status="200") == 2
        assert gateway.warden.seen == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/v1/files/a"),
        ("GET", "/v1/files"),
        ("GET", "/v1/files/../models"),
        ("GET", "/v1/files/%2e%2e"),
        ("GET", "/v1/files/a%2Fcontent"),
        ("GET", "/v1/files/a/b/content"),
        ("GET", "/v1/files/a%0d%0ax"),
        ("GET", "/v1/files/http:%2f%2fexample.test"),
        ("POST", "/v1/batches"),
    ],
)
def test_what_is_not_named_is_refused(method: str, path: str) -> None:
    with rig(pass_through=["GET /v1/files/*"]) as gateway:
        assert gateway.request(method, path).status in (404, 405)
        assert gateway.upstream.requests == []


def test_pass_through_keeps_limits_and_tells_of_failures() -> None:
    with rig(pass_through=["POST /v1/files"], limits__body_bytes=10, upstream__first_byte_timeout=0.3) as gateway:
        assert gateway.request("POST", "/v1/files", b"a" * 11).status == 413
        assert gateway.request("POST", "/v1/files?q=%20", b"a").status == 400
        assert gateway.request("POST", "/v1/files", b"a", {"content-type": "a/b; \x0b"}).status == 400
        gateway.upstream.failure = Failure.HANG
        slow = gateway.request("POST", "/v1/files", b"a")
        assert (slow.status, json.loads(slow.body)["error"]["code"]) == (504, "upstream_timeout")
        gateway.upstream.failure = Failure.NONE
        gateway.upstream.status = 401
        gateway.upstream.body = b"no"
        assert gateway.request("POST", "/v1/files", b"a").status == 401  # no key of ours: the client may know


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pass_through": ["/v1/files"]}, "METHOD and path"),
        ({"pass_through": ["POST http://example.test/v1"]}, "METHOD and path"),
        ({"pass_through": ["POST /v1/../admin"]}, "METHOD and path"),
        ({"pass_through": ["POST /v1/chat/completions"]}, "inspection of /v1/chat/completions"),
        ({"pass_through": ["POST /v1/*"]}, "would pass by the inspection"),
        ({"observe__endpoints": ["/v1/chats"]}, "is not inspected"),
    ],
)
def test_wrong_settings_are_one_clear_error(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message), rig(**settings):
        pass


def test_a_tenant_whose_enforcement_a_person_suspended_is_only_told() -> None:
    with rig() as gateway:
        assert gateway.post(chat("FORBIDDEN")).status == 400
        gateway.warden.suspended = frozenset({"default"})
        answer = gateway.post(chat("FORBIDDEN"))
        assert (answer.status, answer.headers["x-sisf-decision"]) == (200, "would_block")
        gateway.warden.suspended = frozenset({"another"})
        assert gateway.post(chat("FORBIDDEN")).status == 400
