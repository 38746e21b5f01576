"""What SISF answers itself."""

import asyncio
import http.client
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from sisf.gateway.identity import KeyFile
from tests.gateway.conftest import Rig, chat, rig

LITELLM = "/beta/litellm_basic_guardrail_api"


@pytest.fixture(scope="module")
def gateway() -> Iterator[Rig]:
    with rig(reveal="everyone") as made:
        yield made


def test_check_tells_the_decision_without_scores(gateway: Rig) -> None:
    fine = gateway.post({"text": "hello"}, path="/v1/check").json()
    assert (fine["action"], fine["blocked"], fine["revision"]) == ("allow", False, 7)
    bad = gateway.post({"messages": [{"role": "user", "content": "FORBIDDEN"}]}, path="/v1/check").json()
    assert (bad["blocked"], bad["policy_id"]) == (True, "p-FORBIDDEN")
    assert bad["decisions"][0]["matches"] == [
        {"policy_id": "p-FORBIDDEN", "action": "block", "origin": "messages[0].content"}
    ]
    answer = gateway.post({"text": "hi", "response": "so FORBIDDEN"}, path="/v1/check").json()
    assert [d["direction"] for d in answer["decisions"]] == ["prompt", "response"]
    assert answer["blocked"]
    assert gateway.upstream.requests == []


def test_check_and_moderations_look_at_what_stands_beside_the_messages(gateway: Rig) -> None:
    beside = [{"role": "user", "content": "hi", "annotations": [{"note": "FORBIDDEN"}]}]
    part = {"type": "text", "text": "hi", "citations": [{"title": "FORBIDDEN"}]}
    assert gateway.post({"messages": beside}, path="/v1/check").json()["blocked"]
    assert gateway.post({"messages": [{"role": "tool", "tool_call_id": "FORBIDDEN"}]}, path="/v1/check").json()[
        "blocked"
    ]
    assert gateway.post({"input": [part]}, path="/v1/moderations").json()["results"][0]["flagged"]


def test_which_policy_and_how_sure_the_judge_is_are_told_to_operators_only(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    with rig(keys__file=str(tmp_path / "keys.json")) as made:
        for role, told in (("client", False), ("admin", True)):
            headers = {"authorization": f"Bearer {keys.create(role=role)[0]}"}  # type: ignore[arg-type]
            time.sleep(1.1)  # the file is looked at once a second
            answers = [
                made.post({"text": "FORBIDDEN"}, "/v1/check", headers),
                made.post({"input_type": "request", "texts": ["FORBIDDEN"]}, LITELLM, headers),
                made.post({"model": "m", "messages": [{"role": "user", "content": "FORBIDDEN"}]}, headers=headers),
            ]
            for answer in answers:
                whole = answer.body.decode() + str(answer.headers)
                assert ("p-FORBIDDEN" in whole) is told
            verdict = made.post({"text": "hi", "response": "a BREACH"}, "/v1/adjudicate", headers).json()
            assert ("confidence" in verdict) is told
            assert verdict["outcome"] == "breach"


ASKING = {
    "/v1/chat/completions": {"model": "m", "messages": [{"role": "user", "content": "FORBIDDEN"}]},
    "/v1/check": {"text": "FORBIDDEN"},
    "/v1/moderations": {"input": "FORBIDDEN"},
    LITELLM: {"input_type": "request", "texts": ["FORBIDDEN"]},
    "/v1/adjudicate": {"text": "hi", "response": "a BREACH"},
}


@pytest.mark.parametrize("path", ASKING)
def test_there_is_one_limit_for_all_ways_of_asking(path: str) -> None:
    with rig(limits__blocks_per_minute=4, limits__block_delay=0.0) as made:
        for _ in range(5):
            made.post(ASKING[path], path)
        assert made.metric("sisf_probing_total") == 1
        # Past it, nobody pays for a judge.
        assert made.post(ASKING["/v1/adjudicate"], "/v1/adjudicate").status == 429


def test_many_texts_in_one_request_are_as_many() -> None:
    with rig(limits__blocks_per_minute=4, limits__block_delay=0.0) as made:
        made.post({"input": ["FORBIDDEN"] * 5}, "/v1/moderations")
        assert made.metric("sisf_probing_total") == 1


def test_nothing_redirects_to_where_the_client_says() -> None:
    with rig() as made:
        answer = made.request("POST", "/v1/check/", b"{}", {"host": "evil.example", "content-type": "application/json"})
        assert answer.status in (403, 404)
        assert "location" not in answer.headers


def test_figures_need_a_key_where_there_are_keys(tmp_path: Path) -> None:
    secret, _ = KeyFile(tmp_path / "keys.json").create(role="viewer")
    with rig(keys__file=str(tmp_path / "keys.json")) as made:
        assert made.get("/metrics").status == 401
        assert made.request("GET", "/metrics", headers={"authorization": f"Bearer {secret}"}).status == 200
    with rig() as made:
        assert made.get("/metrics").status == 200


def test_adjudicate_tells_the_verdict(gateway: Rig) -> None:
    verdict = gateway.post({"text": "hi", "response": "a BREACH"}, path="/v1/adjudicate").json()
    assert (verdict["outcome"], verdict["judge"]) == ("breach", "fake")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/check", {}),
        ("/v1/check", {"text": 3}),
        ("/v1/check", {"text": "a", "extra": 1}),
        ("/v1/check", {"messages": []}),
        ("/v1/adjudicate", {"text": "a"}),
        ("/v1/moderations", {}),
        ("/v1/moderations", {"input": [1]}),
        ("/v1/moderations", {"input": [{"type": "image_url", "image_url": {"url": "x"}}]}),
        (LITELLM, {"texts": ["a"]}),
        (LITELLM, {"input_type": "request", "texts": "a"}),
        ("/v1/check", []),
    ],
)
def test_malformed_requests_have_clear_errors(gateway: Rig, path: str, body: Any) -> None:
    answer = gateway.post(body, path=path)
    assert answer.status == 400
    assert answer.json()["error"]["message"]


