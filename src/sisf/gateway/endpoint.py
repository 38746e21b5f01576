"""A completion endpoint on raw ASGI: read, inspect, forward, inspect, judge, record, release."""

import asyncio
import logging
import re
import time
from collections.abc import Mapping

from sisf.exchange import Fate, Message
from sisf.gateway.asgi import ClientGone, DisconnectWatch, Outgoing, Receive, Scope, Send, client_of, read_body
from sisf.gateway.core import Core, Turn, log
from sisf.gateway.dialects.base import Answer, Dialect, StreamState
from sisf.gateway.dialects.errors import BLOCKED
from sisf.gateway.identity import Identity
from sisf.gateway.relay import Relay
from sisf.gateway.texts import dumps, replace
from sisf.gateway.upstream import Reply, UpstreamError
from sisf.gateway.wire import Malformed, Refused, parse, parse_request
from sisf.policy import Decision, Direction

_JSON = b"application/json"
QUERY = re.compile(rb"[A-Za-z0-9._=&-]{0,128}")


class Endpoint:
    """Serves one dialect."""

    def __init__(self, core: Core, dialect: Dialect) -> None:
        self._core = core
        self._dialect = dialect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens."""
        out = Outgoing(send)
        turn: Turn | None = None
        watch: DisconnectWatch | None = None
        self._core.metrics.in_flight += 1
        started = time.perf_counter()
        try:
            headers: Mapping[bytes, bytes] = dict(scope["headers"])
            identity = self._core.door.identify(headers, client_of(scope))
            self._core.throttle.admit(identity)
            limit = identity.body_bytes or self._core.settings.limits.body_bytes
            body = await read_body(scope, receive, limit)
            watch = DisconnectWatch(receive, out)
            turn = self._turn(body, started, identity)
            await self._serve(scope, headers, body, turn, out)
        except (Refused, UpstreamError) as error:
            await self._error(out, turn, error)
        except ClientGone:
            pass
        except asyncio.CancelledError:
            if watch is None or not watch.gone:
                raise
            await self._abandoned(turn)
        except Exception as error:  # noqa: BLE001 - a request never takes the server down
            log.error("internal_error", endpoint=self._dialect.name, error=type(error).__name__, exc_info=True)
            await self._error(out, turn, Refused(500, "internal_error", "The gateway failed; its log says why."))
        finally:
            if watch is not None:
                watch.stop()
            self._account(out, turn)

    def _turn(self, body: bytes, started: float, identity: Identity) -> Turn:
        settings = self._core.settings
        tree = parse_request(body, settings.limits)
        request = self._dialect.request(tree, settings.limits, opaque=settings.on_failure.uninspectable == "open")
        chars = sum(len(message.content) for message in request.messages)
        if chars > settings.limits.text_chars:
            raise Refused(413, "too_large", f"More than {settings.limits.text_chars} characters of text.")
        if request.opaque:
            self._core.metrics.fail_opens.labels("uninspectable").inc()
            log.warning("fail_open", part="uninspectable", places=len(request.opaque))
        enforce = self._core.enforces(f"/v1{self._dialect.path}", identity.tenant)
        return Turn(self._dialect.name, request, identity, started=started, enforce=enforce)

    async def _serve(
        self, scope: Scope, headers: Mapping[bytes, bytes], body: bytes, turn: Turn, out: Outgoing
    ) -> None:
        query: bytes = scope.get("query_string", b"")
        if not QUERY.fullmatch(query):
            raise Refused(400, "invalid_query", "The query string holds more than this endpoint takes.")
        decision = await self._core.check(turn, turn.request.messages, Direction.PROMPT)
        rewritten = self._rewritten(turn, decision)
        if (decision.blocked and turn.enforce) or rewritten is None:
            await self._blocked_prompt(turn, out)
            return
        sent = time.perf_counter()
        reply = await self._core.upstream.send(
            "POST",
            self._dialect.path,
            rewritten or body,
            model=turn.request.model,
            client_headers=headers,
            query=query.decode(),
        )
        turn.waited += time.perf_counter() - sent
        async with reply:
            await self._answer(turn, reply, out)

    def _rewritten(self, turn: Turn, decision: Decision) -> bytes | None:
        """The rewritten body; empty when the client's own goes; None when it cannot be rewritten and must not go."""
        if decision.rewritten is None or not turn.enforce:
            return b""
        tree = dict(turn.request.tree)
        return _rewrite(tree, turn.request.messages, decision.rewritten)

    async def _blocked_prompt(self, turn: Turn, out: Outgoing) -> None:
        turn.fate = Fate.INTERCEPTED_PROMPT
        await self._core.recorder.record(turn.record(None))
        await self._core.throttle.blocked(turn.identity)
        dialect = self._dialect
        if self._core.settings.blocked_prompt == "error":
            await out.whole(400, turn.headers(), dialect.error(400, "content_filter", BLOCKED, "prompt"), _JSON)
        elif turn.request.stream:
            body = dialect.stream_refusal(StreamState(turn.request.model))
            await out.whole(200, turn.headers(), body, b"text/event-stream; charset=utf-8")
        else:
            await out.whole(200, turn.headers(), dialect.refusal(turn.request.model), _JSON)

    async def _answer(self, turn: Turn, reply: Reply, out: Outgoing) -> None:
        if reply.encoded:
            raise UpstreamError(502, "upstream_encoded", "The upstream compressed its answer although told not to.")
        if reply.status != 200:
            await self._upstream_error(turn, reply, out)
        elif reply.media_type == "text/event-stream":
            if not turn.request.stream:
                raise UpstreamError(502, "upstream_malformed", "The upstream streams though nobody asked for it.")
            await Relay(self._core, self._dialect, turn, reply, out).run()
        else:
            await self._plain(turn, reply, out)

    async def _upstream_error(self, turn: Turn, reply: Reply, out: Outgoing) -> None:
        """Errors pass as they are; those about our own key stay here."""
        if reply.status in (401, 403) and reply.has_key:
            raise UpstreamError(502, "upstream_credentials", "The upstream refused the gateway's own credentials.")
        if reply.status < 400:
            raise UpstreamError(502, "upstream_invalid", f"The upstream answered with the status {reply.status}.")
        started = time.perf_counter()
        body = await reply.read(self._core.settings.limits.body_bytes)
        turn.waited += time.perf_counter() - started
        await self._core.recorder.record(turn.record(None))
        await out.whole(reply.status, [*reply.headers, *turn.headers()], body)

    async def _plain(self, turn: Turn, reply: Reply, out: Outgoing) -> None:
        core = self._core
        started = time.perf_counter()
        body = await reply.read(core.settings.limits.body_bytes)
        turn.waited += time.perf_counter() - started
        try:
            tree = parse(body)
            answers = self._dialect.answers(tree)
        except Malformed as error:
            raise UpstreamError(502, "upstream_malformed", f"The upstream's answer is malformed: {error}.") from None
        turn.fate = Fate.RELEASED
        text = "\n".join(answer.text for answer in answers)
        withheld, changed = await self._inspect(turn, tree, answers)
        if withheld:
            turn.fate = Fate.INTERCEPTED_RESPONSE
        elif core.judge is not None and text:
            turn.verdict = await core.judge.verdict(turn.exchange(text))
            if turn.enforce and not core.judge.releases(turn.verdict):
                turn.fate = Fate.WITHHELD
                withheld = {answer.index for answer in answers}
        recorded = not self._dialect.answers_text or await core.recorder.record(turn.record(text))
        if not recorded and not withheld:
            raise Refused(503, "store_unavailable", "The exchange could not be recorded; try again later.")
        if withheld:
            await core.throttle.blocked(turn.identity)
            body = self._dialect.withhold(tree, withheld)
        elif changed:
            body = dumps(tree)
        await out.whole(200, [*reply.headers, *turn.headers()], body)

    async def _inspect(self, turn: Turn, tree: dict[str, object], answers: list[Answer]) -> tuple[set[int], bool]:
        """Which choices must be withheld, and whether `tree` was rewritten."""
        withheld: set[int] = set()
        changed = False
        for answer in answers:
            if not answer.messages:
                continue
            decision = await self._core.check(turn, answer.messages, Direction.RESPONSE)
            if not turn.enforce:
                continue
            if decision.rewritten is not None and not decision.blocked:
                changed = True
                if _rewrite(tree, answer.messages, decision.rewritten) is None:
                    withheld.add(answer.index)
            if decision.blocked:
                withheld.add(answer.index)
        return withheld, changed

    async def _abandoned(self, turn: Turn | None) -> None:
        """The client left; what was asked is still worth learning from, but nobody waits."""
        if turn is not None and turn.fate == Fate.ERROR:
            log.info("client_gone", id=turn.id, endpoint=self._dialect.name)

    async def _error(self, out: Outgoing, turn: Turn | None, error: Refused | UpstreamError) -> None:
        if isinstance(error, UpstreamError):
            self._core.metrics.failures.labels("upstream", error.code).inc()
            log.warning("upstream_failed", code=error.code, id=turn.id if turn else None)
        if out.finished:
            return
        if out.begun:
            await out.piece(self._dialect.stream_error(error.status, error.code, error.message))
            await out.end()
            return
        param = error.param if isinstance(error, Refused) else None
        headers = turn.headers() if turn else []
        if isinstance(error, Refused) and error.retry_after is not None:
            headers.append((b"retry-after", b"%d" % error.retry_after))
        body = self._dialect.error(error.status, error.code, error.message, param)
        await out.whole(error.status, headers, body, _JSON)

    def _account(self, out: Outgoing, turn: Turn | None) -> None:
        metrics = self._core.metrics
        metrics.in_flight -= 1
        metrics.requests.inc(self._dialect.name, str(out.status or 499))
        if turn is None:
            return
        added = turn.added
        metrics.added.observe(added)
        if not log.is_enabled_for(logging.INFO):
            return
        decision = turn.strongest
        log.info(
            "exchange",
            id=turn.id,
            endpoint=turn.endpoint,
            status=out.status or 499,
            decision=turn.label,
            fate=turn.fate.value,
            revision=decision.revision if decision else None,
            policy=turn.policy_id,
            tenant=turn.identity.tenant,
            principal=turn.identity.principal,
            added_ms=round(added * 1000, 3),
            total_ms=round((time.perf_counter() - turn.started) * 1000, 3),
        )


def _rewrite(tree: dict[str, object], messages: tuple[Message, ...], texts: tuple[str, ...]) -> bytes | None:
    """Put rewritten texts back where they came from; None when one of them has no such place."""
    for message, text in zip(messages, texts, strict=True):
        if text != message.content and not replace(tree, message.origin, text):
            return None
    return dumps(tree)
