"""The gateway as an ASGI application: completions on the raw path, everything else on Starlette."""

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sisf import __version__
from sisf.adjudicator.base import Adjudicator
from sisf.breaker import Breaker
from sisf.errors import HttpFailure
from sisf.gateway.asgi import Receive, Scope, Send, client_of
from sisf.gateway.bodies import Bodies
from sisf.gateway.core import Core, log
from sisf.gateway.cors import Cors, answer_preflight, readable
from sisf.gateway.dialects.base import Dialect
from sisf.gateway.dialects.chat import Chat
from sisf.gateway.dialects.completions import Completions
from sisf.gateway.dialects.embeddings import Embeddings
from sisf.gateway.dialects.messages import CountTokens, Messages
from sisf.gateway.dialects.responses import Responses
from sisf.gateway.endpoint import Endpoint
from sisf.gateway.error_responses import as_response
from sisf.gateway.failures import INTERNAL
from sisf.gateway.feedback import PATH as FEEDBACK
from sisf.gateway.forward import PassThrough, known_paths
from sisf.gateway.headers import fields
from sisf.gateway.health import Health
from sisf.gateway.identity import Doorkeeper
from sisf.gateway.models import PATH as MODELS
from sisf.gateway.models import Models
from sisf.gateway.openapi import document
from sisf.gateway.own_endpoints import OWN_PATHS, OwnEndpoints
from sisf.gateway.paths import canonical
from sisf.gateway.routing import Upstreams
from sisf.gateway.shared_question import SharedQuestion
from sisf.gateway.siblings import Siblings
from sisf.gateway.store_metrics import PROMETHEUS, StoreMetrics
from sisf.gateway.tracing import Tracing
from sisf.loop.lifecycle import Lifecycle
from sisf.pipeline import create_pipeline
from sisf.pipeline.metrics import Metrics
from sisf.pipeline.ports import Monitor, Warden
from sisf.serving.routed import routed
from sisf.settings import Settings
from sisf.store import Store
from sisf.text.once import make_all


