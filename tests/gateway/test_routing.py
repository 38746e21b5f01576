"""Several upstreams: by model, by weight, past those that fail; each with its own key."""

from pathlib import Path
from typing import Any

import pytest

from sisf.errors import ConfigurationError
from sisf.gateway.routing import Upstreams
from sisf.pipeline.metrics import Metrics
from sisf.settings import load
from sisf.testing import Failure, ScriptedServer, wait_until
from tests.gateway.conftest import chat, rig


def named(**servers: dict[str, Any]) -> dict[str, Any]:
    return {"upstream_url": "", "upstreams": servers}


def test_models_go_to_their_upstreams_with_their_keys(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-from-file\n")
    with ScriptedServer(answer="from a") as a, ScriptedServer(answer="from b") as b:
        keys = named(
            a={"url": a.url, "models": ["alpha-*"], "api_key": "sk-a"},
            b={"url": b.url, "models": ["beta"], "api_key_file": str(tmp_path / "key")},
        )
        with rig(**keys) as gateway:
            for model, server, key in (("alpha-1", a, "sk-a"), ("beta", b, "sk-from-file")):
                answer = gateway.post({**chat("hi"), "model": model})
                assert answer.json()["choices"][0]["message"]["content"] == server.answer
                assert server.requests[-1].headers["authorization"] == f"Bearer {key}"
            unknown = gateway.post({**chat("hi"), "model": "gamma"})
            assert (unknown.status, unknown.json()["error"]["code"]) == (404, "model_not_found")
            assert [m["id"] for m in gateway.get("/v1/models").json()["data"]] == ["scripted", "scripted"]
            assert gateway.get("/v1/models/scripted").json()["id"] == "scripted"
            assert gateway.get("/v1/models/nope").status == 404


def test_weights_are_shares() -> None:
    keys = {name: {"url": f"http://{name}.test/v1", "weight": weight} for name, weight in (("a", 3), ("b", 1))}
    upstreams = Upstreams(load(environment={}, overrides={"upstreams": keys}), Metrics())
    firsts = [upstreams._candidates("m")[0].name for _ in range(4000)]
    assert 0.70 < firsts.count("a") / len(firsts) < 0.80  # 3 of 4, seven standard deviations wide


def test_retries_pass_a_dead_upstream_by_and_the_circuit_opens() -> None:
    with ScriptedServer(failure=Failure.REFUSE) as dead, ScriptedServer(answer="alive") as alive:
        keys = named(
            dead={"url": dead.url, "retries": 1, "weight": 1000, "breaker_failures": 2, "breaker_seconds": 60},
            alive={"url": alive.url, "retries": 1},
        )
        with rig(**keys) as gateway:
            assert all(gateway.post(chat("hi")).status == 200 for _ in range(6))
            assert gateway.metric("sisf_failures_total", part="upstream", kind="circuit_opened") == 1


def test_one_upstream_with_an_open_circuit_is_unavailable_and_comes_back() -> None:
    server = ScriptedServer(failure=Failure.RESET)
    with rig(server, upstream__breaker_failures=2, upstream__breaker_seconds=2.0) as gateway:
        assert [gateway.post(chat("hi")).status for _ in range(3)] == [502, 502, 503]
        server.failure = Failure.NONE
        assert wait_until(lambda: gateway.post(chat("hi")).status == 200)


def test_without_retries_the_client_sees_each_failure() -> None:
    with rig(ScriptedServer(failure=Failure.SERVER_ERROR)) as gateway:
        gateway.post(chat("hi"))
        assert len(gateway.upstream.requests) == 1


@pytest.mark.parametrize(
    ("upstream", "message"),
    [
        ({"url": "ftp://example.test"}, "not a base URL"),
        ({"url": "http://a.test/v1/chat/completions"}, "one endpoint; the base URL of all is `http://a.test/v1`"),
        ({"url": "http://a.test/openai/chat/completions/"}, "the base URL of all is `http://a.test/openai`"),
        ({"url": "http://a.test/v1/responses"}, "the base URL of all is `http://a.test/v1`"),
        ({"url": "http://user:pw@example.test/v1"}, "not into the URL"),
        ({"url": "http://a.test/v1", "api_key_file": "/nowhere/key"}, "cannot be read"),
        ({"url": "http://a.test/v1", "ca_file": "/nowhere/ca"}, "cannot be used"),
        ({"url": "http://a.test/v1", "client_cert": "/nowhere/cert"}, "cannot be used"),
    ],
)
def test_a_wrong_upstream_is_one_clear_error(upstream: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Upstreams(load(environment={}, overrides={"upstreams": {"a": upstream}}), Metrics())


@pytest.mark.parametrize(
    "base", ["http://a.test", "http://a.test/v1/", "http://a.test/models", "http://a.test/messages/v1"]
)
def test_a_base_url_may_have_any_other_path(base: str) -> None:
    assert Upstreams(load(environment={}, overrides={"upstream.url": base}), Metrics())


def test_no_upstream_at_all_is_one_clear_error() -> None:
    with pytest.raises(ConfigurationError, match=r"upstream\.url is not set"):
        Upstreams(load(environment={}), Metrics())


@pytest.mark.parametrize(
    "path", ["/v1/models/../files", "/v1/models/%2e%2e/%2e%2e/admin", "/v1/models/x/%2E%2e/../files"]
)
def test_names_of_models_lead_nowhere_else(path: str) -> None:
    with rig() as gateway:
        assert gateway.get(path).status == 404
        assert gateway.upstream.requests == []


def test_names_of_models_are_passed_on_as_they_are() -> None:
    with rig() as gateway:
        gateway.get("/v1/models/org%2Fname%20%25%3F")
        assert [request.path for request in gateway.upstream.requests] == ["/v1/models/org/name%20%25%3F"]
