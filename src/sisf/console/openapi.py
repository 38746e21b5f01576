"""The OpenAPI document of the admin API, made from its routes: what is not routed is not in it."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from sisf import __version__

_BODIES: dict[tuple[str, str], dict[str, str]] = {
    ("/api/try", "POST"): {
        "text": "string",
        "direction": "string",
        "policy": "string",
        "tenant": "string",
        "ask": "boolean",
    },
    ("/api/enforcement/suspend", "POST"): {
        "scope": "string",
        "subject": "string",
        "minutes": "number",
        "reason": "string",
    },
    ("/api/enforcement/resume", "POST"): {"id": "string"},
    ("/api/policies/{policy_id}/{step}", "POST"): {"reason": "string"},
    ("/api/exchanges/{exchange_id}/verdict", "POST"): {"outcome": "string", "reason": "string", "seen": "string"},
    ("/api/notes", "POST"): {"subject": "string", "kind": "string", "text": "string"},
    ("/api/undo", "POST"): {"revision": "integer"},
    ("/api/rollback", "POST"): {"revision": "integer"},
    ("/api/keys", "POST"): {
        "tenant": "string",
        "principal": "string",
        "role": "string",
        "requests_per_minute": "integer",
        "body_bytes": "integer",
    },
    ("/api/sessions", "POST"): {"name": "string", "role": "string"},
}
"""The fields of a body; none of them is required by the form alone."""
_QUERIES: dict[str, tuple[str, ...]] = {
    "/api/policies": ("status",),
    "/api/exchanges": ("q", "show", "tenant", "principal", "policy", "hazard", "since", "until", "before", "limit"),
    "/api/revisions": ("limit",),
    "/api/audit": ("after", "before", "actor", "action", "subject", "limit"),
    "/api/overview": ("since", "tenant"),
}


def document(routes: Sequence[Route]) -> Response:
    """The document, OpenAPI 3.1."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = re.sub(r":\w+}", "}", route.path)
        for method in sorted((route.methods or set()) - {"HEAD"}):
            paths.setdefault(path, {})[method.lower()] = _operation(route, path, method)
    told = {
        "openapi": "3.1.0",
        "info": {"title": "SISF admin API", "version": __version__},
        "paths": paths,
        "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
        "security": [{"key": []}],
    }
    return Response(msgspec.json.encode(told), media_type="application/json")


def _operation(route: Route, path: str, method: str) -> dict[str, Any]:
    said = " ".join((route.endpoint.__doc__ or "").split())
    role = getattr(route.endpoint, "role", "")
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", path)
    ]
    queries = _QUERIES.get(path, ()) if method == "GET" else ()
    parameters += [{"name": name, "in": "query", "schema": {"type": "string"}} for name in queries]
    told: dict[str, Any] = {
        "operationId": f"{method.lower()}_{route.name.removeprefix('api:')}",
        "summary": said,
        "description": f"Needs the role {role}.",
        "parameters": parameters,
        "responses": {"200": {"description": "Done.", "content": {"application/json": {}}}, **_errors()},
    }
    fields = _BODIES.get((path, method))
    if fields is not None:
        schema = {"type": "object", "properties": {name: {"type": kind} for name, kind in fields.items()}}
        told["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    return told


def _errors() -> dict[str, Any]:
    said = {
        "400": "The request is malformed.",
        "401": "A token or key is needed.",
        "403": "The role does not cover this.",
        "404": "There is no such thing.",
        "409": "It is not possible as things stand.",
    }
    return {status: {"description": text} for status, text in said.items()}
