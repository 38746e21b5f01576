"""One request of one API on its way through the pipeline and to the model. Knows no ASGI: clients of `Guard.wrap` run
it, too."""

import time
from collections.abc import Mapping
from typing import Any, Literal, Protocol

from sisf.errors import Blocked
from sisf.exchange import Fate
from sisf.gateway import nodes
from sisf.gateway.client import Client
from sisf.gateway.dialects.base import Dialect, StreamState
from sisf.gateway.dialects.errors import blocked_at
from sisf.gateway.failures import upstream_failure
from sisf.gateway.headers import turn_headers
from sisf.gateway.identity import named_by_body
from sisf.gateway.redaction import turns_of
from sisf.gateway.relay import Relay
from sisf.gateway.texts import dumps
from sisf.gateway.upstream import Reply
from sisf.gateway.wire import Malformed, parse, parse_request
from sisf.pipeline import Caller, Choice, Inspected, Pipeline, Turn

JSON = b"application/json"


class Upstream(Protocol):
    """Where the model is."""

    async def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        model: str = "",
        client_headers: Mapping[bytes, bytes] | None = None,
        query: str = "",
    ) -> Reply:
        """Send exactly `body`. Raises `HttpFailure` when no answer begins."""
        ...


class ExchangeHandler:
    """Handles the requests of one dialect."""

    def __init__(
        self,
        pipeline: Pipeline,
        dialect: Dialect,
        upstream: Upstream,
        *,
        on_blocked: Literal["error", "completion", "raise"],
    ) -> None:
        """`on_blocked`: what is stopped becomes an error, an answer that refuses, or raises `Blocked`."""
        self._pipeline = pipeline
        self._dialect = dialect
        self._upstream = upstream
        self._on_blocked = on_blocked
        self._path = f"/v1{dialect.path}"

    async def begin(self, body: bytes, caller: Caller, started: float) -> Turn:
        """Read a request. Raises `HttpFailure` for one that is malformed, `LimitExceeded`, and `InspectionFailed`."""
        if nodes.small(body):
            request = self._request(body)
        else:
            request = await self._pipeline.aside(caller, lambda: self._request(body))
        if self._pipeline.settings.callers.principal_from_user:
            caller = named_by_body(caller, request.tree)
        return self._pipeline.begin(self._dialect.name, request, caller, path=self._path, started=started)

    def _request(self, body: bytes) -> Inspected:
        return self._read_tree(parse_request(body, self._pipeline.settings.limits))

    def _read_tree(self, tree: dict[str, Any]) -> Inspected:
        settings = self._pipeline.settings
        return self._dialect.request(tree, settings.limits, opaque=settings.on_failure.uninspectable == "open")

    async def answer(
        self,
        turn: Turn,
        body: bytes,
        out: Client,
        *,
        headers: Mapping[bytes, bytes] | None = None,
        query: str = "",
    ) -> None:
        """Inspect, forward, inspect, and answer. Raises `SisfError` where there is no answer."""
        try:
            rewritten = await self._pipeline.prompt(turn, turns_of(self._dialect.name, turn.request, self._read_tree))
        except Blocked:
            if self._on_blocked == "raise":
                raise
            await self._refuse(turn, out)
            return
        sent = time.perf_counter()
        reply = await self._upstream.send(
            "POST",
            self._dialect.path,
            body if rewritten is None else dumps(rewritten),
            model=turn.request.model,
            client_headers=headers,
            query=query,
        )
        turn.waited += time.perf_counter() - sent
        async with reply:
            reply.verify(only_200=True)
            if reply.status != 200:
                await self._upstream_error(turn, reply, out)
            elif reply.media_type != "text/event-stream":
                await self._plain(turn, reply, out)
            elif turn.request.stream:
                await Relay(self._pipeline, self._dialect, turn, reply, out, raises=self._on_blocked == "raise").run()
            else:
                raise upstream_failure(502, "upstream_malformed", "The upstream streams though nobody asked for it.")

    async def _refuse(self, turn: Turn, out: Client) -> None:
        """Say that the prompt was stopped."""
        dialect, model = self._dialect, turn.request.model
        if self._on_blocked == "error":
            body = dialect.error(400, "content_filter", blocked_at(turn.blamed), turn.blamed or "prompt")
            await out.whole(400, turn_headers(turn), body, JSON)
        elif turn.request.stream:
            body = dialect.stream_refusal(StreamState(model))
            await out.whole(200, turn_headers(turn), body, b"text/event-stream; charset=utf-8")
        else:
            await out.whole(200, turn_headers(turn), dialect.refusal(model), JSON)

    async def _upstream_error(self, turn: Turn, reply: Reply, out: Client) -> None:
        """Errors of the model's server pass as they are."""
        body = await self._read(turn, reply)
        turn.fate = Fate.ERROR
        await self._pipeline.record(turn)
        await out.whole(reply.status, [*reply.headers, *turn_headers(turn)], body)

    async def _plain(self, turn: Turn, reply: Reply, out: Client) -> None:
        body = await self._read(turn, reply)
        if nodes.small(body):
            tree, choices = self._choices(body)
        else:
            tree, choices = await self._pipeline.aside(turn.caller, lambda: self._choices(body))
        release = await self._pipeline.release(turn, tree, choices)
        if release.withheld:
            if self._on_blocked == "raise":
                raise turn.stopped()
            body = self._dialect.withhold(tree, release.withheld)
        elif release.changed:
            body = dumps(tree)
        await out.whole(200, [*reply.headers, *turn_headers(turn)], body)

    def _choices(self, body: bytes) -> tuple[dict[str, Any], list[Choice]]:
        """The answer and its texts. Raises `HttpFailure` for one that is malformed."""
        try:
            tree = parse(body)
            return tree, self._dialect.answers(tree)
        except Malformed as error:
            raise upstream_failure(502, "upstream_malformed", f"The upstream's answer is malformed: {error}.") from None

    async def _read(self, turn: Turn, reply: Reply) -> bytes:
        started = time.perf_counter()
        body = await reply.read(self._pipeline.settings.limits.body_bytes)
        turn.waited += time.perf_counter() - started
        return body
