"""OpenTelemetry traces, where they are configured: numbers, names and ids; never what was said, never a key.

A request is a server span; the call of the model is a client span below it, by the conventions for generative AI
(`gen_ai.…`); inspections and verdicts are internal spans. Needs the extra `otel`.
"""

import json
import time
from collections.abc import AsyncIterator, Mapping, MutableMapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sisf import __version__
from sisf.errors import ConfigurationError, HttpFailure
from sisf.gateway.asgi import Receive, Scope, Send
from sisf.gateway.upstream import Reply
from sisf.pipeline import Turn
from sisf.serving import AsgiApp
from sisf.settings import Tracing as TracingSettings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

_OPERATIONS = {
    "/chat/completions": "chat",
    "/responses": "chat",
    "/messages": "chat",
    "/completions": "text_completion",
    "/embeddings": "embeddings",
}
_ASKED = {
    "max_tokens": "gen_ai.request.max_tokens",
    "max_completion_tokens": "gen_ai.request.max_tokens",
    "max_output_tokens": "gen_ai.request.max_tokens",
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "n": "gen_ai.request.choice.count",
    "seed": "gen_ai.request.seed",
}
_TAIL = 16_384
_NAME = 100


class Tracing:
    """Makes spans with whatever the provider does to them."""

    def __init__(self, provider: "TracerProvider") -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer("sisf", __version__)
        self._propagator = TraceContextTextMapPropagator()

    @classmethod
    def configured(cls, settings: TracingSettings) -> "Tracing | None":
        """As the settings say; None without an endpoint. Raises `ConfigurationError` when the extra is missing."""
        if not settings.endpoint:
            return None
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
        except ImportError as error:
            raise ConfigurationError(
                f"tracing.endpoint: needs the extra `otel` (pip install 'sisf[otel]'): {error}"
            ) from None
        resource = Resource.create({"service.name": settings.service_name, "service.version": __version__})
        provider = TracerProvider(resource=resource, sampler=ParentBasedTraceIdRatio(settings.sample_ratio))
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.endpoint)))
        return cls(provider)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()

    def request(self, scope: Scope) -> "AbstractContextManager[Span]":
        """The server span of a request, current while the block runs; it continues the caller's trace."""
        from opentelemetry.trace import SpanKind

        told = {
            k.decode("latin-1"): v.decode("latin-1")
            for k, v in scope["headers"]
            if k in (b"traceparent", b"tracestate")
        }
        attributes = {"http.request.method": scope["method"], "url.path": scope["path"][:_NAME]}
        return self._tracer.start_as_current_span(
            f"{scope['method']} {scope['path'][:_NAME]}",
            context=self._propagator.extract(told),
            kind=SpanKind.SERVER,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        )

    def stage(self, name: str, seconds: float) -> None:
        """A stage of the request at hand that has just ended, after `seconds`."""
        from opentelemetry.trace import get_current_span

        if get_current_span().is_recording():
            now = time.time_ns()
            self._tracer.start_span(f"sisf.{name}", start_time=now - int(seconds * 1e9)).end(now)

    def exchange(self, turn: Turn) -> None:
        """What became of the exchange that the request at hand is. Traces are for operators: they name the policy,
        whatever the client may be told."""
        from opentelemetry.trace import get_current_span

        span = get_current_span()
        span.set_attribute("sisf.exchange.id", turn.id)
        span.set_attribute("sisf.decision", turn.label)
        if turn.strongest is not None:
            span.set_attribute("sisf.revision", str(turn.strongest.revision))
        if turn.policy_id:
            span.set_attribute("sisf.policy.id", turn.policy_id)

    def call(self, path: str, model: str, url: str, body: bytes | None) -> "Call":
        """The call of a model, from now on."""
        from opentelemetry.trace import SpanKind

        operation = _OPERATIONS.get(path, path.strip("/").partition("/")[0] or "models")
        where = urlsplit(url)
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": "anthropic" if path == "/messages" else "openai",
            "server.address": where.hostname or "",
            "server.port": where.port or (443 if where.scheme == "https" else 80),
            **_asked(body),
        }
        if model:
            attributes["gen_ai.request.model"] = model[:_NAME]
        name = f"{operation} {model[:_NAME]}".strip()
        return Call(self._tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes), self._propagator)


