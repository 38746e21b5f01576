"""What stands where an SDK's HTTP client has its connections: answers its requests through the pipeline."""

from types import ModuleType
from typing import Any

from sisf.errors import InspectionFailed, StoreError
from sisf.guard.sdk_request import SdkRequest, dialect_of
from sisf.pipeline import Caller, Pipeline

ERROR = "sisf"
"""Under which a response carries the error that the guarded client raises in its place."""


class Transport:
    """What both transports share. They use the original client's connections."""

    def __init__(self, base: Any, library: ModuleType, pipeline: Pipeline, caller: Caller, *, refuse: bool) -> None:
        """`refuse`: what is stopped becomes an answer that refuses, instead of raising `Blocked`."""
        self.base = base
        self.library = library
        self._refuse = refuse
        self._pipeline = pipeline
        self._caller = caller

    def sdk_request(self, request: Any) -> SdkRequest | None:
        """The way of a request; None for one that needs no inspection. Raises `InspectionFailed`."""
        dialect = dialect_of(request.method, request.url.path)
        if dialect is None:
            return None
        return SdkRequest(self._pipeline, dialect, self._caller, "completion" if self._refuse else "raise")

    def carrying(self, error: Exception, request: Any, *, final: bool = False) -> Any:
        """A response that carries `error`; the SDK repeats the request only where that may help."""
        again = not final and isinstance(error, InspectionFailed | StoreError)
        body = {"error": {"message": str(error), "type": "sisf", "param": None, "code": type(error).__name__}}
        headers = {"x-should-retry": "true" if again else "false"}
        return self.library.Response(
            503 if again else 400, headers=headers, json=body, request=request, extensions={ERROR: error}
        )

    def forward(self, request: Any, body: bytes) -> Any:
        """The SDK's own request; with another body where a policy rewrote it."""
        if body == request.content:
            return request
        headers = [(k, v) for k, v in request.headers.raw if k.lower() not in (b"content-length", b"transfer-encoding")]
        return self.library.Request(
            request.method, request.url, headers=headers, content=body, extensions=request.extensions
        )
