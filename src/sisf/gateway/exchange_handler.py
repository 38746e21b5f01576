"""One request of one API on its way through the pipeline and to the model. Knows no ASGI: clients of `Guard.wrap` run
it, too."""

import time
from collections.abc import Mapping
from typing import Any, Literal, Protocol

from sisf.errors import Blocked
from sisf.exchange import Fate
from sisf.gateway import nodes
from sisf.gateway.client import Client
from sisf.gateway.dialects.answers import Asked
from sisf.gateway.dialects.base import Dialect, StreamState
from sisf.gateway.dialects.embeddings import Embeddings
from sisf.gateway.dialects.errors import blocked_at, read_error
from sisf.gateway.failures import upstream_failure
from sisf.gateway.headers import harmless, said, turn_headers, with_own_key
from sisf.gateway.identity import named_by_body
from sisf.gateway.numbers import pass_numbers
from sisf.gateway.redaction import turns_of
from sisf.gateway.relay import Relay
from sisf.gateway.texts import dumps, without_numbers
from sisf.gateway.upstream import ANSWERED, Reply
from sisf.gateway.wire import Loose, Malformed, Uninspectable, parse_loosely, parse_request
from sisf.pipeline import Caller, Choice, Inspected, Pipeline, Release, Turn
from sisf.pipeline.checking import stops
from sisf.policy import Direction

