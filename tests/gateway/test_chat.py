"""Chat completions through a running gateway: what passes is untouched, what is blocked says so."""

import json
from typing import Any

import pytest

from sisf.gateway.dialects.base import REFUSAL
from sisf.policy import Direction
from sisf.testing import ScriptedServer, chat_completion, chat_events
from tests.gateway.conftest import Rig, chat, rig

ODD_REQUEST = (
    b'{ "model":"m" ,\n "messages":[{"role":"user","content":"h\\u00e9llo \\/ w"}],'
    b'"temperature":1.50,"metadata":[1e2] }'
)


def stream_text(body: bytes) -> str:
    events = [json.loads(e[6:]) for e in body.decode().split("\n\n") if e.startswith("data: {")]
    return "".join(c["delta"].get("content") or "" for e in events for c in e["choices"])


@pytest.mark.smoke
def test_bytes_pass_unchanged_both_ways(gateway: Rig) -> None:
    gateway.upstream.body = (
        b'{"choices" : [ {"index":0,"message":{"role":"assistant","content":"\\u0041 b"}} ],\n"n":1.0}'
    )
    answer = gateway.post(ODD_REQUEST)
    assert answer.status == 200
    assert answer.body == gateway.upstream.body
    assert gateway.upstream.requests[0].body == ODD_REQUEST
    assert answer.headers["x-sisf-decision"] == "allow"
    assert answer.headers["x-sisf-revision"] == "7"
    assert float(answer.headers["x-sisf-elapsed-ms"]) >= 0
    assert "x-sisf-policy" not in answer.headers


@pytest.mark.smoke
def test_streamed_bytes_pass_unchanged(gateway: Rig) -> None:
    gateway.upstream.events = [
        b": a comment\n\n",
        *chat_events(["Hello", " wörld, ", "this is ", "long enough " * 20]),
    ]
    answer = gateway.post(chat("hi", stream=True))
    assert answer.status == 200
    assert answer.body == b"".join(gateway.upstream.events)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert gateway.loop.records[0].exchange.response == "Hello wörld, this is " + "long enough " * 20


@pytest.mark.smoke
def test_a_blocked_prompt_never_reaches_the_model(gateway: Rig) -> None:
    answer = gateway.post(chat("this is FORBIDDEN"))
    assert answer.status == 400
    error = answer.json()["error"]
    assert error["code"] == "content_filter"
    assert error["innererror"]["code"] == "ResponsibleAIPolicyViolation"
    assert "FORBIDDEN" not in answer.body.decode()
    assert "x-sisf-policy" not in answer.headers
    assert answer.headers["x-sisf-decision"] == "block"
    assert gateway.upstream.requests == []
    assert gateway.loop.records[0].fate == "intercepted_prompt"


@pytest.mark.parametrize("stream", [False, True])
def test_a_blocked_prompt_in_the_shape_of_a_completion(stream: bool) -> None:
    with rig(blocked_prompt="completion") as gateway:
        answer = gateway.post(chat("FORBIDDEN", stream=stream))
        assert answer.status == 200
        assert gateway.upstream.requests == []
        if stream:
            assert answer.body.endswith(b"data: [DONE]\n\n")
            assert stream_text(answer.body) == REFUSAL
        else:
            assert answer.json()["choices"][0]["finish_reason"] == "content_filter"


