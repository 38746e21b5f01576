"""What stands where an SDK's HTTP client has its connections: answers its requests through a gateway endpoint."""

import contextlib
import json
from types import ModuleType
from typing import Any

from sisf.errors import Blocked, InspectionFailed
from sisf.gateway.core import Core
from sisf.gateway.identity import Identity
from sisf.guard.passage import Passage, dialect_of, explained

ERROR = "sisf"
"""Under which a response carries the error that the guarded client raises in its place."""


class Transport:
    """What both transports share. They use the original client's connections."""

    def __init__(self, base: Any, library: ModuleType, core: Core, identity: Identity, *, refuse: bool) -> None:
        self.base = base
        self.library = library
        self.refuse = refuse
        self._core = core
        self._identity = identity

    def passage(self, request: Any) -> Passage | None:
        """The way of a request; None for one that needs no inspection. Raises `InspectionFailed`."""
        dialect = dialect_of(request.method, request.url.path)
        return None if dialect is None else Passage(self._core, dialect, self._identity)

    def carrying(self, error: Exception, request: Any, status: int = 400) -> Any:
        """A response that carries `error`; the SDK repeats the request only where that may help."""
        body = {"error": {"message": str(error), "type": "sisf", "param": None, "code": type(error).__name__}}
        headers = {"x-should-retry": "true" if status >= 500 else "false"}
        return self.library.Response(status, headers=headers, json=body, request=request, extensions={ERROR: error})

    def instead(self, error: Exception, request: Any, body: bytes) -> Any:
        """What comes in place of an endpoint's response: raises what the HTTP client raised, or carries ours."""
        if isinstance(error, Blocked):
            return self.carrying(error, request)
        if not isinstance(error, InspectionFailed):
            raise error
        told: Exception = error
        with contextlib.suppress(ValueError):
            told = explained(json.loads(body))
        return self.carrying(told, request, 503)

    def forward(self, request: Any, body: bytes) -> Any:
        """The SDK's own request; with another body where a policy rewrote it."""
        if body == request.content:
            return request
        headers = [(k, v) for k, v in request.headers.raw if k.lower() not in (b"content-length", b"transfer-encoding")]
        return self.library.Request(
            request.method, request.url, headers=headers, content=body, extensions=request.extensions
        )