def test_moderations_through_the_sdk(gateway: Rig) -> None:
    with openai.OpenAI(base_url=gateway.url + "/v1", api_key="none", max_retries=0) as sdk:
        done = sdk.moderations.create(input=["fine", "FORBIDDEN"])
        assert [result.flagged for result in done.results] == [False, True]
        assert done.results[1].categories.self_harm
        assert done.results[1].category_scores.self_harm == 1.0
        assert not done.results[1].categories.violence
        parts: Any = [{"type": "text", "text": "FORBIDDEN"}]
        assert sdk.moderations.create(input=parts).results[0].flagged


def test_moderations_ask_the_store_once_for_each_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    """800 blocked inputs read it 800 times."""
    with rig(limits__blocks_per_minute=0) as made:
        policies, asked = made.store.policies, list[str]()
        given = policies.get

        def get(policy_id: str) -> Any:
            asked.append(policy_id)
            return given(policy_id)

        monkeypatch.setattr(policies, "get", get)
        told = made.post({"input": ["FORBIDDEN"] * 50}, "/v1/moderations").json()["results"]
    assert [result["flagged"] for result in told] == [True] * 50
    assert asked == ["p-FORBIDDEN"]


def test_the_inputs_of_a_moderation_have_one_limit_together() -> None:
    with rig(limits__text_chars=100) as made:
        assert made.post({"input": ["a" * 50] * 2}, "/v1/moderations").status == 200
        assert made.post({"input": ["a" * 50] * 3}, "/v1/moderations").status == 413


@pytest.mark.parametrize("path", ["/v1/check", "/v1/moderations", LITELLM])
def test_nothing_is_inspected_for_a_client_that_is_gone(path: str) -> None:
    begun, ended = threading.Event(), threading.Event()

    async def trouble() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.set()
            raise

    with rig() as made:
        made.warden.trouble = trouble  # type: ignore[method-assign]
        connection = http.client.HTTPConnection(made.url.removeprefix("http://"), timeout=20)
        connection.request("POST", path, json.dumps(ASKING[path]), {"content-type": "application/json"})
        assert begun.wait(20)
        connection.close()
        assert ended.wait(20)


def test_litellm_guardrail(gateway: Rig) -> None:
    def ask(**more: Any) -> Any:
        return gateway.post({"input_type": "request", "request_data": {}, **more}, path=LITELLM).json()

    assert ask(texts=["hello"])["action"] == "NONE"
    assert ask(texts=[])["action"] == "NONE"
    blocked = ask(texts=["hello", "FORBIDDEN"])
    assert blocked["action"] == "BLOCKED"
    assert "p-FORBIDDEN" in blocked["blocked_reason"]
    assert ask(texts=["a"], tools=[{"type": "function", "function": {"name": "FORBIDDEN"}}])["action"] == "BLOCKED"
    assert ask(texts=["a"], images=["data:"])["action"] == "BLOCKED"
    assert ask(input_type="response", texts=["FORBIDDEN"])["action"] == "BLOCKED"
    gateway.warden.rewrite = ("secret", "[removed]")
    try:
        changed = ask(texts=["a secret", "b"], structured_messages=[{"role": "user", "content": "a secret"}])
        assert (changed["action"], changed["texts"]) == ("GUARDRAIL_INTERVENED", ["a [removed]", "b"])
    finally:
        gateway.warden.rewrite = None


def test_a_failing_warden_fails_closed() -> None:
    with rig() as gateway:
        gateway.warden.error = OSError("gone")
        for path, body in (
            ("/v1/check", {"text": "a"}),
            ("/v1/moderations", {"input": "a"}),
            (LITELLM, {"input_type": "request", "texts": ["a"]}),
        ):
            answer = gateway.post(body, path=path)
            assert (answer.status, answer.json()["error"]["code"]) == (503, "inspection_unavailable")


@pytest.mark.parametrize("path", [*ASKING, "/v1/responses"])
def test_who_is_behind_several_proxies_is_known_to_every_endpoint(path: str) -> None:
    """Also where each proxy writes its hop on a line of its own."""
    settings: dict[str, Any] = {
        "callers__trusted_proxies": ["127.0.0.0/8", "10.0.0.0/8"],
        "limits__requests_per_minute": 1,
    }
    raw = json.dumps(ASKING.get(path, {"model": "m", "input": "hi"})).encode()

    with rig(**settings) as made:

        def refused(client: str) -> bool:
            connection = http.client.HTTPConnection(made.url.removeprefix("http://"), timeout=60)
            connection.putrequest("POST", path)
            for hop in (client, "10.0.0.7"):
                connection.putheader("x-forwarded-for", hop)
            connection.putheader("content-length", str(len(raw)))
            connection.endheaders(raw)
            status = connection.getresponse().status
            connection.close()
            return status == 429

        assert [refused("8.8.8.8"), refused("9.9.9.9"), refused("9.9.9.9")] == [False, False, True]


def test_what_the_client_did_wrong_is_no_error_of_the_server() -> None:
    with rig() as made:
        wrong = [made.request("PUT", "/v1/models"), made.post(chat("hi"), path="/v1/nowhere")]
        for path in ("/v1/chat/completions", "/v1/messages"):
            wrong.append(made.request("POST", path, b"x", {"content-encoding": "lzw"}))
        assert {answer.json()["error"]["type"] for answer in wrong} == {"invalid_request_error"}