class Call:
    """One call of a model under way."""

    def __init__(self, span: "Span", propagator: Any) -> None:
        self._span = span
        self._propagator = propagator

    def headers(self, given: Mapping[bytes, bytes] | None) -> Mapping[bytes, bytes]:
        """The client's headers, with this call as what the upstream's own spans belong to."""
        from opentelemetry.trace import set_span_in_context

        carrier: MutableMapping[str, str] = {}
        self._propagator.inject(carrier, set_span_in_context(self._span))
        return {**(given or {}), **{name.encode(): value.encode("latin-1") for name, value in carrier.items()}}

    def failed(self, kind: str) -> None:
        """There is no answer."""
        from opentelemetry.trace import StatusCode

        self._span.set_attribute("error.type", kind)
        self._span.set_status(StatusCode.ERROR)
        self._span.end()

    def answered(self, reply: Reply) -> Reply:
        """The reply, which ends the span when it is closed."""
        return _TracedReply(reply, self._span)


class _TracedReply(Reply):
    """A reply that tells its span what it used."""

    def __init__(self, reply: Reply, span: "Span") -> None:
        self._reply = reply
        self._span = span
        self.has_key, self.status, self.about_the_key = reply.has_key, reply.status, reply.about_the_key
        self.media_type, self.encoding, self.unreadable = reply.media_type, reply.encoding, reply.unreadable
        self.answer_timeout, self.headers = reply.answer_timeout, reply.headers
        span.set_attribute("http.response.status_code", reply.status)

    async def read(self, limit: int) -> bytes:
        """The whole body."""
        body = await self._told(self._reply.read(limit))
        self._used(body)
        return body

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes."""
        tail = b""
        chunks = self._reply.chunks()
        while piece := await self._told(anext(chunks, b"")):
            tail = (tail + piece)[-_TAIL:]
            yield piece
        for event in tail.split(b"\n\n"):
            _, found, data = event.partition(b"data: ")
            if found:
                self._used(data)

    async def _told(self, waiting: Any) -> bytes:
        try:
            return await waiting  # type: ignore[no-any-return]
        except HttpFailure as error:
            self._span.set_attribute("error.type", error.code)
            raise

    def _used(self, data: bytes) -> None:
        try:
            tree = json.loads(data)
        except (ValueError, RecursionError):
            return
        if isinstance(tree, dict):
            self._span.set_attributes(_answer(tree.get("response") if isinstance(tree.get("response"), dict) else tree))

    async def __aexit__(self, *exception: Any) -> None:
        from opentelemetry.trace import StatusCode

        try:
            await self._reply.__aexit__(*exception)
        finally:
            if self.status >= 400:
                self._span.set_attribute("error.type", str(self.status))
            if self.status >= 400 or exception[0] is not None:
                self._span.set_status(StatusCode.ERROR)
            self._span.end()


class Traced:
    """An application whose inspected requests are spans."""

    def __init__(self, app: AsgiApp, tracing: Tracing) -> None:
        self._app = app
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve; probes and scrapes are no spans."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        from opentelemetry.trace import StatusCode

        with self._tracing.request(scope) as span:

            async def told(message: Any) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= 500:
                        span.set_attribute("error.type", str(message["status"]))
                        span.set_status(StatusCode.ERROR)
                await send(message)

            await self._app(scope, receive, told)


def _asked(body: bytes | None) -> dict[str, Any]:
    """The numbers of a request."""
    try:
        tree = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return {}
    if not isinstance(tree, dict):
        return {}
    return {name: tree[key] for key, name in _ASKED.items() if type(tree.get(key)) in (int, float)}


def _answer(tree: Any) -> dict[str, Any]:
    """Numbers, names and ids of an answer, or of one of its events."""
    told: dict[str, Any] = {}
    for key, name in (("id", "gen_ai.response.id"), ("model", "gen_ai.response.model")):
        if isinstance(tree.get(key), str) and tree[key]:
            told[name] = tree[key][:_NAME]
    choices = tree.get("choices")
    reasons = [c.get("finish_reason") for c in choices if isinstance(c, dict)] if isinstance(choices, list) else []
    reasons = [reason[:_NAME] for reason in [*reasons, tree.get("stop_reason")] if isinstance(reason, str)]
    if reasons:
        told["gen_ai.response.finish_reasons"] = reasons
    usage = tree.get("usage")
    if isinstance(usage, dict):
        for keys, name in (
            (("prompt_tokens", "input_tokens"), "gen_ai.usage.input_tokens"),
            (("completion_tokens", "output_tokens"), "gen_ai.usage.output_tokens"),
        ):
            count = next((usage[key] for key in keys if type(usage.get(key)) is int), None)
            if count is not None:
                told[name] = count
    return told
