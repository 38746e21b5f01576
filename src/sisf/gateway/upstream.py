"""The model behind the gateway: what is sent to it, what of its answers a client may see, and the time limits."""

import asyncio
import math
import re
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import TracebackType
from urllib.parse import SplitResult, quote, urlsplit

from sisf import __version__
from sisf.errors import ConfigurationError, HttpFailure, quoted, reason
from sisf.gateway import encodings
from sisf.gateway.failures import upstream_failure
from sisf.gateway.http1 import Answer, Client, ConnectTimeout, Disconnected, Invalid, Unreachable
from sisf.gateway.refusals import about_the_key
from sisf.pipeline.deadlines import Deadlines
from sisf.settings import Upstream as UpstreamSettings
from sisf.settings.secrets import shown

_FORWARDED = frozenset(
    b"openai-beta openai-organization openai-project anthropic-version anthropic-beta idempotency-key http-referer"
    b" x-title x-request-id x-client-request-id traceparent tracestate".split()
)
_SECRETS = frozenset(b"authorization proxy-authorization x-api-key api-key cookie x-goog-api-key".split())
_OURS = frozenset(
    b"host content-length content-type transfer-encoding connection accept-encoding expect upgrade te trailer".split()
)
_VERSION = b"2023-06-01"
_REFUSED = (401, 403)
_REFUSAL_BYTES = 65_536
_NOT_RETURNED = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding"
    b" upgrade content-length content-encoding set-cookie set-cookie2 server date alt-svc strict-transport-security"
    b" www-authenticate authorization location content-location link refresh clear-site-data".split()
)
_OF_BROWSERS = (b"access-control-", b"content-security-policy", b"x-sisf-")
"""How headers begin that are the gateway's to send, or tell a browser what to do."""
ANSWERED = (200, 201)
"""Statuses of whole answers."""
_STALE_SECONDS = 1.0
_PLAIN = re.compile(r"[A-Za-z0-9/_.~-]*")
_deadlines = Deadlines()


class Reply:
    """An answer whose body has not been read yet. Close it: that cancels the upstream if it is still at work."""

    about_the_key = False
    """Whether it refuses the key that the request carried."""
    encoding = ""
    """What it was compressed with although told not to be; its body is read as if it had not been."""
    unreadable = False
    """Whether its body is compressed in a way that is not known here."""
    answer_timeout = math.inf
    """Seconds that the whole body may take."""
    _given: bytes | None = None
    """The body, where it was read to tell refusals apart."""

    def __init__(self, answer: Answer, settings: UpstreamSettings, *, has_key: bool) -> None:
        self._answer = answer
        self._idle = settings.idle_timeout
        self.answer_timeout = settings.answer_timeout
        self.has_key = has_key
        """Whether the request carried a key of ours."""
        self.status = answer.status
        self.media_type = answer.header(b"content-type").partition(";")[0].strip().lower()
        self.encoding = answer.header(b"content-encoding").strip().lower()
        self._inflater = None if encodings.plain(self.encoding) else encodings.inflater(self.encoding)
        self.unreadable = self._inflater is None and not encodings.plain(self.encoding)

        self.headers = [h for h in answer.headers if h[0] not in _NOT_RETURNED and not h[0].startswith(_OF_BROWSERS)]
        """Headers that a client may see."""

    def verify(self, *, answers_only: bool = False) -> None:
        """Raises `HttpFailure` for an answer that no client may see: unreadable, a redirect, or about our own key.

        `answers_only`: no success is understood but those of `ANSWERED`.
        """
        if self.unreadable:
            message = f"The upstream compressed its answer with {quoted(self.encoding, 40)}, which is not known here."
            raise upstream_failure(502, "upstream_encoded", message)
        if self.about_the_key:
            raise upstream_failure(502, "upstream_credentials", "The upstream refused the gateway's own credentials.")
        if 300 <= self.status < 400 or (answers_only and self.status < 300 and self.status not in ANSWERED):
            raise upstream_failure(502, "upstream_invalid", f"The upstream answered with the status {self.status}.")

    @property
    def date(self) -> str:
        """The time that the upstream's answer names; empty where it names none."""
        return dict(self._answer.headers).get(b"date", b"").decode("latin-1")

    async def tell_refusals_apart(self) -> None:
        """Read why our key, or what was asked, is refused. Raises `HttpFailure` as `read` does."""
        if not self.has_key or self.status not in _REFUSED:
            return
        if self.unreadable:
            self.about_the_key = True
            return
        self._given = await self.read(_REFUSAL_BYTES)
        self.about_the_key = about_the_key(self.status, self._given)

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises `HttpFailure` when it is cut short, stalls, takes too long, or is longer than `limit`
        bytes."""
        body, rest = await self.begin(limit)
        if rest is not None:
            raise upstream_failure(502, "upstream_too_large", f"The upstream's answer is larger than {limit} bytes.")
        return body

    async def begin(self, limit: int) -> tuple[bytes, AsyncIterator[bytes] | None]:
        """The whole body and None; of one longer than `limit` bytes its beginning, and the rest as it comes. Raises
        `HttpFailure` when it is cut short, stalls, or takes too long to come whole or to exceed `limit`."""
        pieces: list[bytes] = []
        size, chunks = 0, self.chunks()
        try:
            with _deadlines.within(self.answer_timeout):
                async for piece in chunks:
                    pieces.append(piece)
                    size += len(piece)
                    if size > limit:
                        break
        except TimeoutError:
            message = f"The upstream's answer did not come to its end within {self.answer_timeout:g} s."
            raise upstream_failure(504, "upstream_timeout", message) from None
        return pieces[0] if len(pieces) == 1 else b"".join(pieces), chunks if size > limit else None

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises `HttpFailure` when it is cut short or stalls."""
        if self._given is not None:
            yield self._given
            return
        if self._inflater is None:
            while piece := await self._next():
                yield piece
            return
        async for piece in self._inflated(self._inflater):
            yield piece

    async def _inflated(self, inflater: encodings.Inflater) -> AsyncIterator[bytes]:
        began = False
        try:
            while packed := await self._next():
                began = True
                for piece in inflater.feed(packed):
                    yield piece
                    await asyncio.sleep(0)  # a few bytes may inflate to many
        except encodings.Broken:
            message = f"The upstream's answer is not valid {self.encoding}, which its header says it is."
            raise upstream_failure(502, "upstream_encoded", message) from None
        if began and not inflater.complete:
            raise _cut_short()

    async def _next(self) -> bytes:
        try:
            piece = self._answer.at_once()
            if piece is None:
                with _deadlines.within(self._idle):
                    piece = await self._answer.read()
        except TimeoutError:
            raise upstream_failure(
                504, "upstream_timeout", f"The upstream sent nothing for {self._idle:g} s in the middle of an answer."
            ) from None
        except (Disconnected, Invalid):
            raise _cut_short() from None
        return piece

    async def __aenter__(self) -> "Reply":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._answer.close()


