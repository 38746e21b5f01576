"""What the model's server says keeps its meaning, and it is spoken to as it expects."""

import json
from pathlib import Path
from typing import Any

import pytest

from sisf.errors import ConfigurationError
from sisf.gateway.identity import KeyFile
from sisf.gateway.numbers import NumbersOnly
from sisf.gateway.wire import Malformed
from sisf.policy import Action
from sisf.settings import Settings
from sisf.testing import Failure
from tests.gateway.conftest import chat, rig

REFUSALS = [
    (403, {"code": 403, "message": "Your input was flagged for violence", "metadata": {"reasons": ["violence"]}}),
    (403, {"code": "model_not_found", "message": "Project `p` does not have access to model `m`"}),
    (403, {"message": "Country, region, or territory not supported"}),
    (401, {"type": "team_model_access_denied", "message": "team not allowed to access model m"}),
    (403, {"message": "This request violates our content policy"}),
]
CREDENTIALS = [
    (401, {"code": "invalid_api_key", "message": "Incorrect API key provided: sk-ab***yz"}),
    (401, {"message": "Unauthorized"}),
    (403, {"type": "permission_error", "message": "Your API key does not have permission to use this resource"}),
    (401, None),
]


def answer_with(status: int, error: Any, **settings: Any) -> tuple[int, dict[str, Any], Any, int]:
    with rig(upstream__api_key="ours", **settings) as gateway:
        gateway.upstream.status = status
        gateway.upstream.body = json.dumps({"error": error}).encode() if error else b""
        answer = gateway.post(chat("hi"))
        return answer.status, dict(answer.headers), answer.json(), len(gateway.upstream.requests)


@pytest.mark.parametrize(("status", "error"), REFUSALS)
def test_a_refusal_passes_as_it_is(status: int, error: Any) -> None:
    told, _, body, asked = answer_with(status, error, upstream__retries=2)
    assert (told, body, asked) == (status, {"error": error}, 1)


@pytest.mark.parametrize(("status", "error"), CREDENTIALS)
def test_a_refused_key_is_the_gateways_own_trouble_and_sdks_do_not_ask_again(status: int, error: Any) -> None:
    told, headers, body, asked = answer_with(status, error, upstream__retries=2)
    assert (told, body["error"]["code"], asked) == (502, "upstream_credentials", 1)
    assert headers["x-should-retry"] == "false"
    assert "sk-ab" not in json.dumps(body)


KEPT = {
    "x-ratelimit-remaining-tokens": "149984",
    "x-request-id": "req_0123456789abcdef",
    "openai-version": "2020-10-01",
}
SAYING = [
    {"x-model-said": "forbidden"},
    {"x-request-id": "forbidden"},
    {"openai-model": "a-forbidden-model"},
    {"x-forbidden": "1"},
    {"content-type": "application/json; charset=forbidden"},
    {"x-model-said": "f\u00f6rbidden"},
]
STREAMED = {"content-type": "text/event-stream; charset=forbidden"}
TO_BROWSERS = [
    {"access-control-allow-origin": "*"},
    {"content-security-policy": "default-src *"},
    {"location": "http://elsewhere.example/"},
    {"content-location": "/forbidden"},
    {"link": "<http://elsewhere.example/>; rel=preload"},
    {"refresh": "0; url=http://elsewhere.example/"},
    {"clear-site-data": '"*"'},
    {"x-sisf-policy": "made up"},
]


@pytest.mark.parametrize("how", ["plain", "streamed", "an error"])
def test_what_an_upstream_says_in_headers_is_inspected(how: str) -> None:
    with rig() as gateway:
        gateway.warden.words = {"forbidden": Action.BLOCK, "f\u00f6rbidden": Action.BLOCK}
        gateway.upstream.status = 400 if how == "an error" else 200
        for said in ({}, *SAYING):
            gateway.upstream.headers = {**KEPT, **(STREAMED if how == "streamed" and "content-type" in said else said)}
            answer = gateway.post(chat("hi", stream=how == "streamed"))
            assert answer.status == gateway.upstream.status
            assert "rbidden" not in str(answer.headers), said
            assert said or KEPT.items() <= answer.headers.items()
            assert answer.headers["content-type"].startswith(("application/json", "text/event-stream"))
        calls = len(gateway.warden.seen)
        gateway.upstream.headers = KEPT
        gateway.post(chat("hi", stream=how == "streamed"))
        told = [m.content for _, seen in gateway.warden.seen[calls:] for m in seen if m.origin == "headers"]
        assert told == ["\n".join(sorted(KEPT))], "values without words are not asked about"


def test_no_header_of_an_upstream_tells_browsers_what_to_do() -> None:
    with rig() as gateway:
        for said in TO_BROWSERS:
            gateway.upstream.headers = said
            assert not (said.items() & gateway.post(chat("hi")).headers.items()), said


def test_answers_that_were_paid_for_are_not_asked_for_again() -> None:
    with rig() as gateway:
        gateway.upstream.body = b"no JSON"
        answer = gateway.post(chat("hi"))
        assert (answer.status, answer.headers["x-should-retry"]) == (502, "false")
        gateway.upstream.failure = Failure.GARBAGE
        listed = gateway.get("/v1/models")
        assert (listed.status, listed.headers["x-should-retry"]) == (502, "false")


def test_the_time_limits_are_at_least_those_of_the_sdks() -> None:
    upstream = Settings().upstream
    assert min(upstream.first_byte_timeout, upstream.idle_timeout) >= 600