def test_only_the_forbidden_choices_are_withheld(gateway: Rig) -> None:
    choices = [
        {"index": i, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        for i, text in enumerate(["fine", "so FORBIDDEN"])
    ]
    gateway.upstream.body = chat_completion("", choices=choices)
    answer = gateway.post(chat("hi", n=2))
    assert answer.status == 200
    got = answer.json()["choices"]
    assert got[0] == choices[0]
    assert (got[1]["message"]["content"], got[1]["finish_reason"]) == (REFUSAL, "content_filter")
    assert gateway.loop.records[0].fate == "intercepted_response"
    assert "FORBIDDEN" in (gateway.loop.records[0].exchange.response or "")


@pytest.mark.parametrize("split", [1, 3, 50])
def test_a_forbidden_stream_is_stopped_and_never_shows_the_text(gateway: Rig, split: int) -> None:
    text = "harmless words " * 12 + "then FORBIDDEN secrets" + " and more" * 10
    gateway.upstream.events = chat_events([text[i : i + split] for i in range(0, len(text), split)])
    answer = gateway.post(chat("hi", stream=True))
    shown = stream_text(answer.body)
    assert "FORBIDDEN" not in shown
    assert "secrets" not in shown
    assert REFUSAL in shown
    assert b'"finish_reason":"content_filter"' in answer.body
    assert answer.body.endswith(b"data: [DONE]\n\n")
    assert gateway.loop.records[0].fate == "intercepted_response"


def everywhere() -> list[dict[str, Any]]:
    """Requests that carry the forbidden word in each place that a model or a template may read."""
    word = "FORBIDDEN"
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}

    def messages(*more: dict[str, Any]) -> dict[str, Any]:
        return {"model": "m", "messages": [{"role": "user", "content": "hi"}, *more]}

    function = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}
    escaped = '{"a": "\\u0046ORBIDDEN"}'
    return [
        messages({"role": "system", "content": word}),
        messages({"role": "developer", "content": word}),
        messages({"role": "assistant", "content": word}),
        messages({"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": word}]}),
        messages({"role": "user", "content": "a", "name": word}),
        messages({"role": word, "content": "a"}),
        messages({"role": "tool", "tool_call_id": "call_1", "content": word}),
        messages({"role": "tool", "tool_call_id": word, "content": "a"}),
        messages({"role": "tool", "tool_call_id": "call_1", "content": escaped}),
        messages({"role": "assistant", "tool_calls": [{**call, "function": {"name": word, "arguments": "{}"}}]}),
        messages({"role": "assistant", "tool_calls": [{**call, "function": {"name": "f", "arguments": word}}]}),
        messages({"role": "assistant", "tool_calls": [{**call, "function": {"name": "f", "arguments": escaped}}]}),
        messages({"role": "assistant", "function_call": {"name": "f", "arguments": escaped}}),
        messages({"role": "assistant", "refusal": word}),
        messages({"role": "user", "content": {"text": word}}),
        messages({"role": "user", "content": "a", "unheard_of": {"deep": [word]}}),
        {**messages(), "tools": [{"type": "function", "function": {**function, "description": word}}]},
        {**messages(), "tools": [{"type": "function", "function": {**function, "parameters": {word: {}}}}]},
        {**messages(), "functions": [{**function, "name": word}]},
        {**messages(), "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"t": word}}}},
        {**messages(), "user": word},
        {**messages(), "metadata": {word: "1"}},
        {**messages(), "stop": [word]},
        {**messages(), "prediction": {"type": "content", "content": word}},
        {**messages(), "chat_template": word},
        {**messages(), "Messages": [{"role": "user", "content": word}]},
        {**messages(), word: 1},
        {**messages(), "model": f"a model {word}"},
    ]


@pytest.mark.parametrize("request_body", everywhere())
def test_text_is_found_wherever_it_stands(gateway: Rig, request_body: dict[str, Any]) -> None:
    assert gateway.post(request_body).status == 400
    assert gateway.upstream.requests == []


def test_messages_say_where_they_stood_and_keep_the_users_turn_last(gateway: Rig) -> None:
    body = chat("question", user="someone", tools=[{"type": "function", "function": {"name": "look_up"}}])
    gateway.post(body)
    direction, messages = gateway.warden.seen[0]
    assert direction is Direction.PROMPT
    assert {m.origin: m.content for m in messages} == {
        "request": "someone",
        "tools[0]": "look_up",
        "messages[0].content": "question",
    }
    assert gateway.loop.records[0].exchange.prompt == "question"


def test_tool_calls_of_the_model_are_inspected_decoded(gateway: Rig) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":"\\u0046ORBIDDEN"}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    gateway.upstream.body = chat_completion("", choices=[choice])
    assert gateway.post(chat("hi")).json()["choices"][0]["finish_reason"] == "content_filter"
    head = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    pieces: list[Any] = [{"index": 0, "id": "call_1", "function": {"name": "f", "arguments": ""}}]
    pieces += [{"index": 0, "function": {"arguments": part}} for part in ('{"a":"\\u00', "46ORBIDDEN", '"}')]
    events = [{**head, "choices": [{"index": 0, "delta": {"tool_calls": [p]}}]} for p in pieces]
    events.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    gateway.upstream.events = [b"data: " + json.dumps(e).encode() + b"\n\n" for e in events] + [b"data: [DONE]\n\n"]
    answer = gateway.post(chat("hi", stream=True))
    assert b"46ORBIDDEN" not in answer.body
    assert REFUSAL in stream_text(answer.body)


