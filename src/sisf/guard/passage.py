"""One request of an SDK on its way through a gateway endpoint, without a socket in front of it."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Protocol

from sisf.errors import Blocked, InspectionFailed, SisfError
from sisf.gateway.core import Core
from sisf.gateway.dialects.base import Dialect
from sisf.gateway.dialects.chat import Chat
from sisf.gateway.dialects.completions import Completions
from sisf.gateway.dialects.embeddings import Embeddings
from sisf.gateway.dialects.responses import Responses
from sisf.gateway.endpoint import Endpoint
from sisf.gateway.identity import Identity
from sisf.gateway.recording import Recorder
from sisf.gateway.upstream import Reply, UpstreamError
from sisf.guard.core import Known, NoUpstream, stopped
from sisf.store.records import ExchangeRecord

_DIALECTS: tuple[Dialect, ...] = (Chat(), Completions(), Responses(), Embeddings())
_MODELS = re.compile(r".*/models(/[^/]+)?/?")
_OWN = frozenset((b"content-length", b"content-encoding", b"transfer-encoding"))


def dialect_of(method: str, path: str) -> Dialect | None:
    """The dialect of an endpoint; None for one that passes without inspection, as listing models does.

    Raises `InspectionFailed` for every other: what SISF cannot inspect it does not let pass.
    """
    if method == "GET" and _MODELS.fullmatch(path):
        return None
    if method == "POST":
        for dialect in _DIALECTS:
            if path.endswith(dialect.path):
                return dialect
    raise InspectionFailed(
        f"{method} {path} is not an endpoint that SISF inspects; use the client itself, not the guarded one, for it"
    )


class Source(Protocol):
    """Where the model's answer comes from: the SDK's own HTTP client."""

    async def send(self, body: bytes) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Send the request with this body; status and headers of the response. Raises what the client raises."""
        ...

    async def read(self) -> bytes:
        """The next bytes of the response, decoded; empty at its end."""
        ...

    async def close(self) -> None:
        """Let go of the response."""
        ...


class SourceReply(Reply):
    """A response of the SDK's HTTP client, as endpoints read it."""

    def __init__(self, source: Source, status: int, headers: list[tuple[bytes, bytes]], seen: "Seen") -> None:
        self._source = source
        self._headers = headers
        self._seen = seen
        self.status = status
        kind = next((value for name, value in headers if name.lower() == b"content-type"), b"")
        self.media_type = kind.decode("latin-1").partition(";")[0].strip().lower()
        self.encoded = False
        self.has_key = False

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """All of them, but for those that speak of the bytes on the wire."""
        return [(name.lower(), value) for name, value in self._headers if name.lower() not in _OWN]

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises `UpstreamError` when it breaks off."""
        while True:
            try:
                piece = await self._source.read()
            except Exception as error:  # noqa: BLE001 - whatever the SDK's client raises, the SDK gets
                raise self._seen.failed(error) from None
            if not piece:
                return
            yield piece

    async def __aenter__(self) -> "SourceReply":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._source.close()


@dataclass(slots=True)
class Seen:
    """What became of one request, for the side that tells the SDK."""

    record: ExchangeRecord | None = None
    """The exchange, once it was stopped."""
    error: Exception | None = None
    """What the SDK's HTTP client raised."""
    status: int = 0
    """The status of the model's answer."""

    def failed(self, error: Exception) -> UpstreamError:
        """Keep the client's error for the SDK, and tell the endpoint of it."""
        self.error = error
        return UpstreamError(502, "upstream_failed", f"The request to the model failed: {type(error).__name__}.")

    @property
    def blocked(self) -> Blocked | None:
        """The error that tells of a stopped exchange."""
        return stopped(self.record) if self.record is not None else None


class _SourceUpstream(NoUpstream):
    """Sends through the SDK's HTTP client."""

    def __init__(self, source: Source, seen: Seen) -> None:
        self._source = source
        self._seen = seen

    async def send(self, method: str, path: str, body: bytes | None = None, **_: Any) -> Reply:  # noqa: ARG002
        """Send exactly `body` to where the SDK meant it to go."""
        try:
            status, headers = await self._source.send(body or b"")
        except Exception as error:  # noqa: BLE001 - whatever the SDK's client raises, the SDK gets
            raise self._seen.failed(error) from None
        self._seen.status = status
        return SourceReply(self._source, status, headers, self._seen)


class _Witness(Recorder):
    """Records as the recorder does, and notes whether the exchange was stopped."""

    def __init__(self, recorder: Recorder, seen: Seen) -> None:
        self._recorder = recorder
        self._seen = seen

    @property
    def well(self) -> bool:
        """As the recorder says."""
        return self._recorder.well

    @property
    def must_wait(self) -> bool:
        """As the recorder says."""
        return self._recorder.must_wait

    async def record(self, record: ExchangeRecord, *, released: bool = False) -> bool:
        """Note and write."""
        if record.fate.stopped:
            self._seen.record = record
        return await self._recorder.record(record, released=released)

    def note(self, record: ExchangeRecord) -> None:
        """Write when nobody waits for it."""
        self._recorder.note(record)


@dataclass(frozen=True, slots=True)
class Passage:
    """Runs one request through an endpoint. `send` takes ASGI messages; `gone` ends it early."""

    core: Core
    dialect: Dialect
    identity: Identity
    seen: Seen = field(default_factory=Seen)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, body: bytes, source: Source, send: Callable[[Any], Awaitable[None]]) -> None:
        """To the end, whatever it is: the endpoint answers errors too."""
        core = replace(
            self.core,
            upstream=_SourceUpstream(source, self.seen),
            recorder=_Witness(self.core.recorder, self.seen),
            door=Known(self.identity),
        )
        scope = {"type": "http", "method": "POST", "path": self.dialect.path, "headers": [], "query_string": b""}
        unread = [body]

        async def receive() -> Mapping[str, Any]:
            if unread:
                return {"type": "http.request", "body": unread.pop(), "more_body": False}
            await self.gone.wait()
            return {"type": "http.disconnect"}

        await Endpoint(core, self.dialect)(scope, receive, send)

    def verdict(self, status: int, refuse: bool) -> Exception | None:
        """What to raise in place of a response that begins with `status`; None where the response may go on."""
        if self.seen.record is not None:
            return None if refuse else self.seen.blocked
        if self.seen.error is not None:
            return self.seen.error
        if status >= 500 and self.seen.status < 400:
            return InspectionFailed("")  # its text is in the body
        return None


def explained(body: Any) -> SisfError:
    """The error that an endpoint's own error body tells of."""
    message = body.get("error", {}).get("message", "") if isinstance(body, Mapping) else ""
    return InspectionFailed(message or "the text could not be inspected")
