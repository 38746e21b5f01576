"""What SISF answers itself."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.gateway.conftest import Rig, rig

LITELLM = "/beta/litellm_basic_guardrail_api"


@pytest.fixture(scope="module")
def gateway() -> Iterator[Rig]:
    with rig() as made:
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
