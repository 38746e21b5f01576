"""The lists of models: forwarded to the upstreams, limited and inspected as everything else."""

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sisf.errors import HttpFailure, SisfError, TooLongToInspect
from sisf.exchange import Message, Role
from sisf.gateway.core import Core
from sisf.gateway.dialects.errors import BLOCKED, read_error
from sisf.gateway.endpoint import query_of
from sisf.gateway.error_responses import as_response
from sisf.gateway.failures import noticed, upstream_failure
from sisf.gateway.headers import fields, harmless, said
from sisf.gateway.texts import dumps
from sisf.gateway.wire import Malformed, parse_loosely
from sisf.pipeline import Caller, Inspected, Turn
from sisf.pipeline.checking import stops
from sisf.policy import Direction

PATH = "/v1/models"
_NAMING = ("id", "object", "created", "owned_by", "type", "display_name", "created_at")
"""What the APIs' own lists say of a model."""


class Models:
    """Answers `GET /v1/models` and those of single models."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def answer(self, request: Request) -> Response:
        """Answer one request, whatever happens."""
        try:
            return await self._answered(request)
        except SisfError as error:
            return as_response(noticed(error, self._core.metrics, endpoint="models"))

    async def _answered(self, request: Request) -> Response:
        core, headers = self._core, fields(request.scope["headers"])
        caller = core.admit(request.scope, headers)
        path, query = request.scope["path"].removeprefix("/v1"), query_of(request.scope)
        turn = core.pipeline.begin("models", Inspected((), "", stream=False, tree={}), caller, path=PATH)
        await self._asked(turn, caller, path.removeprefix("/models").strip("/"))
        limit = core.settings.limits.body_bytes
        status, got, body = await core.upstream.models(path, limit, client_headers=headers, query=query)
        if await self._stops(turn, said(got)):
            got = harmless(got)
        body = await self._inspected(turn, body)
        return Response(body, status, {k.decode("latin-1"): v.decode("latin-1") for k, v in got})

    async def _asked(self, turn: Turn, caller: Caller, name: str) -> None:
        """The name is told to the upstream: it is inspected as those in requests are."""
        if name and await self._stops(turn, [Message(Role.USER, name, "model")], Direction.PROMPT):
            await self._core.pipeline.throttle.blocked(caller)
            raise HttpFailure(400, "content_filter", BLOCKED, "model")

    async def _inspected(self, turn: Turn, body: bytes) -> bytes:
        """What may be passed on of a list, or of an error. A list of which something is stopped, or that is too long to
        be inspected, passes with what all lists say."""
        read = await asyncio.to_thread(read_error, body)
        try:
            if read.inspectable and not await self._stops(turn, list(read.messages)):
                return read.body
        except TooLongToInspect:
            pass
        short = await asyncio.to_thread(_short, body)
        read = await asyncio.to_thread(read_error, short)
        if await self._stops(turn, list(read.messages)):
            message = "What the upstream says of its models was withheld by a safety policy."
            raise upstream_failure(502, "upstream_withheld", message)
        return short

    async def _stops(self, turn: Turn, texts: list[Message], direction: Direction = Direction.RESPONSE) -> bool:
        return bool(texts) and stops(await self._core.pipeline.checks.decide(turn, texts, direction)) and turn.enforce


def _short(body: bytes) -> bytes:
    """Of a list of models, or of one, what the APIs' own lists say."""
    try:
        tree = parse_loosely(body).tree
    except Malformed as error:
        raise upstream_failure(502, "upstream_malformed", f"The upstream's answer is malformed: {error}.") from None
    data = tree.get("data")
    if isinstance(data, list):
        return dumps({"object": "list", "data": [_named(model) for model in data if isinstance(model, dict)]})
    return dumps(_named(tree))


def _named(model: dict[str, Any]) -> dict[str, Any]:
    return {key: model[key] for key in _NAMING if isinstance(model.get(key), str | int)}
