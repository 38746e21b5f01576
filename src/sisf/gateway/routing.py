"""Which upstream answers: by the model's name, by weight, past those that are failing."""

import fnmatch
import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from sisf.breaker import Breaker
from sisf.errors import ConfigurationError, HttpFailure
from sisf.gateway.base_model import ChatReply, renderer, to_completion
from sisf.gateway.failures import upstream_failure
from sisf.gateway.texts import dumps
from sisf.gateway.tracing import Tracing
from sisf.gateway.upstream import Reply, Upstream
from sisf.gateway.wire import Malformed, parse
from sisf.pipeline.metrics import Metrics
from sisf.settings import Settings
from sisf.settings import Upstream as UpstreamSettings

_log = structlog.get_logger("sisf.gateway")
_RETRIED = frozenset(("upstream_unreachable", "upstream_disconnected"))
_RETRIED_STATUS = frozenset((502, 503))


def configured(settings: Settings) -> Mapping[str, UpstreamSettings]:
    """The upstreams of a configuration by name; the one without is `default`."""
    first = {"default": settings.upstream} if settings.upstream.url else {}
    return {**first, **settings.upstreams}


class Upstreams:
    """All upstreams of the configuration. Clients name models, never addresses."""

    def __init__(self, settings: Settings, metrics: Metrics, tracing: Tracing | None = None) -> None:
        named = configured(settings)
        if not named:
            raise ConfigurationError(
                "upstream.url is not set: say which OpenAI-compatible API to protect (--upstream URL)"
            )
        self._metrics = metrics
        self._tracing = tracing
        self._all = [Upstream(s, name) for name, s in named.items()]
        self._renderers = {u.name: renderer(u.settings.template) for u in self._all if u.settings.template}
        self._breakers = {u.name: Breaker(u.settings.breaker_failures, u.settings.breaker_seconds) for u in self._all}

    async def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        model: str = "",
        client_headers: Mapping[bytes, bytes] | None = None,
        query: str = "",
        media_type: str = "",
    ) -> Reply:
        """Send to one that serves `model`; past a failed connection to the next one, as far as `retries` allows.

        Raises `HttpFailure` when none answered.
        """
        failure = upstream_failure(503, "upstream_unavailable", "The upstream keeps failing; try again later.")
        served = self._candidates(model)
        usable = [upstream for upstream in served if self._breakers[upstream.name].closed]
        attempts = max((1 + upstream.settings.retries for upstream in usable), default=0)
        for number in range(attempts):
            upstream = usable[number % len(usable)]
            try:
                reply = await self._traced(
                    upstream,
                    method,
                    path,
                    body,
                    model=model,
                    client_headers=client_headers,
                    query=query,
                    media_type=media_type,
                )
            except HttpFailure as error:
                if not error.upstream:
                    raise
                failure = error
                self._ended(upstream, error.code)
                if error.code not in _RETRIED:
                    raise
                continue
            last = number == attempts - 1
            if reply.status in _RETRIED_STATUS:
                self._ended(upstream, f"status_{reply.status}")
                if not last:
                    await reply.__aexit__(None, None, None)
                    continue
            else:
                self._breakers[upstream.name].ended(well=True)
            return reply
        raise failure

    async def _traced(
        self,
        upstream: Upstream,
        method: str,
        path: str,
        body: bytes | None,
        *,
        model: str,
        client_headers: Mapping[bytes, bytes] | None,
        **more: Any,
    ) -> Reply:
        """Ask, as one span where traces are made."""
        if self._tracing is None:
            return await self._ask(upstream, method, path, body, client_headers=client_headers, **more)
        call = self._tracing.call(path, model, upstream.settings.url, body)
        headers = call.headers(client_headers)
        try:
            return call.answered(await self._ask(upstream, method, path, body, client_headers=headers, **more))
        except HttpFailure as error:
            call.failed(error.code)
            raise
        except BaseException:
            call.failed("cancelled")
            raise

    async def _ask(self, upstream: Upstream, method: str, path: str, body: bytes | None, **more: Any) -> Reply:
        render = self._renderers.get(upstream.name)
        if render is None or path != "/chat/completions" or body is None:
            return await upstream.send(method, path, body, **more)
        return ChatReply(await upstream.send(method, "/completions", to_completion(body, render), **more))

    async def models(
        self, path: str, limit: int, *, client_headers: Mapping[bytes, bytes] | None = None, query: str = ""
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Status, headers and body of `GET /models…`: of the only upstream as it is, of several the models of all."""
        if any(part in (".", "..") for part in re.split(r"[/\\]", path)):  # upstreams would leave `/models` by it
            raise upstream_failure(404, "model_not_found", "No upstream of this gateway serves that model.")
        if len(self._all) == 1:
            async with await self._all[0].send("GET", path, client_headers=client_headers, query=query) as reply:
                reply.verify()
                return reply.status, reply.headers, await reply.read(limit)
        data: list[Any] = []
        for upstream in self._all:
            try:
                async with await upstream.send("GET", "/models", client_headers=client_headers) as reply:
                    data += parse(await reply.read(limit)).get("data", []) if reply.status == 200 else []
            except (HttpFailure, Malformed) as error:
                _log.warning("models_failed", upstream=upstream.name, error=str(error)[:200])
        wanted = path.removeprefix("/models").strip("/")
        found = next((m for m in data if isinstance(m, dict) and m.get("id") == wanted), None)
        if wanted and found is None:
            raise upstream_failure(404, "model_not_found", "No upstream of this gateway serves that model.")
        body = found if wanted else {"object": "list", "data": data}
        return 200, [(b"content-type", b"application/json")], dumps(body)

    def _candidates(self, model: str) -> Sequence[Upstream]:
        """Those that serve `model`, in random order by weight. Raises `HttpFailure` (404) when there is none."""
        served = [u for u in self._all if any(fnmatch.fnmatchcase(model, glob) for glob in u.settings.models)]
        if not served:
            raise upstream_failure(404, "model_not_found", "No upstream of this gateway serves that model.")
        if len(served) == 1:
            return served
        return sorted(served, key=lambda u: random.random() ** (1 / u.settings.weight), reverse=True)

    def _ended(self, upstream: Upstream, why: str) -> None:
        breaker = self._breakers[upstream.name]
        if breaker.ended(well=False):
            self._metrics.failures.labels("upstream", "circuit_opened").inc()
            _log.error("circuit_opened", upstream=upstream.name, why=why, seconds=breaker.seconds)

    def states(self) -> Mapping[str, str]:
        """`ok`, or `left alone` for those that keep failing."""
        return {name: "left alone" if b.open else "ok" for name, b in self._breakers.items()}

    async def close(self) -> None:
        """Close all connections. Idempotent."""
        for upstream in self._all:
            await upstream.close()
