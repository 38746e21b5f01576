"""Traces with the real SDK: what is in a span, and what never is."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from sisf.gateway.app import create_app
from sisf.gateway.server import running
from sisf.gateway.tracing import Traced, Tracing
from sisf.settings import Tracing as TracingSettings
from sisf.settings import load
from sisf.store import Store
from sisf.testing import Failure, ScriptedServer, chat_completion, chat_events, wait_until
from tests.gateway.conftest import Rig, chat

SAID, ANSWERED, KEY = "WHAT-WAS-SAID", "WHAT-WAS-ANSWERED", "sk-our-upstream-key"
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Traces:
    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracing = Tracing(provider)

    def spans(self, count: int) -> dict[str, ReadableSpan]:
        """All spans by name, once there are `count`."""
        assert wait_until(lambda: len(self.exporter.get_finished_spans()) >= count)
        return {span.name: span for span in self.exporter.get_finished_spans()}


@contextmanager
def traced(upstream: ScriptedServer, **settings: Any) -> Iterator[tuple[Rig, Traces]]:
    traces = Traces()
    with upstream as server:
        keys = {key.replace("__", "."): value for key, value in settings.items()}
        loaded = load(environment={}, overrides={"upstream.url": server.url, "upstream.api_key": KEY, **keys})
        made = Rig(server, loaded)
        made.app = create_app(
            warden=made.warden,
            loop=made.loop,
            adjudicator=made.judge,
            store=cast(Store, made.store),
            settings=loaded,
            tracing=traces.tracing,
        )
        with running(Traced(made.app, traces.tracing)) as background:
            made.url = background.url
            yield made, traces


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def everything(spans: Sequence[ReadableSpan]) -> str:
    return "".join(span.to_json() for span in spans)


def test_a_request_is_a_trace_by_the_conventions() -> None:
    with traced(ScriptedServer(body=chat_completion(ANSWERED, model="m-2026"))) as (gateway, traces):
        answer = gateway.post(
            chat(SAID, temperature=0.5, max_tokens=9, user="bob@example.com"),
            headers={"traceparent": CALLER, "authorization": "Bearer sk-the-clients"},
        )
        assert answer.status == 200
        spans = traces.spans(4)
        server, call = spans["POST /v1/chat/completions"], spans["chat m"]
        assert (server.kind, call.kind) == (SpanKind.SERVER, SpanKind.CLIENT)
        assert server.parent is not None
        assert f"{server.parent.span_id:016x}" == CALLER.split("-")[2]
        assert {f"{span.context.trace_id:032x}" for span in spans.values()} == {CALLER.split("-")[1]}
        for name in ("chat m", "sisf.inspect_prompt", "sisf.inspect_response"):
            parent = spans[name].parent
            assert parent is not None
            assert parent.span_id == server.context.span_id
        told = attributes(call)
        assert told["gen_ai.operation.name"] == "chat"
        assert told["gen_ai.provider.name"] == "openai"
        assert (told["gen_ai.request.model"], told["gen_ai.response.model"]) == ("m", "m-2026")
        assert (told["gen_ai.request.temperature"], told["gen_ai.request.max_tokens"]) == (0.5, 9)
        assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (1, 1)
        assert told["gen_ai.response.finish_reasons"] == ("stop",)
        assert told["server.port"] == gateway.upstream.port
        assert attributes(server)["sisf.decision"] == "allow"
        assert attributes(server)["sisf.exchange.id"] == answer.headers["x-sisf-exchange"]
        sent = gateway.upstream.requests[0].headers["traceparent"].split("-")
        assert sent[1:3] == [CALLER.split("-")[1], f"{call.context.span_id:016x}"]
        text = everything(list(spans.values()))
        for hidden in (SAID, ANSWERED, KEY, "sk-the-clients", "bob@example.com"):
            assert hidden not in text


def test_a_stream_is_one_call_that_ends_with_it() -> None:
    usage = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}}
    *events, done = chat_events([ANSWERED, "more"])
    events += [b"data: " + json.dumps(usage).encode() + b"\n\n", done]
    with traced(ScriptedServer(events=events)) as (gateway, traces):
        body = gateway.post(chat(SAID, stream=True)).body
        assert body == b"".join(events)
        told = attributes(traces.spans(3)["chat m"])
        assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (3, 5)
        assert told["gen_ai.response.finish_reasons"] == ("stop",)
        assert ANSWERED not in everything(traces.exporter.get_finished_spans())


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (Failure.RESET, "upstream_disconnected"),
        (Failure.GARBAGE, "upstream_invalid"),
        (Failure.SERVER_ERROR, "500"),
        (Failure.TRUNCATED, "upstream_disconnected"),
    ],
)
def test_a_failure_is_an_error_of_the_call(failure: Failure, kind: str) -> None:
    with traced(ScriptedServer(failure=failure)) as (gateway, traces):
        assert gateway.post(chat(SAID)).status >= 500
        call = traces.spans(3)["chat m"]
        assert (attributes(call)["error.type"], call.status.status_code) == (kind, StatusCode.ERROR)


def test_a_blocked_prompt_has_no_call_and_names_the_policy() -> None:
    with traced(ScriptedServer()) as (gateway, traces):
        assert gateway.post(chat("FORBIDDEN")).status == 400
        spans = traces.spans(2)
        assert set(spans) == {"POST /v1/chat/completions", "sisf.inspect_prompt"}
        told = attributes(spans["POST /v1/chat/completions"])
        assert (told["sisf.decision"], told["sisf.policy.id"], told["sisf.revision"]) == ("block", "p-FORBIDDEN", "7")


def test_probes_and_scrapes_are_no_spans() -> None:
    with traced(ScriptedServer()) as (gateway, traces):
        for path in ("/healthz", "/readyz", "/metrics"):
            assert gateway.get(path).status == 200
        assert traces.exporter.get_finished_spans() == ()


def test_nothing_is_traced_unless_an_endpoint_is_named() -> None:
    assert Tracing.configured(TracingSettings()) is None


def test_spans_reach_a_collector() -> None:
    with ScriptedServer(body=b"") as collector:
        endpoint = collector.url.replace("/v1", "/v1/traces")
        made = Tracing.configured(TracingSettings(endpoint=endpoint))
        assert made is not None
        asyncio.run(_one_request(made))
        made.close()
        assert wait_until(lambda: bool(collector.requests))
        assert collector.requests[0].path == "/v1/traces"
        assert b"sisf" in collector.requests[0].body


async def _one_request(tracing: Tracing) -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(_message: Any) -> None: ...

    await Traced(app, tracing)(
        {"type": "http", "method": "POST", "path": "/v1/x", "headers": []}, cast(Any, None), send
    )
