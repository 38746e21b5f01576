"""The official OpenAI clients with SISF between them and their HTTP connections."""

import functools
import importlib
from types import ModuleType
from typing import Any

from sisf.errors import ConfigurationError, InspectionFailed
from sisf.guard.async_transport import AsyncTransport
from sisf.guard.portal import Portal
from sisf.guard.sync_transport import SyncTransport
from sisf.guard.transport import ERROR
from sisf.pipeline import Caller, Pipeline

_NOWHERE = "wss://not-inspected-by-sisf.invalid"


def guarded(client: Any, pipeline: Pipeline, portal: Portal, caller: Caller, *, refuse: bool) -> Any:
    """See `Guard.wrap`. Raises `ConfigurationError` for anything but an OpenAI client."""
    import openai

    if not isinstance(client, openai.OpenAI | openai.AsyncOpenAI):
        kind = f"{type(client).__module__}.{type(client).__qualname__}"
        raise ConfigurationError(f"Guard.wrap takes an openai.OpenAI or openai.AsyncOpenAI client, not a {kind}")
    base: Any = client._client  # the SDK has no other name for it
    library = _library(base)
    asynchronous = isinstance(client, openai.AsyncOpenAI)
    if asynchronous:
        transport: Any = AsyncTransport(base, library, pipeline, caller, refuse=refuse)
    else:
        transport = SyncTransport(base, library, pipeline, caller, refuse=refuse, portal=portal)
    http_class = library.AsyncClient if asynchronous else library.Client
    made: Any = client.copy(http_client=http_class(transport=transport, timeout=base.timeout, trust_env=False))
    made.websocket_base_url = _NOWHERE
    made.__class__ = _guarded_class(made.__class__, asynchronous)
    return made


def _library(base: Any) -> ModuleType:
    """The HTTP library that this version of the SDK uses: httpx, or its successor."""
    for cls in type(base).__mro__:
        if cls.__name__ in ("Client", "AsyncClient") and cls.__module__.startswith("httpx"):
            return importlib.import_module(cls.__module__.partition(".")[0])
    raise ConfigurationError(f"Guard.wrap does not know the client's HTTP library: {type(base).__module__}")


@functools.cache
def _guarded_class(cls: Any, asynchronous: bool) -> Any:
    """`cls`, raising our errors in place of the responses that carry them, and opening no WebSocket."""
    import openai

    def no_websocket(*_: Any, **__: Any) -> Any:
        raise InspectionFailed("WebSocket connections are not inspected; use the client itself for them")

    def request(self: Any, *arguments: Any, **named: Any) -> Any:
        try:
            return cls.request(self, *arguments, **named)
        except openai.APIStatusError as error:
            raise _own(error) from None

    async def arequest(self: Any, *arguments: Any, **named: Any) -> Any:
        try:
            return await cls.request(self, *arguments, **named)
        except openai.APIStatusError as error:
            raise _own(error) from None

    members = {
        "request": arequest if asynchronous else request,
        "_websocket_query_params": no_websocket,
        "_websocket_query_params_fallback": no_websocket,
        "__doc__": f"`{cls.__name__}`, with every request inspected by SISF.",
    }
    return type(cls.__name__, (cls,), members)  # the same name: the SDK tells it to the model's server


def _own(error: Any) -> Exception:
    own: Exception = error.response.extensions.get(ERROR, error)
    return own