def _cut_short() -> HttpFailure:
    return upstream_failure(
        502, "upstream_disconnected", "The upstream closed the connection in the middle of an answer."
    )


_ENDPOINT = re.compile(r"(/chat/completions|(?<=/v1)/(responses|messages|completions|embeddings|models))/*$")
"""What is pasted from documentation in place of a base URL: each request would be sent to a path below it."""


class Upstream:
    """One OpenAI-compatible API. Create and close it on the event loop that uses it."""

    def __init__(self, settings: UpstreamSettings, name: str = "default") -> None:
        url = urlsplit(settings.url)
        if endpoint := _ENDPOINT.search(url.path):
            base = shown(settings.url).removesuffix(endpoint[0])
            raise ConfigurationError(
                f"upstream.url: {quoted(shown(settings.url))} is one endpoint; the base URL of all is {quoted(base)}"
            )
        if not _is_base(url):
            raise ConfigurationError(
                f"upstream.url: {quoted(shown(settings.url))} is not a base URL such as http://127.0.0.1:8000/v1"
            )
        if url.username or url.password:
            raise ConfigurationError("upstream.url: put the key into upstream.api_key, not into the URL")
        self.name = name
        self.settings = settings
        self._path = url.path.rstrip("/")
        self._key = _key(settings)
        self._fixed = {
            b"host": url.netloc.encode("ascii"),
            b"user-agent": f"sisf/{__version__}".encode(),
            b"accept": b"*/*",
            b"accept-encoding": b"identity",
        }
        self._anthropic = settings.api == "anthropic" or (
            settings.api == "auto" and url.hostname is not None and url.hostname.endswith("anthropic.com")
        )
        if self._anthropic:
            self._fixed[b"anthropic-version"] = _VERSION
        if self._key:
            key = self._key.encode("latin-1")
            self._fixed |= {b"x-api-key": key} if self._anthropic else {b"authorization": b"Bearer " + key}
        self._forwarded = _forwarded(settings)
        self._client = _client(url, settings)

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
        """Send exactly `body`. Raises `HttpFailure` when no HTTP answer begins in time."""
        headers = self._fixed.copy()
        headers[b"content-type"] = media_type.encode("latin-1") if media_type else b"application/json"
        if self._key and (path.startswith("/messages") or (client_headers and b"anthropic-version" in client_headers)):
            headers[b"x-api-key"] = self._key.encode("latin-1")
        if client_headers:
            for name in self._forwarded & client_headers.keys():
                headers[name] = client_headers[name]
        target = self._path + (path if _PLAIN.fullmatch(path) else quote(path))
        started = time.monotonic()
        try:
            request = _request(method, f"{target}?{query}" if query else target, headers, body)
            try:
                return await self._attempt(request)
            except Disconnected as error:
                if not error.stale or time.monotonic() - started > _STALE_SECONDS:
                    raise
            return await self._attempt(request)
        except (TimeoutError, OSError, ValueError) as error:
            raise _translated(error, self.settings) from None

    async def _attempt(self, request: bytes) -> Reply:
        with _deadlines.within(self.settings.first_byte_timeout):
            answer = await self._client.send(request)
        reply = Reply(answer, self.settings, has_key=bool(self._key))
        try:
            await reply.tell_refusals_apart()
        except BaseException:
            answer.close()
            raise
        return reply

    async def close(self) -> None:
        """Close all connections. Idempotent."""
        self._client.close()


