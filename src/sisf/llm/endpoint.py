"""One handler for each API in which a model gives one answer: what is read and written differs, not what is done."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from sisf.errors import ModelError
from sisf.exchange import Message
from sisf.llm.base import Completion
from sisf.llm.wire import BadRequest, parsed

Answer = tuple[dict[str, Any], str, Completion]
"""A message in the shape of chat completions, its finish reason, and what it cost."""
Ask = Callable[[str, Sequence[Message], Mapping[str, Any]], Awaitable[tuple[str, Answer]]]
"""Asks the model of a name; the body is that of chat completions. Gives the name of the model that answered."""
Endpoint = Callable[[Request], Awaitable[Response]]
Body = Mapping[str, Any]

BAD_REQUEST, BAD_GATEWAY = 400, 502


def endpoint_of(
    ask: Ask,
    *,
    shape: type[Struct],
    messages: Callable[[Body], Sequence[Message]],
    as_chat: Callable[[Body], Body],
    whole: Callable[[str, Body, Answer], Body],
    events: Callable[[Body], Iterator[bytes]],
    refused: Callable[[int, str], Response],
) -> Endpoint:
    """The handler of an API: the shape of a request, its messages and the rest of it as chat completions have them, the
    whole answer (of a model's name, the request and what was answered), the same as events, and an error by its status
    and words."""

    async def handler(request: Request) -> Response:
        try:
            body = parsed(await request.body(), shape)
            said = messages(body)
        except BadRequest as error:
            return refused(BAD_REQUEST, str(error))
        try:
            name, answer = await ask(body.get("model") or "", said, as_chat(body))
        except ModelError as error:
            return refused(BAD_GATEWAY, str(error))
        told = whole(name, body, answer)
        if body.get("stream"):
            return StreamingResponse(events(told), media_type="text/event-stream")
        return JSONResponse(told)

    return handler
