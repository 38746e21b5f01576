"""The one place where errors become HTTP: which status, which code, which message, and what is counted and logged."""

import structlog

from sisf.errors import (
    HttpFailure,
    InspectionFailed,
    LimitExceeded,
    RateLimited,
    SisfError,
    StoreError,
    StoreUnavailable,
    emptied,
)
from sisf.pipeline.metrics import Metrics

_log = structlog.get_logger("sisf.gateway")
INTERNAL = HttpFailure(500, "internal_error", "The gateway failed; its log says why.")
STOPPING = HttpFailure(503, "gateway_stopping", "The gateway is being stopped; send the request again.", retry_after=5)
"""For clients whose requests are cut off: the server is being stopped, and the time to finish them is over."""
_AWAY = "The store cannot be reached now; try again later."
"""In place of the error's own message, which names the store: that is the operators' business."""
_LASTING = frozenset(
    f"upstream_{why}" for why in "credentials encoded invalid malformed too_large timeout uninspectable".split()
)
"""What the next attempt would meet again and perhaps pay for again. SDKs retry 5xx unless told not to."""


def upstream_failure(status: int, code: str, message: str, why: str = "") -> HttpFailure:
    """The model's server did not answer as an HTTP server should. `why` is for operators."""
    return HttpFailure(status, code, message, upstream=True, why=why)


def as_http(error: SisfError) -> HttpFailure:
    """What a client is told of an error."""
    match error:
        case HttpFailure():
            told = error
        case RateLimited():
            told = HttpFailure(429, error.code, str(error), retry_after=error.retry_after)
        case LimitExceeded(code="too_large"):
            told = HttpFailure(413, error.code, str(error), error.param)
        case LimitExceeded():
            told = HttpFailure(400, error.code, str(error), error.param)
        case InspectionFailed():
            told = HttpFailure(503, "inspection_unavailable", str(error), retry_after=error.retry_after)
        case StoreUnavailable():
            told = HttpFailure(503, "store_unavailable", _AWAY)
        case StoreError():
            told = HttpFailure(503, "store_unavailable", str(error))
        case _:
            told = _internal()
    return told


def _internal() -> HttpFailure:
    """Another one each time: what is raised again and again gathers tracebacks."""
    return HttpFailure(INTERNAL.status, INTERNAL.code, INTERNAL.message)


def noticed(error: Exception, metrics: Metrics, *, endpoint: str, exchange_id: str | None = None) -> HttpFailure:
    """`as_http` of any error, counted and logged where it is not the client's own. It holds no longer what was worked
    on."""
    failure = as_http(error) if isinstance(error, SisfError) else _internal()
    if failure.code == INTERNAL.code:
        _log.error("internal_error", endpoint=endpoint, error=type(error).__name__, exc_info=error)
    emptied(error)
    if failure.upstream:
        metrics.failures.labels("upstream", failure.code).inc()
        _log.warning("upstream_failed", code=failure.code, reason=failure.why or failure.message, id=exchange_id)
    return failure


def retry_after(failure: HttpFailure) -> list[tuple[bytes, bytes]]:
    """The headers that say when to try again, where that is known, or not to."""
    if failure.upstream and failure.code in _LASTING:
        return [(b"x-should-retry", b"false")]
    return [] if failure.retry_after is None else [(b"retry-after", b"%d" % failure.retry_after)]