def _forwarded(settings: UpstreamSettings) -> frozenset[bytes]:
    """Names of the client's headers that go upstream. Raises `ConfigurationError` for one that must not."""
    named = frozenset(name.strip().lower().encode("ascii", "replace") for name in settings.client_headers)
    if wrong := sorted(named & (_SECRETS | _OURS)):
        raise ConfigurationError(f"upstream.client_headers: {quoted(wrong[0].decode())} is never a client's to set")
    return _FORWARDED | named


def _is_base(url: SplitResult) -> bool:
    try:
        port = url.port
    except ValueError:
        return False
    right = url.scheme in ("http", "https") and bool(url.hostname) and port != 0
    return right and not (url.query or url.fragment) and url.geturl().isascii() and url.geturl().isprintable()


def _request(method: str, target: str, headers: Mapping[bytes, bytes], body: bytes | None) -> bytes:
    """The bytes of a request. Raises `ValueError` for a header that could be read as two."""
    head = b"".join(b"\r\n%b: %b" % header for header in headers.items())
    if head.count(b"\r") + head.count(b"\n") != 2 * len(headers):
        raise ValueError("a line break in a header")
    if body is None:
        return b"%b %b HTTP/1.1%b\r\n\r\n" % (method.encode(), target.encode(), head)
    return b"%b %b HTTP/1.1%b\r\ncontent-length: %d\r\n\r\n%b" % (
        method.encode(),
        target.encode(),
        head,
        len(body),
        body,
    )


def _client(url: SplitResult, settings: UpstreamSettings) -> Client:
    secure = url.scheme == "https"
    tls = _tls(settings) if secure or settings.ca_file or settings.client_cert else None
    return Client(
        url.hostname or "",
        url.port or (443 if secure else 80),
        tls=tls if secure else None,
        server_name=settings.tls_server_name or None,
        connect_timeout=settings.connect_timeout,
    )


def _key(settings: UpstreamSettings) -> str:
    if not settings.api_key_file:
        return settings.api_key.get_secret_value()
    try:
        return Path(settings.api_key_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"upstream.api_key_file: {settings.api_key_file}: cannot be read: {reason(error)}"
        ) from None


def _tls(settings: UpstreamSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"upstream.ca_file: {settings.ca_file}: cannot be used: {reason(error)}") from None
    context.set_alpn_protocols(["http/1.1"])
    if settings.client_cert:
        try:
            # An empty password: a sealed key is one clear error, not a question on the terminal.
            context.load_cert_chain(settings.client_cert, settings.client_key or None, password="")
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"upstream.client_cert: {settings.client_cert}: cannot be used: {reason(error)}"
            ) from None
    return context


def _translated(error: BaseException, settings: UpstreamSettings) -> HttpFailure:
    status, code, message, why = _told(error, settings)
    return upstream_failure(status, f"upstream_{code}", message, why=f"{settings.url}: {why or message}")


def _told(error: BaseException, settings: UpstreamSettings) -> tuple[int, str, str, str]:
    """The status, what is wrong, what clients are told, and why, where that is known."""
    match error:
        case ConnectTimeout():
            return 504, "timeout", f"The upstream took no connection within {settings.connect_timeout:g} s.", ""
        case TimeoutError():
            return 504, "timeout", f"The upstream did not begin to answer in {settings.first_byte_timeout:g} s.", ""
        case Unreachable():
            return (
                502,
                "unreachable",
                "The upstream is unreachable: no connection could be made.",
                f"unreachable, {error}",
            )
        case OSError():
            return 502, "disconnected", "The upstream closed the connection without an answer.", ""
        case _:
            return 502, "invalid", "The upstream's answer is not valid HTTP.", ""
