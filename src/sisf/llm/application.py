"""What all small servers of models have beside their endpoints: the list of models, health, and errors in one shape."""

from collections.abc import Iterable, Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sisf.errors import quoted
from sisf.llm.wire import error_response
from sisf.serving.routed import routed


def application(endpoints: Iterable[BaseRoute], models: Sequence[str]) -> Starlette:
    """The endpoints, and what clients ask for beside them. What there is not is said in OpenAI's shape."""
    described = {name: {"id": name, "object": "model", "created": 0, "owned_by": "sisf"} for name in models}

    async def listed(_: Request) -> Response:
        return JSONResponse({"object": "list", "data": list(described.values())})

    async def one(request: Request) -> Response:
        name: str = request.path_params["name"]
        if name in described:
            return JSONResponse(described[name])
        return error_response(404, _KIND, f"there is no model {quoted(name)} here, only {', '.join(described)}")

    routes = [
        *endpoints,
        Route("/v1/models", listed, methods=["GET"]),
        Route("/v1/models/{name:path}", one, methods=["GET"]),
        Route("/healthz", lambda _: JSONResponse({"status": "ok"}), methods=["GET"]),
    ]
    return routed(routes, exception_handlers={HTTPException: _unknown})


_KIND = "invalid_request_error"


async def _unknown(request: Request, error: Exception) -> Response:
    """No route, or not with this method."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    asked = quoted(f"{request.method} {request.url.path}")
    return error_response(status, _KIND, f"{asked} is not an endpoint of this server of models")
