"""Nothing of a connection stays in memory when it has ended, however it ended, without a collection of all garbage.

Requests cause such a collection seldom (`sisf.serving.settle`): what is held in circles until then is memory that one
client can fill.
"""

import asyncio
import gc
import json
import socket
import struct
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from sisf.gateway import http1
from sisf.serving import connections
from sisf.testing import Failure, ScriptedServer, chat_events, wait_until
from tests.gateway.conftest import Rig, chat, rig

TIMES = 12
_RESET = struct.pack("ii", 1, 0)
_LONG = chat_events(["word " * 2_000] * 60)
_OURS = ("sisf.", "uvicorn.", "uvloop.", "_asyncio.", "asyncio.", "httptools.")
Ending = Callable[[socket.socket], None]


def head(*fields: str, path: str = "/v1/chat/completions", method: str = "POST") -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: localhost", *fields, "", "")).encode()


def request(body: Any, path: str = "/v1/chat/completions") -> bytes:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return head("Content-Type: application/json", f"Content-Length: {len(raw)}", path=path) + raw


def answered(opened: socket.socket) -> None:
    opened.settimeout(30)
    assert opened.recv(65_536)


def to_the_end(opened: socket.socket) -> None:
    opened.settimeout(30)
    with suppress(ConnectionError):
        while opened.recv(65_536):
            pass


def half_closed(opened: socket.socket) -> None:
    opened.shutdown(socket.SHUT_WR)
    to_the_end(opened)


def reset(opened: socket.socket) -> None:
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def answered_then_reset(opened: socket.socket) -> None:
    answered(opened)
    reset(opened)


def left(_: socket.socket) -> None:
    """Closed at once."""


SENT: dict[str, tuple[bytes, Ending]] = {
    "nothing": (b"", left),
    "nothing, reset": (b"", reset),
    "half a head": (head("A: b")[:-9], left),
    "half a body": (head("Content-Length: 3000") + b"{" * 1_000, left),
    "half a body, reset": (head("Content-Length: 3000") + b"{" * 1_000, reset),
    "a body that is waited for": (head("Content-Length: 3000", "Expect: 100-continue"), answered),
    "no HTTP": (b"\x00\xff" * 90, to_the_end),
    "a coding that is not known": (head("Transfer-Encoding: gzip, chunked"), to_the_end),
    "a long head": (head("A: " + "b" * 70_000), to_the_end),
    "answered": (request(chat("hi")), answered),
    "answered, reset": (request(chat("hi")), answered_then_reset),
    "half closed": (request(chat("hi")), half_closed),
    "left": (request(chat("hi")), left),
    "left, reset": (request(chat("hi")), reset),
    "refused": (request({"model": "m"}), answered_then_reset),
    "not UTF-8": (request(b'{"a":"' + b"\xff" * 90_000), answered),
    "large": (request(chat("word " * 9_000)), left),
    "ahead of their turn": (request(chat("hi")) * 20, left),
    "a stream": (request(chat("hi", stream=True)), answered),
    "a stream, reset": (request(chat("hi", stream=True)), answered_then_reset),
    "a stream, left": (request(chat("hi", stream=True)), left),
    "a check": (request({"text": "hi"}, path="/v1/check"), left),
    "moderations": (request({"input": ["hi"] * 50}, path="/v1/moderations"), left),
    "models": (head(path="/v1/models", method="GET"), left),
    "figures": (head(path="/metrics", method="GET"), left),
    "an endpoint that there is not": (head(path="/x", method="GET"), answered),
}


class Made:
    """What was made of the server's connections while collecting garbage is off."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._refs: list[weakref.ref[Any]] = []
        for kind in (connections._Protocol, http1._Link):
            monkeypatch.setattr(kind, "__init__", self._noted(kind.__init__))

    def _noted(self, init: Callable[..., None]) -> Callable[..., None]:
        def noted(made: Any, *given: Any, **named: Any) -> None:
            self._refs.append(weakref.ref(made))
            init(made, *given, **named)

        return noted

    def left(self) -> list[Any]:
        """Connections that are in memory; one may be kept for the next request to an upstream."""
        return [
            made for made in (ref() for ref in self._refs) if made is not None and not getattr(made, "usable", None)
        ]


def in_circles() -> dict[str, int]:
    """What only a collection of all garbage frees, by its type."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        names = Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    return {name: count for name, count in names.items() if name.startswith(_OURS) and count >= TIMES // 2}


def sent(gateway: Rig, data: bytes, end: Ending) -> None:
    host, _, port = gateway.url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=30) as opened:
        with suppress(ConnectionError):  # what is refused before all of it was sent
            opened.sendall(data)
        end(opened)


def nothing_stays(gateway: Rig, made: Made, data: bytes, end: Ending) -> None:
    gc.collect()
    gc.disable()
    try:
        for _ in range(TIMES):
            sent(gateway, data, end)
        assert wait_until(lambda: not made.left(), seconds=20)
        assert wait_until(lambda: gateway.app.core.metrics.in_flight == 0)
        assert in_circles() == {}
    finally:
        gc.enable()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    return Made(monkeypatch)


@pytest.fixture(scope="module")
def gateway() -> Iterator[Rig]:
    with rig(ScriptedServer(events=_LONG)) as made:
        yield made


@pytest.mark.parametrize("name", SENT)
def test_nothing_of_a_connection_stays(gateway: Rig, made: Made, name: str) -> None:
    nothing_stays(gateway, made, *SENT[name])


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("end", [answered, left])
@pytest.mark.parametrize(
    "failure", [failure for failure in Failure if failure not in (Failure.NONE, Failure.SLOW, Failure.TRICKLE)]
)
def test_nothing_of_an_upstream_that_fails_stays(made: Made, failure: Failure, end: Ending, stream: bool) -> None:
    timeouts = {f"upstream__{name}_timeout": 0.1 for name in ("first_byte", "idle", "connect")}
    with rig(ScriptedServer(failure=failure), upstream__breaker_failures=1_000, **timeouts) as gateway:
        nothing_stays(gateway, made, request(chat("hi", stream=stream)), end)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/check"])
def test_a_request_that_waits_for_its_turn_ends_with_its_client(
    gateway: Rig, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    began, ended = threading.Event(), threading.Event()

    async def never(_: object) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    def waiting(_: socket.socket) -> None:
        assert began.wait(20)

    monkeypatch.setattr(gateway.app.core.pipeline.breath, "draw", never)
    sent(gateway, request(chat("hi"), path=path), waiting)
    assert ended.wait(20)