JSON = b"application/json"
_UNSAID = ("", "text/plain", "application/octet-stream")
"""What servers call a stream when they do not say that it is one."""


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
        large = not nodes.small(body)
        if large:
            request = await self._pipeline.aside(caller, lambda: self._request(body))
        else:
            request = self._request(body)
        if self._pipeline.settings.callers.principal_from_user:
            caller = named_by_body(caller, request.tree)
        turn = self._pipeline.begin(self._dialect.name, request, caller, path=self._path, started=started)
        turn.large = large
        return turn

    def _request(self, body: bytes) -> Inspected:
        return self._read_tree(parse_request(body, self._pipeline.settings.limits))

    def _read_tree(self, tree: dict[str, Any]) -> Inspected:
        settings = self._pipeline.settings
        return self._dialect.request(
            tree, settings.limits, opaque=settings.on_failure.open_kinds, looks=settings.image_moderation.enabled
        )

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
            if rewritten is not None:
                tree = rewritten
                body = await self._pipeline.apart(turn, lambda: dumps(tree))
        except Blocked:
            if self._on_blocked == "raise":
                raise
            await self._refuse(turn, out)
            return
        sent = time.perf_counter()
        reply = await self._upstream.send(
            "POST",
            self._dialect.path,
            body,
            model=turn.request.model,
            client_headers=headers and with_own_key(headers, turn.caller.sender),
            query=query,
        )
        turn.waited += time.perf_counter() - sent
        asked = self._asked(turn)
        async with reply:
            await self._pipeline.breath.draw(turn.caller.sender)
            reply.verify(answers_only=True)
            await self._headers(turn, reply)
            if reply.status not in ANSWERED:
                await self._upstream_error(turn, reply, out)
            elif self._dialect.name == Embeddings.name:
                await self._numbers(turn, reply, out, asked)
            elif reply.media_type != "text/event-stream" and (
                reply.media_type not in _UNSAID or not turn.request.stream
            ):
                await self._plain(turn, reply, out, asked)
            elif turn.request.stream:
                raises = self._on_blocked == "raise"
                await Relay(self._pipeline, self._dialect, turn, reply, out, asked=asked, raises=raises).run()
            else:
                raise upstream_failure(502, "upstream_malformed", "The upstream streams though nobody asked for it.")

    def _asked(self, turn: Turn) -> Asked:
        return Asked(turn.request.tree, self._pipeline.settings.on_failure.open_kinds)

    async def _refuse(self, turn: Turn, out: Client) -> None:
        """Say that the prompt was stopped."""
        dialect, model = self._dialect, turn.request.model
        if self._on_blocked == "error":
            body = dialect.error(400, "content_filter", blocked_at(turn.blamed), turn.blamed or "prompt")
            await out.whole(400, turn_headers(turn), body, JSON)
        elif turn.request.stream:
            body = dialect.stream_refusal(StreamState(model, asked=self._asked(turn)))
            await out.whole(200, turn_headers(turn), body, b"text/event-stream; charset=utf-8")
        else:
            await out.whole(200, turn_headers(turn), dialect.refusal(model, self._asked(turn)), JSON)

    async def _headers(self, turn: Turn, reply: Reply) -> None:
        """What an upstream says in headers goes only where the Warden would let it go as an answer.

        The decision is not noted: the answer goes on, and who judges the exchange, for evidence, sees no headers.
        """
        told = said(reply.headers)
        if told and stops(await self._pipeline.checks.decide(turn, told, Direction.RESPONSE)) and turn.enforce:
            reply.headers = harmless(reply.headers)

    async def _upstream_error(self, turn: Turn, reply: Reply, out: Client) -> None:
        """An error of the model's server passes as it is when what it says may; else its status and code pass.

        Servers put the model's own text into errors, so it is recorded, and learned from. Where answers are judged
        before they are released, the words of an error are not waited for: they never pass.
        """
        await self._said_error(turn, reply, await self._read(turn, reply), out)

    async def _said_error(self, turn: Turn, reply: Reply, body: bytes, out: Client) -> None:
        turn.large |= not nodes.small(body)
        upstream_error = await self._pipeline.apart(turn, lambda: read_error(body))
        turn.fate = Fate.ERROR
        turn.response = "\n".join(message.content for message in upstream_error.messages) or None
        passes = upstream_error.inspectable
        if upstream_error.inspectable and upstream_error.messages:
            decision = await self._pipeline.checks.check(turn, upstream_error.messages, Direction.RESPONSE)
            passes = not (turn.enforce and stops(decision))
        passes = passes and not self._pipeline.judged_first(turn)
        await self._pipeline.record(turn)
        headers = [*reply.headers, *turn_headers(turn)]
        if passes:
            await out.whole(reply.status, headers, upstream_error.body)
            return
        headers = [header for header in headers if header[0] != b"content-type"]
        code = upstream_error.code or "upstream_error"
        message = "The upstream answered with an error; what it said was withheld by a safety policy."
        await out.whole(reply.status, headers, self._dialect.error(reply.status, code, message), JSON)

    async def _numbers(self, turn: Turn, reply: Reply, out: Client, asked: Asked) -> None:
        """Answers larger than `limits.body_bytes` are looked through as they pass; others are read whole."""
        started = time.perf_counter()
        body, rest = await reply.begin(self._pipeline.settings.limits.body_bytes)
        turn.waited += time.perf_counter() - started
        if rest is None:
            await self._plain(turn, reply, out, asked, body)
            return
        turn.fate = Fate.RELEASED
        headers = [*reply.headers, *turn_headers(turn)]
        try:
            await pass_numbers(body, rest, out, headers)
        except Malformed as error:
            raise upstream_failure(502, "upstream_malformed", f"The upstream's answer is malformed: {error}.") from None

    async def _plain(self, turn: Turn, reply: Reply, out: Client, asked: Asked, given: bytes | None = None) -> None:
        body = await self._read(turn, reply) if given is None else given
        turn.large |= not nodes.small(body)
        read, choices = await self._pipeline.apart(turn, lambda: self._choices(body, asked))
        if choices is None:
            await self._said_error(turn, reply, body, out)
            return
        for noise in read.noise:
            self._pipeline.metrics.noise.labels(noise).inc()
        release = await self._pipeline.release(turn, read.tree, choices)
        if release.withheld and self._on_blocked == "raise":
            raise turn.stopped()
        if release.withheld or release.changed or read.dropped:
            body = await self._pipeline.apart(turn, lambda: self._changed(read, release, asked))
        await out.whole(reply.status, [*reply.headers, *turn_headers(turn)], body)

    def _changed(self, read: Loose, release: Release, asked: Asked) -> bytes:
        if release.withheld:
            return self._dialect.withhold(read.tree, release.withheld, asked)
        if release.changed:
            return self._dialect.rewritten(without_numbers(read.tree))
        return dumps(read.tree)  # two readers could read the bytes differently

    def _choices(self, body: bytes, asked: Asked) -> tuple[Loose, list[Choice] | None]:
        """The answer and its texts; None for an error in place of one. Raises `HttpFailure` where it is malformed."""
        try:
            read = parse_loosely(body)
            return read, None if _is_error(read.tree) else self._dialect.answers(read.tree, asked)
        except Malformed as error:
            raise upstream_failure(502, "upstream_malformed", f"The upstream's answer is malformed: {error}.") from None
        except Uninspectable as error:
            message = f"The upstream's answer cannot be inspected: {error}."
            raise upstream_failure(502, "upstream_uninspectable", message) from None

    async def _read(self, turn: Turn, reply: Reply) -> bytes:
        started = time.perf_counter()
        body = await reply.read(self._pipeline.settings.limits.body_bytes)
        turn.waited += time.perf_counter() - started
        return body


def _is_error(tree: Mapping[str, Any]) -> bool:
    """Whether an upstream tells of an error with the status of an answer."""
    return bool(tree.get("error")) and tree.keys().isdisjoint(("choices", "output", "content", "data"))
