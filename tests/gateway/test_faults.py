"""Every dependency, failed in every way: the outcome is the configured one, and it is counted."""

import asyncio
import contextlib
import http.client
import json
import socket
import threading
from typing import Any, cast

import pytest

from sisf.breaker import Breaker
from sisf.gateway.health import Health
from sisf.serving import Background
from sisf.testing import Failure, ScriptedServer, chat_events, wait_until
from sisf.verdict import Outcome
from tests.gateway.conftest import Rig, chat, rig
from tests.gateway.test_chat import stream_text

FAST = {"upstream__first_byte_timeout": 0.4, "upstream__idle_timeout": 0.4, "upstream__connect_timeout": 0.4}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (Failure.REFUSE, 502, "upstream_unreachable"),
        (Failure.HANG, 504, "upstream_timeout"),
        (Failure.RESET, 502, "upstream_disconnected"),
        (Failure.GARBAGE, 502, "upstream_invalid"),
    ],
)
def test_an_upstream_that_never_answers(failure: Failure, status: int, code: str, stream: bool) -> None:
    with rig(ScriptedServer(failure=failure), **FAST) as gateway:
        answer = gateway.post(chat("hi", stream=stream))
        assert (answer.status, answer.json()["error"]["code"]) == (status, code)
        assert gateway.metric("sisf_failures_total", part="upstream", kind=code) == 1


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (Failure.MALFORMED, 502, "upstream_malformed"),
        (Failure.TRUNCATED, 502, "upstream_disconnected"),
        (Failure.STALL, 504, "upstream_timeout"),
    ],
)
def test_an_upstream_that_breaks_in_the_middle(failure: Failure, status: int, code: str) -> None:
    with rig(ScriptedServer(failure=failure), **FAST) as gateway:
        answer = gateway.post(chat("hi"))
        assert (answer.status, answer.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (Failure.MALFORMED, "upstream_malformed"),
        (Failure.TRUNCATED, "upstream_disconnected"),
        (Failure.STALL, "upstream_timeout"),
    ],
)
def test_a_stream_that_breaks_tells_so_after_what_was_inspected(failure: Failure, code: str) -> None:
    events = chat_events(["word "] * 60)
    with rig(ScriptedServer(failure=failure, events=events), **FAST) as gateway:
        answer = gateway.post(chat("hi", stream=True))
        sent = b"".join(events[: len(events) // 2])
        assert answer.body.startswith(sent)
        last = json.loads(answer.body[len(sent) :].decode().strip().removeprefix("data: "))
        assert last["error"]["code"] == code
        assert gateway.loop.records[0].exchange.response


def test_an_answer_that_trickles_has_an_end() -> None:
    upstream = ScriptedServer(failure=Failure.TRICKLE, delay=0.05)
    with rig(upstream, upstream__answer_timeout=0.4) as gateway:
        for body, path in ((chat("hi"), "/v1/chat/completions"), ({"model": "m", "input": "hi"}, "/v1/embeddings")):
            answer = gateway.post(body, path=path)
            assert (answer.status, answer.json()["error"]["code"]) == (504, "upstream_timeout")
            assert "0.4 s" in answer.json()["error"]["message"]
        upstream.delay = 0.0
        assert gateway.post(chat("hi")).status == 200


@pytest.mark.parametrize("stream", [False, True])
def test_a_gateway_that_stops_says_so_to_whom_it_cuts_off(stream: bool) -> None:
    events = chat_events(["word "] * 400)
    upstream = ScriptedServer(failure=Failure.STALL if stream else Failure.HANG, events=events)
    with rig(upstream) as gateway, Background(gateway.app, drain_seconds=0) as server:
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
        with contextlib.closing(connection):
            headers = {"content-type": "application/json"}
            connection.request("POST", "/v1/chat/completions", json.dumps(chat("hi", stream=stream)), headers)
            if stream:
                response = connection.getresponse()
                assert response.read(5) == b"data:"
                server.stop()
                last = response.read().strip().rpartition(b"\n\n")[2].removeprefix(b"data: ")
                assert gateway.loop.records[0].exchange.response
            else:
                assert wait_until(lambda: upstream.requests)
                server.stop()
                response = connection.getresponse()
                assert (response.status, response.getheader("retry-after")) == (503, "5")
                last = response.read()
            assert json.loads(last)["error"]["code"] == "gateway_stopping"


@pytest.mark.parametrize("path", ["/v1/adjudicate", "/v1/files"])
def test_what_else_waits_is_told_of_the_stop_too(path: str) -> None:
    asked, hold = threading.Event(), threading.Event()

    def judged(_: Any) -> Any:
        asked.set()
        hold.wait(60)

    with rig(ScriptedServer(failure=Failure.HANG), pass_through=["POST /v1/files"]) as gateway:
        gateway.judge.adjudicate = judged  # type: ignore[method-assign,assignment]
        with Background(gateway.app, drain_seconds=0) as server:
            connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
            with contextlib.closing(connection):
                body = json.dumps({"text": "hi", "response": "ho"})
                connection.request("POST", path, body, {"content-type": "application/json"})
                assert wait_until(lambda: gateway.upstream.requests or asked.is_set())
                server.stop()
                response = connection.getresponse()
                assert response.status == 503
                assert json.loads(response.read())["error"]["code"] == "gateway_stopping"
        hold.set()


def test_readiness_tells_of_judges_that_keep_failing() -> None:
    with rig() as gateway:
        judges = {"steady": Breaker(1, 60), "gone": Breaker(1, 60, failures=1)}
        health = Health(gateway.app.core, cast(Any, gateway.store), gateway.app._store_metrics, judges)
        report = asyncio.run(health.report())
        assert (report["checks"]["judge steady"], report["checks"]["judge gone"]) == ("ok", "left alone")
        assert report["status"] == "degraded"


def test_errors_of_the_upstream_pass_through() -> None:
    with rig(ScriptedServer(failure=Failure.RATE_LIMIT)) as gateway:
        answer = gateway.post(chat("hi"))
        assert (answer.status, answer.headers["retry-after"]) == (429, "7")
        assert answer.json()["error"]["message"] == "scripted 429"
        gateway.upstream.failure = Failure.SERVER_ERROR
        assert gateway.post(chat("hi", stream=True)).status == 500


def test_an_upstream_that_compresses_or_streams_unasked_is_refused() -> None:
    with rig(ScriptedServer(headers={"content-encoding": "gzip"})) as gateway:
        assert gateway.post(chat("hi")).json()["error"]["code"] == "upstream_encoded"
        gateway.upstream.headers = {"content-type": "text/event-stream"}
        assert gateway.post(chat("hi")).json()["error"]["code"] == "upstream_malformed"
        gateway.upstream.headers, gateway.upstream.status = {"location": "http://example.test"}, 302
        assert gateway.post(chat("hi")).json()["error"]["code"] == "upstream_invalid"


def test_a_slow_upstream_is_waited_for() -> None:
    with rig(ScriptedServer(failure=Failure.SLOW, delay=0.2, events=chat_events(["a", "b"])), **FAST) as gateway:
        assert gateway.post(chat("hi")).status == 200
        assert stream_text(gateway.post(chat("hi", stream=True)).body) == "ab"


def test_an_idle_connection_closed_by_the_upstream_is_replaced() -> None:
    with rig() as gateway:
        for _ in range(5):
            assert gateway.post(chat("hi")).status == 200
            for connection in list(gateway.upstream._open):
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", ["error", "slow"])
def test_a_failing_warden_is_closed_or_open_as_configured(fault: str, stream: bool) -> None:
    def broken(gateway: Rig) -> None:
        gateway.warden.error = OSError("no embedder") if fault == "error" else None
        gateway.warden.delay = 1.0 if fault == "slow" else 0.0

    with rig(on_failure__warden_timeout=0.2) as gateway:
        broken(gateway)
        answer = gateway.post(chat("hi", stream=stream))
        assert (answer.status, answer.json()["error"]["code"]) == (503, "inspection_unavailable")
        assert gateway.upstream.requests == []
    with rig(on_failure__warden_timeout=0.2, on_failure__warden="open") as gateway:
        broken(gateway)
        gateway.upstream.events = chat_events(["FORBIDDEN"])
        answer = gateway.post(chat("FORBIDDEN", stream=stream))
        assert answer.status == 200
        assert gateway.metric("sisf_fail_opens_total", part="warden") >= 2


@pytest.mark.parametrize("stream", [False, True])
def test_inline_a_breach_is_never_released(stream: bool) -> None:
    upstream = ScriptedServer(answer="this is a BREACH indeed", events=chat_events(["this is a ", "BREACH ", "indeed"]))
    with rig(upstream, adjudication__mode="inline") as gateway:
        answer = gateway.post(chat("hi", stream=stream))
        assert answer.status == 200
        assert b"BREACH" not in answer.body
        assert b"content_filter" in answer.body
        assert answer.headers["x-sisf-decision"] == "withhold"
        record = gateway.loop.records[0]
        assert record.fate == "withheld"
        assert record.verdict is not None
        assert record.verdict.is_breach
        gateway.upstream.answer, gateway.upstream.events = "good", chat_events(["good"])
        good = gateway.post(chat("hi", stream=stream))
        assert b"good" in good.body
        if stream:
            assert good.body == b"".join(gateway.upstream.events)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", ["undecided", "error", "hang"])
def test_an_undecided_judge_withholds_or_releases_as_configured(fault: str, stream: bool) -> None:
    for policy, passes in (("withhold", False), ("release", True)):
        keys = {"adjudication__mode": "inline", "adjudication__on_undecided": policy, "adjudication__timeout": 0.3}
        with rig(ScriptedServer(answer="An answer."), **keys) as gateway:
            gateway.judge.outcome = Outcome.UNDECIDED
            gateway.judge.error = RuntimeError("boom") if fault == "error" else None
            gateway.judge.delay = 1.0 if fault == "hang" else 0.0
            answer = gateway.post(chat("hi", stream=stream))
            assert answer.status == 200
            assert (b"answer." in answer.body) is passes
            assert gateway.metric("sisf_fail_opens_total", part="judge") == passes
            verdict = gateway.loop.records[0].verdict
            assert verdict is not None
            assert verdict.outcome is Outcome.UNDECIDED


def test_a_held_stream_is_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sisf.gateway.relay._KEEP_ALIVE_SECONDS", 0.1)
    with rig(adjudication__mode="inline") as gateway:
        gateway.judge.delay = 0.5
        body = gateway.post(chat("hi", stream=True)).body
        assert body.count(b": keep-alive\n\n") >= 2
        assert body.endswith(b"data: [DONE]\n\n")


def test_comments_alone_are_no_release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sisf.gateway.relay._KEEP_ALIVE_SECONDS", 0.1)
    with rig(adjudication__mode="inline") as gateway:
        gateway.judge.delay = 0.5
        gateway.loop.raises = True
        body = gateway.post(chat("hi", stream=True)).body
        assert b": keep-alive\n\n" in body
        assert b"scripted" not in body
        assert b"store_unavailable" in body
        assert gateway.metric("sisf_fail_opens_total", part="store") == 0


@pytest.mark.parametrize("fault", ["raises", "error", "hang"])
def test_a_failing_store_in_strict_mode_stops_answers(fault: str) -> None:
    keys: dict[str, Any] = {"store__durability": "strict", "on_failure__store_timeout": 0.2}
    for policy in ("closed", "open"):
        with rig(**keys, on_failure__store=policy) as gateway:
            gateway.loop.raises, gateway.loop.hang = fault == "raises", fault == "hang"
            gateway.loop.error = OSError("disk full") if fault == "error" else None
            plain = gateway.post(chat("hi"))
            streamed = gateway.post(chat("hi", stream=True))
            stopped = [gateway.post(chat("FORBIDDEN")), gateway.post(chat("FORBIDDEN", stream=True))]
            gateway.upstream.answer = "so FORBIDDEN"
            stopped += [gateway.post(chat("hi")), gateway.post(chat("hi", stream=True))]
            said = [json.loads(a.body.removeprefix(b"data: ").split(b"\n\n")[0]) for a in stopped]
            refused = ["error" in body and body["error"]["code"] == "store_unavailable" for body in said]
            assert refused == [policy == "closed"] * 4
            if policy == "open":
                assert (plain.status, streamed.status) == (200, 200)
                assert streamed.body.endswith(b"data: [DONE]\n\n")
                assert gateway.metric("sisf_fail_opens_total", part="store") == 6
            else:
                assert (plain.status, plain.json()["error"]["code"]) == (503, "store_unavailable")
                assert b"scripted" not in streamed.body
                assert gateway.metric("sisf_fail_opens_total", part="store") == 0


@pytest.mark.parametrize("fault", ["error", "hang"])
def test_grouped_mode_stops_after_the_first_lost_write_and_recovers(fault: str) -> None:
    with rig(on_failure__store_timeout=0.2) as gateway:
        gateway.loop.hang, gateway.loop.error = fault == "hang", OSError("full") if fault == "error" else None
        assert gateway.post(chat("hi")).status == 200  # released before the write could fail
        assert wait_until(lambda: gateway.get("/readyz").status == 503)
        assert gateway.post(chat("hi")).status == 503
        gateway.loop.hang, gateway.loop.error = False, None
        if fault == "error":
            assert gateway.post(chat("hi")).status == 200
            assert gateway.get("/readyz").status == 200


def test_a_client_that_leaves_cancels_the_upstream() -> None:
    with rig(ScriptedServer(failure=Failure.HANG)) as gateway:
        client = http.client.HTTPConnection(gateway.url.removeprefix("http://"), timeout=60)
        client.request("POST", "/v1/chat/completions", json.dumps(chat("hi")), {"content-type": "application/json"})
        assert wait_until(lambda: gateway.upstream.requests)
        client.close()
        assert wait_until(gateway.upstream.aborted.is_set)
        assert wait_until(lambda: gateway.metric("sisf_requests_in_flight") == 0)
        gateway.upstream.failure = Failure.NONE
        assert gateway.post(chat("hi")).status == 200


def test_a_client_that_leaves_a_stream_cancels_the_upstream_and_is_recorded() -> None:
    upstream = ScriptedServer(failure=Failure.SLOW, delay=0.05, events=chat_events(["word " * 40] * 200))
    with rig(upstream) as gateway:
        client = http.client.HTTPConnection(gateway.url.removeprefix("http://"), timeout=60)
        body = json.dumps(chat("hi", stream=True))
        client.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
        response = client.getresponse()
        assert response.read(400)
        response.close()
        client.close()
        assert wait_until(gateway.upstream.aborted.is_set)
        assert wait_until(lambda: gateway.loop.records)
        assert "word" in (gateway.loop.records[0].exchange.response or "")


def test_an_internal_error_is_one_clear_answer(gateway: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_: object) -> None:
        raise KeyError("bug")

    monkeypatch.setattr("sisf.gateway.exchange_handler.parse_request", explode)
    answer = gateway.post(chat("hi"))
    assert (answer.status, answer.json()["error"]["code"]) == (500, "internal_error")
    assert b"bug" not in answer.body


def test_a_stream_that_holds_back_without_end_is_ended() -> None:
    """Events that bring nothing wait behind a text that is held; they must not wait without end."""
    first, *_ = chat_events(["hello"])[1:2]
    empty = b'data: {"choices": [{"index": 0, "delta": {"content": ""}}]}\n\n'
    for quiet in (empty, b": keep-alive\n\n"):
        with rig(limits__body_bytes=100_000, adjudication__mode="inline") as gateway:
            gateway.upstream.events = [first, quiet * (400_000 // len(quiet))]
            answer = gateway.post(chat("hi", stream=True))
            assert b"upstream_too_large" in answer.body
