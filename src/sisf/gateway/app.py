"""The gateway as an ASGI application: completions on the raw path, everything else on Starlette."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sisf import __version__
from sisf.adjudicator.base import Adjudicator
from sisf.gateway.asgi import Receive, Scope, Send
from sisf.gateway.core import Core, log
from sisf.gateway.dialects.base import Dialect
from sisf.gateway.dialects.chat import Chat
from sisf.gateway.dialects.completions import Completions
from sisf.gateway.dialects.embeddings import Embeddings
from sisf.gateway.dialects.errors import openai_error
from sisf.gateway.dialects.messages import Messages
from sisf.gateway.dialects.responses import Responses
from sisf.gateway.endpoint import Endpoint
from sisf.gateway.forward import PassThrough, known_paths
from sisf.gateway.health import Health
from sisf.gateway.identity import Doorkeeper, KeyFile
from sisf.gateway.judging import InlineJudge
from sisf.gateway.metrics import Metrics
from sisf.gateway.openapi import document
from sisf.gateway.ports import Monitor, Oversight, Warden
from sisf.gateway.recording import Recorder
from sisf.gateway.routing import Upstreams
from sisf.gateway.services import SERVICES, Services
from sisf.gateway.throttle import Throttle
from sisf.gateway.tracing import Tracing
from sisf.gateway.upstream import UpstreamError
from sisf.gateway.vitals import PROMETHEUS, Vitals
from sisf.gateway.wire import Refused
from sisf.settings import Settings
from sisf.store.base import Store


class Gateway:
    """The ASGI application. Owns its connections to the upstream, nothing else."""

    def __init__(
        self, core: Core, health: Health, vitals: Vitals, services: Services, dialects: Mapping[str, Dialect]
    ) -> None:
        self.core = core
        self._health = health
        self._vitals = vitals
        self._services = services
        self._raw = {path: Endpoint(core, dialect) for path, dialect in dialects.items()}
        self._pass_through = PassThrough(core, {*dialects, *SERVICES})
        self._rest = Starlette(
            routes=[
                *services.routes(),
                Route("/v1/models", self._models, methods=["GET"]),
                Route("/v1/models/{model:path}", self._models, methods=["GET"]),
                Route("/openapi.json", self._openapi, methods=["GET"]),
                Route("/healthz", self._alive, methods=["GET"]),
                Route("/readyz", self._ready, methods=["GET"]),
                Route("/metrics", self._metrics, methods=["GET"]),
            ],
            exception_handlers={404: _not_found, 405: _not_allowed, Exception: _failed},
            lifespan=self._lifespan,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Dispatch: an exact path and POST goes the short way."""
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
        if self.core.judge is not None:
            self.core.judge.close()
        self._services.close()
        self._vitals.close()

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await self.close()

    async def _models(self, request: Request) -> Response:
        path = request.scope["path"].removeprefix("/v1")
        try:
            self.core.door.identify(dict(request.scope["headers"]), "")
            status, headers, body = await self.core.upstream.models(path, self.core.settings.limits.body_bytes)
            return Response(body, status, {k.decode("latin-1"): v.decode("latin-1") for k, v in headers})
        except (Refused, UpstreamError) as error:
            return _json(error.status, openai_error(error.status, error.code, error.message))

    async def _alive(self, _: Request) -> Response:
        return JSONResponse({"status": "ok", "version": __version__})

    async def _openapi(self, _: Request) -> Response:
        return JSONResponse(document())

    async def _ready(self, _: Request) -> Response:
        report = await self._health.report()
        return JSONResponse(report, 503 if report["status"] == "dead" else 200)

    async def _metrics(self, _: Request) -> Response:
        await self._vitals.refresh()
        body = await asyncio.to_thread(self.core.metrics.render)
        return Response(body, media_type=PROMETHEUS)


def create_app(
    *,
    warden: Warden,
    loop: Monitor,
    adjudicator: Adjudicator,
    store: Store,
    settings: Settings,
    metrics: Metrics | None = None,
    tracing: Tracing | None = None,
    oversight: Oversight | None = None,
) -> Gateway:
    """Put the gateway together.

    With `metrics`, go on counting there; with `tracing`, calls of models are spans; with `oversight`, take words at
    `/v1/feedback`.

    Raises `ConfigurationError` when no usable upstream is configured.
    """
    dialects = _dialects()
    known_paths(settings.observe.endpoints, {*dialects, *SERVICES})
    warden.observe(settings.observe.policies)
    metrics = metrics or Metrics()
    metrics.watch_revision(lambda: warden.revision)
    if tracing is not None:
        metrics.stages.observer = tracing.stage
    inline = settings.adjudication.mode == "inline"
    core = Core(
        settings=settings,
        warden=warden,
        upstream=Upstreams(settings, metrics, tracing),
        recorder=Recorder(loop, settings, metrics),
        judge=InlineJudge(adjudicator, settings.adjudication, metrics) if inline else None,
        metrics=metrics,
        door=Doorkeeper(KeyFile(Path(settings.keys.file)) if settings.keys.file else None),
        throttle=Throttle(settings.limits, metrics),
    )
    vitals = Vitals(store, metrics)
    services = Services(core, adjudicator, store, oversight)
    return Gateway(core, Health(core, store, vitals), vitals, services, dialects)


def _dialects() -> Mapping[str, Dialect]:
    dialects: list[Dialect] = [Chat(), Completions(), Responses(), Messages(), Embeddings()]
    return {f"/v1{dialect.path}": dialect for dialect in dialects}


def _json(status: int, body: bytes) -> Response:
    return Response(body, status, media_type="application/json")


async def _not_found(request: Request, _: Exception) -> Response:
    message = (
        f"{request.method} {request.url.path} is not an endpoint of this gateway: what it cannot inspect it refuses."
    )
    return _json(404, openai_error(404, "unknown_endpoint", message))


async def _not_allowed(request: Request, error: Any) -> Response:
    message = f"{request.method} is not a method of {request.url.path}."
    response = _json(405, openai_error(405, "method_not_allowed", message))
    response.headers.update(error.headers or {})
    return response


async def _failed(_: Request, error: Exception) -> Response:
    log.error("internal_error", error=type(error).__name__)
    return _json(500, openai_error(500, "internal_error", "The gateway failed; its log says why."))