def test_anthropics_headers_stand_on_every_path() -> None:
    message = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    with rig(upstream__api="anthropic", upstream__api_key="ours") as gateway:
        gateway.upstream.body = b'{"input_tokens": 3}'
        counted = gateway.post(message, path="/v1/messages/count_tokens", headers={"x-api-key": "theirs"})
        assert (counted.status, counted.json()) == (200, {"input_tokens": 3})
        gateway.post(message, path="/v1/messages", headers={"anthropic-version": "2024-01-01"})
        gateway.get("/v1/models?limit=2")
        seen = gateway.upstream.requests
        assert [r.headers["x-api-key"] for r in seen] == ["ours"] * 3
        assert [r.headers["anthropic-version"] for r in seen] == ["2023-06-01", "2024-01-01", "2023-06-01"]
        assert not any("authorization" in r.headers for r in seen)
        assert seen[-1].path == "/v1/models?limit=2"


def test_tokens_are_counted_of_inspected_texts_only() -> None:
    with rig() as gateway:
        body = {"model": "m", "messages": [{"role": "user", "content": "FORBIDDEN"}]}
        assert gateway.post(body, path="/v1/messages/count_tokens").status == 400
        gateway.upstream.body = b'{"input_tokens": 3, "note": "words"}'
        body = {"model": "m", "messages": [{"role": "user", "content": "fine"}]}
        assert gateway.post(body, path="/v1/messages/count_tokens").status == 502


def test_headers_of_clients_pass_by_an_allow_list() -> None:
    sent = {
        "OpenAI-Organization": "org",
        "OpenAI-Project": "proj",
        "Idempotency-Key": "k",
        "HTTP-Referer": "https://a.example",
        "X-Title": "app",
        "X-Mine": "1",
        "X-Other": "2",
        "Authorization": "Bearer theirs",
    }
    with rig(upstream__client_headers=["x-mine"]) as gateway:
        gateway.post(chat("hi"), headers=sent)
        got = gateway.upstream.requests[0].headers
        passed = ("openai-organization", "openai-project", "idempotency-key", "http-referer", "x-title", "x-mine")
        assert all(name in got for name in passed)
        assert "x-other" not in got
        assert "authorization" not in got
    with pytest.raises(ConfigurationError, match="client_headers"), rig(upstream__client_headers=["Cookie"]):
        pass


@pytest.mark.parametrize("count", [1, 2048])
def test_a_batch_of_embeddings_passes_whatever_its_size(count: int) -> None:
    data = [{"object": "embedding", "index": i, "embedding": [0.25, -1e-05, 3] * 20} for i in range(count)]
    answer = {"object": "list", "data": data, "model": "text-embedding-3-small", "usage": {"prompt_tokens": 1}}
    with rig(limits__body_bytes=200_000) as gateway:
        gateway.upstream.body = json.dumps(answer).encode()
        told = gateway.post({"model": "m", "input": [f"passage {i}" for i in range(count)]}, path="/v1/embeddings")
        assert told.status == 200
        assert told.body == gateway.upstream.body


def test_a_large_answer_that_holds_more_than_numbers_does_not_pass() -> None:
    with rig(limits__body_bytes=1000) as gateway:
        gateway.upstream.body = json.dumps({"data": [{"embedding": [0.5] * 500, "note": "read me now"}] * 3}).encode()
        assert gateway.post({"model": "m", "input": "a"}, path="/v1/embeddings").status == 502


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_numbers_are_told_from_speech_wherever_they_are_cut(cut: int) -> None:
    good = b'{"data":[{"embedding":"q83vAA=="},{"embedding":[0.5,-1e-7]}]}'
    bad = b'{"data":[{"embedding":"q83 vAA=="},{"embedding":[0.5,-1e-7]}]}'
    only = NumbersOnly()
    for start in range(0, len(good), cut):
        only.check(good[start : start + cut])
    other = NumbersOnly()

    def all_of_it() -> None:
        for start in range(0, len(bad), cut):
            other.check(bad[start : start + cut])

    with pytest.raises(Malformed):
        all_of_it()


@pytest.mark.parametrize("asked", [1, 30])
def test_a_text_cut_into_several_answers_is_read_as_one(asked: int) -> None:
    """A word to an answer; answers that are harmless side by side pass."""
    said = "first forbid then den words are here".split()
    with rig() as gateway:
        gateway.warden.words = {"forbid\nthen\nden": Action.BLOCK}
        for words, passes in ((said, False), (said[2:], True)):
            choices = [{"index": i, "message": {"role": "assistant", "content": w}} for i, w in enumerate(words)]
            gateway.upstream.body = json.dumps({"choices": choices}).encode()
            answer = gateway.post(chat("hi", n=asked))
            assert (answer.headers["x-sisf-decision"] != "block") is passes
            assert ("den" in str(answer.json()["choices"])) is passes


def test_two_senders_never_have_one_idempotency_key(tmp_path: Path) -> None:
    """A server gives the answer to the first request of a key once more, and to it all senders are one."""
    keys = KeyFile(tmp_path / "keys.json")
    senders = [("a", "ann"), ("b", "ann"), ("a", "bob"), ("a", "ann\0x")]
    secrets = [keys.create(tenant=tenant, principal=principal)[0] for tenant, principal in senders]
    with rig(keys__file=str(tmp_path / "keys.json"), pass_through=["POST /v1/files"]) as gateway:
        for path in ("/v1/chat/completions", "/v1/files"):
            gateway.upstream.requests.clear()
            for given in ("order-1", "order-2"):
                for secret in [*secrets, secrets[0]]:
                    headers = {"authorization": f"Bearer {secret}", "idempotency-key": given}
                    assert gateway.post(chat("hi"), path=path, headers=headers).status == 200
            told = [request.headers["idempotency-key"] for request in gateway.upstream.requests]
            assert told[4] == told[0]
            assert told[9] == told[5]
            assert len(set(told)) == 8