def test_images_are_refused_unless_the_setting_says_otherwise() -> None:
    picture = {"type": "image_url", "image_url": {"url": "http://example.test/a.png"}}
    body = {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "see"}, picture]}]}
    with rig() as gateway:
        answer = gateway.post(body)
        assert (answer.status, answer.json()["error"]["code"]) == (400, "uninspectable_content")
        assert gateway.upstream.requests == []
    with rig(on_failure__uninspectable="open") as gateway:
        assert gateway.post(body).status == 200
        assert gateway.metric("sisf_fail_opens_total", part="uninspectable") == 1


def test_observe_mode_only_tells() -> None:
    with rig(mode="observe") as gateway:
        answer = gateway.post(chat("FORBIDDEN"))
        assert answer.status == 200
        assert answer.headers["x-sisf-decision"] == "would_block"
        gateway.upstream.events = chat_events(["so ", "FORBIDDEN ", "words ", "flow"])
        streamed = gateway.post(chat("hi", stream=True))
        assert streamed.body == b"".join(gateway.upstream.events)
        assert gateway.metric("sisf_would_block_total", direction="prompt") == 1
        assert gateway.metric("sisf_would_block_total", direction="response") == 1


def test_a_rewritten_answer_has_no_tokens_of_what_it_said(gateway: Rig) -> None:
    gateway.warden.rewrite = ("secret", "[removed]")
    tokens = [1037, 40115, 3595]
    choice = {"index": 0, "message": {"role": "assistant", "content": "a secret", "token_ids": tokens}, "a": [tokens]}
    told = {"choices": [{**choice, "token_ids": tokens}], "tokens": tokens, "__verbose": {"tokens": tokens, "n": 6}}
    gateway.upstream.body = json.dumps(told).encode()
    answer = gateway.post(chat("hi"))
    assert answer.json()["choices"][0]["message"] == {"role": "assistant", "content": "a [removed]"}
    assert (answer.json()["__verbose"], b"40115" in answer.body) == ({"n": 6}, False)


def test_rewritten_texts_are_what_is_forwarded_and_answered(gateway: Rig) -> None:
    gateway.warden.rewrite = ("secret", "[removed]")
    gateway.upstream.answer = "your secret is safe"
    answer = gateway.post(chat("my secret", temperature=0.5))
    assert gateway.upstream.requests[0].json() == chat("my [removed]", temperature=0.5)
    assert answer.json()["choices"][0]["message"]["content"] == "your [removed] is safe"
    assert gateway.post(chat("hi", user="secret")).status == 400  # no single place to rewrite: blocked


def test_keys_stay_where_they_belong() -> None:
    upstream = ScriptedServer(headers={"set-cookie": "a=b", "x-ratelimit-remaining": "3", "authorization": "x"})
    with rig(upstream, upstream__api_key="sk-ours") as gateway:
        answer = gateway.post(chat("hi"), headers={"authorization": "Bearer sk-client", "cookie": "c", "x-a": "b"})
        sent = gateway.upstream.requests[0].headers
        assert sent["authorization"] == "Bearer sk-ours"
        assert not {"cookie", "x-a"} & sent.keys()
        assert "sk-client" not in str(sent)
        assert "sk-ours" not in str(answer)
        assert answer.headers["x-ratelimit-remaining"] == "3"
        assert not {"set-cookie", "authorization"} & answer.headers.keys()
        gateway.upstream.status = 401
        gateway.upstream.body = b'{"error": {"message": "Incorrect API key provided: sk-ours"}}'
        refused = gateway.post(chat("hi"))
        assert refused.status == 502
        assert b"sk-ours" not in refused.body


def test_models_health_and_metrics(gateway: Rig) -> None:
    assert gateway.get("/v1/models").json()["data"][0]["id"] == "scripted"
    assert gateway.get("/healthz").json()["status"] == "ok"
    ready = gateway.get("/readyz")
    assert (ready.status, ready.json()["status"]) == (200, "ok")
    gateway.post(chat("hi"))
    metrics = gateway.get("/metrics").body.decode()
    assert 'sisf_requests_total{endpoint="chat",status="200"} 1.0' in metrics
    assert "sisf_policy_revision 7.0" in metrics
    assert "# TYPE sisf_judge_brier gauge" in metrics
    gateway.store.jobs.error = OSError("gone")
    dead = gateway.get("/readyz")
    assert (dead.status, dead.json()["status"]) == (503, "dead")


def test_what_is_not_inspected_is_refused(gateway: Rig) -> None:
    unknown = gateway.post({"file": "x"}, path="/v1/files")
    assert (unknown.status, unknown.json()["error"]["code"]) == (404, "unknown_endpoint")
    wrong = gateway.get("/v1/chat/completions")
    assert wrong.status in (404, 405)
    assert gateway.upstream.requests == []