class Gateway:
    """The ASGI application. Owns its connections to the upstream, nothing else."""

    def __init__(
        self,
        core: Core,
        health: Health,
        store_metrics: StoreMetrics,
        own_endpoints: OwnEndpoints,
        dialects: Mapping[str, Dialect],
    ) -> None:
        self.core = core
        self.siblings: Siblings | None = None
        """The other processes of this gateway, where there are some."""
        self._health = health
        self._store_metrics = store_metrics
        self._own_endpoints = own_endpoints
        self._figures = SharedQuestion(self._rendered)
        self._raw = {path: Endpoint(core, dialect) for path, dialect in dialects.items()}
        self._pass_through = PassThrough(core, {*dialects, *OWN_PATHS})
        models = Models(core).answer
        self._rest = routed(
            [
                *own_endpoints.routes(),
                *(Route(MODELS + rest, models, methods=["GET"]) for rest in ("", "/{model:path}")),
                *(Route(path, _post_only, methods=["GET"]) for path in dialects),
                Route("/", self._alive, methods=["GET"]),
                Route("/openapi.json", self._openapi, methods=["GET"]),
                Route("/healthz", self._alive, methods=["GET"]),
                Route("/readyz", self._ready, methods=["GET"]),
                Route("/metrics", self._metrics, methods=["GET"]),
            ],
            exception_handlers={404: _not_found, 405: _not_allowed, Exception: _failed},
            lifespan=self._lifespan,
        )
        self._known = frozenset((*self._raw, *OWN_PATHS, FEEDBACK, MODELS))
        listen = core.settings.listen
        self._cors = Cors(listen.cors_origins, listen.hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Dispatch: an exact path and POST goes the short way."""
        if scope["type"] == "http":
            path = canonical(scope["path"], self._known)
            if path != scope["path"]:
                scope = {**scope, "path": path, "raw_path": path.encode()}
            origin = self._cors.origin(scope)
            if origin is not None:
                if scope["method"] == "OPTIONS":
                    await answer_preflight(scope, send, origin, self._answers(path))
                    return
                send = readable(send, origin)
        await self._dispatch(scope, receive, send)

    def _answers(self, path: str) -> bool:
        return path in self._known or any(self._pass_through.takes(method, path) for method in ("GET", "POST"))

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            endpoint = self._raw.get(scope["path"])
            if endpoint is not None:
                await endpoint(scope, receive, send)
                return
        if scope["type"] == "http" and self._pass_through.takes(scope["method"], scope["path"]):
            await self._pass_through(scope, receive, send)
            return
        await self._rest(dict(scope), receive, send)

    async def close(self) -> None:
        """Close connections to upstreams and let go of threads. Idempotent."""
        await self.core.upstream.close()
        self.core.pipeline.close()
        self._own_endpoints.close()
        self._store_metrics.close()

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        threading.Thread(target=make_all, name="readings", daemon=True).start()
        try:
            yield
        finally:
            await self.close()

    async def _alive(self, _: Request) -> Response:
        return JSONResponse({"status": "ok", "version": __version__})

    async def _openapi(self, _: Request) -> Response:
        return JSONResponse(document())

    async def _ready(self, request: Request) -> Response:
        headers = fields(request.scope["headers"])
        if not self.core.settings.keys.file:
            try:
                self.core.door.may_watch(headers, client_of(request.scope))
            except HttpFailure as error:
                return as_response(error)
        report = await self._health.report()
        return JSONResponse(report, 503 if report["status"] == "dead" else 200)

    async def _rendered(self) -> bytes:
        await self._store_metrics.refresh()
        body = await asyncio.to_thread(self.core.metrics.render)
        return body if self.siblings is None else await self.siblings.with_others(body)

    async def _metrics(self, request: Request) -> Response:
        try:
            self.core.door.may_watch(fields(request.scope["headers"]), client_of(request.scope))
        except HttpFailure as error:
            return as_response(error)
        return Response(await self._figures.answer(), media_type=PROMETHEUS)


def create_app(
    *,
    warden: Warden,
    loop: Monitor,
    adjudicator: Adjudicator,
    store: Store,
    settings: Settings,
    metrics: Metrics | None = None,
    tracing: Tracing | None = None,
    lifecycle: Lifecycle | None = None,
    siblings: Siblings | None = None,
    judges: Mapping[str, Breaker] | None = None,
) -> Gateway:
    """Put the gateway together.

    With `metrics`, go on counting there; with `tracing`, calls of models are spans; with `lifecycle`, take words at
    `/v1/feedback`; with `siblings`, metrics are those of all processes of the gateway; with `judges`,
    readiness tells which of their endpoints are left alone.

    Raises `ConfigurationError` when no usable upstream is configured.
    """
    dialects = _dialects()
    known_paths(settings.observe.endpoints, {*dialects, *OWN_PATHS})
    pipeline = create_pipeline(settings, warden, loop, adjudicator, metrics, memory=store.passed)
    if tracing is not None:
        pipeline.metrics.stages.observer = tracing.stage
    core = Core(
        pipeline=pipeline,
        upstream=Upstreams(settings, pipeline.metrics, tracing),
        door=Doorkeeper(settings),
        # Whatever one request may hold, there is room for two.
        bodies=Bodies(max(settings.limits.bodies_bytes, 2 * settings.limits.body_bytes)),
        tracing=tracing,
    )
    store_metrics = StoreMetrics(store, pipeline.metrics)
    own_endpoints = OwnEndpoints(core, adjudicator, store, lifecycle)
    gateway = Gateway(core, Health(core, store, store_metrics, judges), store_metrics, own_endpoints, dialects)
    gateway.siblings = siblings
    return gateway


def _dialects() -> Mapping[str, Dialect]:
    dialects: list[Dialect] = [Chat(), Completions(), Responses(), Messages(), CountTokens(), Embeddings()]
    return {f"/v1{dialect.path}": dialect for dialect in dialects}


async def _not_found(request: Request, _: Exception) -> Response:
    message = (
        f"{request.method} {request.url.path} is not an endpoint of this gateway: what it cannot inspect it refuses."
    )
    return as_response(HttpFailure(404, "unknown_endpoint", message))


async def _post_only(request: Request) -> Response:
    message = f"{request.method} is not a method of {request.url.path}: send POST."
    response = as_response(HttpFailure(405, "method_not_allowed", message))
    response.headers["allow"] = "POST"
    return response


async def _not_allowed(request: Request, error: Any) -> Response:
    message = f"{request.method} is not a method of {request.url.path}."
    response = as_response(HttpFailure(405, "method_not_allowed", message))
    response.headers.update(error.headers or {})
    return response


async def _failed(_: Request, error: Exception) -> Response:
    log.error("internal_error", error=type(error).__name__)
    return as_response(INTERNAL)
