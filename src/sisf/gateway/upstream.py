"""The model behind the gateway, over HTTP. The only module that knows the HTTP client."""

import ssl
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

import aiohttp

from sisf import __version__
from sisf.errors import ConfigurationError
from sisf.gateway.deadline import Deadlines
from sisf.settings import Upstream as UpstreamSettings

_FORWARDED = frozenset((b"openai-beta", b"anthropic-version", b"anthropic-beta", b"x-request-id", b"traceparent"))
_NOT_RETURNED = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding"
    b" upgrade content-length content-encoding set-cookie set-cookie2 server date alt-svc strict-transport-security"
    b" www-authenticate authorization".split()
)
_STALE_SECONDS = 1.0


class UpstreamError(Exception):
    """The upstream did not answer as an HTTP server should. `status` and `code` are for the client."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class Reply:
    """An answer whose body has not been read yet. Close it: that cancels the upstream if it is still at work."""

    def __init__(self, response: aiohttp.ClientResponse, idle: float, deadlines: Deadlines, *, has_key: bool) -> None:
        self._response = response
        self._idle = idle
        self._deadlines = deadlines
        self.has_key = has_key
        """Whether the request carried a key of ours."""
        self.status = response.status
        self.media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        self.encoded = response.headers.get("content-encoding", "identity").lower() != "identity"

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Headers that a client may see."""
        return [
            (low, value)
            for name, value in self._response.raw_headers
            if (low := name.lower()) not in _NOT_RETURNED and not low.startswith(b"x-sisf-")
        ]

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises `UpstreamError` when it is cut short, stalls, or is longer than `limit` bytes."""
        pieces: list[bytes] = []
        size = 0
        async for piece in self.chunks():
            size += len(piece)
            if size > limit:
                raise UpstreamError(502, "upstream_too_large", f"The upstream's answer is larger than {limit} bytes.")
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises `UpstreamError` when it is cut short or stalls."""
        content = self._response.content
        while not content.at_eof():
            try:
                with self._deadlines.within(self._idle):
                    piece = await content.readany()
            except TimeoutError:
                raise UpstreamError(
                    504,
                    "upstream_timeout",
                    f"The upstream sent nothing for {self._idle:g} s in the middle of an answer.",
                ) from None
            except (aiohttp.ClientError, OSError):
                raise UpstreamError(
                    502, "upstream_disconnected", "The upstream closed the connection in the middle of an answer."
                ) from None
            if not piece:
                return
            yield piece

    async def __aenter__(self) -> "Reply":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._response.close() if not self._response.content.at_eof() else self._response.release()


class Upstream:
    """One OpenAI-compatible API. Create and close it on the event loop that uses it."""

    def __init__(self, settings: UpstreamSettings, name: str = "default") -> None:
        url = urlsplit(settings.url)
        if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment:
            raise ConfigurationError(
                f"upstream.url: {settings.url!r} is not a base URL such as http://127.0.0.1:8000/v1"
            )
        if url.username or url.password:
            raise ConfigurationError("upstream.url: put the key into upstream.api_key, not into the URL")
        self.name = name
        self.settings = settings
        self._base = settings.url.rstrip("/")
        self._fixed = {
            "content-type": "application/json",
            "user-agent": f"sisf/{__version__}",
            "accept-encoding": "identity",
        }
        key = _key(settings)
        self._key = key
        self._tls = _tls(settings)
        self._server_name = settings.tls_server_name or None
        if key:
            self._fixed["authorization"] = f"Bearer {key}"
        self._session: aiohttp.ClientSession | None = None
        self._deadlines = Deadlines()

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=60, keepalive_timeout=30, ssl=self._tls),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self.settings.connect_timeout),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("accept-encoding", "user-agent"),
                trust_env=False,
                read_bufsize=1 << 17,
            )
        return self._session

    async def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        client_headers: Mapping[bytes, bytes] | None = None,
        query: str = "",
        media_type: str = "",
    ) -> Reply:
        """Send exactly `body`. Raises `UpstreamError` when no HTTP answer begins in time."""
        headers = self._fixed.copy()
        if media_type:
            headers["content-type"] = media_type
        if path == "/messages" and self._key:
            headers["x-api-key"] = self._key
        if client_headers:
            for name in _FORWARDED & client_headers.keys():
                headers[name.decode("latin-1")] = client_headers[name].decode("latin-1")
        url = f"{self._base}{path}?{query}" if query else self._base + path
        started = time.monotonic()
        try:
            return await self._attempt(method, url, body, headers)
        except (aiohttp.ServerDisconnectedError, ConnectionResetError) as error:
            # An idle connection may be closed by the other side in the very moment it is used again.
            if time.monotonic() - started > _STALE_SECONDS:
                raise _translated(error, self.settings) from None
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise _translated(error, self.settings) from None
        try:
            return await self._attempt(method, url, body, headers)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise _translated(error, self.settings) from None

    async def _attempt(self, method: str, url: str, body: bytes | None, headers: dict[str, str]) -> Reply:
        with self._deadlines.within(self.settings.first_byte_timeout):
            response = await self._client().request(
                method, url, data=body, headers=headers, allow_redirects=False, server_hostname=self._server_name
            )
        return Reply(response, self.settings.idle_timeout, self._deadlines, has_key=bool(self._key))

    async def close(self) -> None:
        """Close all connections. Idempotent."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _key(settings: UpstreamSettings) -> str:
    if not settings.api_key_file:
        return settings.api_key.get_secret_value()
    try:
        return Path(settings.api_key_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"upstream.api_key_file: {settings.api_key_file}: cannot be read: {error}") from None


def _tls(settings: UpstreamSettings) -> ssl.SSLContext | bool:
    if not (settings.ca_file or settings.client_cert):
        return True
    try:
        context = ssl.create_default_context(cafile=settings.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"upstream.ca_file: {settings.ca_file}: cannot be used: {error}") from None
    if settings.client_cert:
        try:
            # An empty password: a sealed key is one clear error, not a question on the terminal.
            context.load_cert_chain(settings.client_cert, settings.client_key or None, password="")
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(f"upstream.client_cert: {settings.client_cert}: cannot be used: {error}") from None
    return context


def _translated(error: BaseException, settings: UpstreamSettings) -> UpstreamError:
    match error:
        case aiohttp.ConnectionTimeoutError():
            return UpstreamError(
                504, "upstream_timeout", f"The upstream took no connection within {settings.connect_timeout:g} s."
            )
        case TimeoutError():
            return UpstreamError(
                504, "upstream_timeout", f"The upstream did not begin to answer in {settings.first_byte_timeout:g} s."
            )
        case aiohttp.ClientConnectorError():
            return UpstreamError(
                502, "upstream_unreachable", "The upstream is unreachable: no connection could be made."
            )
        case aiohttp.ServerDisconnectedError() | ConnectionResetError() | aiohttp.ClientOSError():
            return UpstreamError(502, "upstream_disconnected", "The upstream closed the connection without an answer.")
        case _:
            return UpstreamError(502, "upstream_invalid", "The upstream's answer is not valid HTTP.")
