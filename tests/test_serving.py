"""The server under every application: half-open requests end."""

import socket
from typing import Any

import pytest

from sisf.serving import Background, is_loopback

HEAD = b"POST / HTTP/1.1\r\nhost: x\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.mark.parametrize(
    "sent", [b"", b"POST / HT", HEAD + b"x-a: ", HEAD + b"content-length: 10\r\n\r\n12345"], ids=range(4)
)
def test_what_does_not_arrive_is_closed(sent: bytes) -> None:
    with Background(app, read_seconds=0.2) as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as client:
            client.sendall(sent)
            said = client.recv(1000)
            assert said == b"" or said.startswith(b"HTTP/1.1 408 ")


def test_what_arrives_is_answered_again_and_again() -> None:
    with Background(app, read_seconds=5) as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as client:
            for _ in range(3):
                client.sendall(HEAD + b"content-length: 2\r\n\r\nhi")
                received = b""
                while not received.endswith(b"ok"):
                    received += client.recv(1000)
                assert received.startswith(b"HTTP/1.1 200 ")


def test_what_only_the_own_machine_reaches() -> None:
    found = {host: is_loopback(host) for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost", "0.0.0.0", "::", "x")}
    assert [host for host, local in found.items() if local] == ["127.0.0.1", "127.8.8.8", "::1", "localhost"]
