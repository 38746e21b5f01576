"""Who is behind a connection, as trusted proxies say it before the first byte."""

import socket
import struct
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sisf.serving import Background
from sisf.serving.proxy_protocol import Header, read
from tests.test_serving import HEAD, app

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def version_2(client: str, port: int = 5000, *, command: int = 0x21, more: bytes = b"") -> bytes:
    address = ip_address(client)
    family = 0x11 if address.version == 4 else 0x21
    body = address.packed * 2 + struct.pack("!HH", port, 443) + more
    return SIGNATURE + struct.pack("!BBH", command, family, len(body)) + body


def version_1(client: str, port: int = 5000) -> bytes:
    return f"PROXY TCP{ip_address(client).version} {client} {client} {port} 443\r\n".encode()


@given(st.ip_addresses().map(str), st.integers(0, 65535), st.binary(max_size=40))
def test_both_versions_are_read_however_they_come(client: str, port: int, rest: bytes) -> None:
    for whole in (version_1(client, port), version_2(client, port, more=b"\x04\0\1x")):
        assert read(whole + rest) == Header((client, port), len(whole))
        assert all(read(whole[:end]) is None for end in range(1, len(whole)))


def test_proxies_may_speak_for_themselves() -> None:
    local = version_2("10.0.0.1", command=0x20)
    assert read(local) == Header(None, len(local))
    assert read(b"PROXY UNKNOWN ::1 ::1 1 2\r\nGET") == Header(None, 27)
    unix = SIGNATURE + struct.pack("!BBH", 0x21, 0x31, 3) + b"abc"
    assert read(unix + b"GET") == Header(None, len(unix))


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"PROXY TCP4 ::1 ::1 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 70000\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n",
        b"PROXY TCP4 here there 1 2\r\n",
        b"PROXY " + b"x" * 200,
        SIGNATURE + struct.pack("!BBH", 0x31, 0x11, 12) + bytes(12),
        SIGNATURE + struct.pack("!BBH", 0x21, 0x11, 4) + bytes(4),
        SIGNATURE + struct.pack("!BBH", 0x21, 0x11, 60_000),
    ],
    ids=range(10),
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(data)


@given(st.binary(max_size=60))
def test_no_bytes_do_anything_else(data: bytes) -> None:
    for begin in (b"", SIGNATURE, b"PROXY "):
        try:
            found = read(begin + data)
        except ValueError:
            continue
        assert found is None or found.length <= len(begin + data)


def ask(server: Background, *sent: bytes) -> bytes:
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as client:
        for piece in sent:
            client.sendall(piece)
        return client.recv(1000)


def test_the_application_sees_who_is_behind_a_trusted_proxy_and_believes_nobody_else() -> None:
    seen = []

    async def noting(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        if scope["type"] == "http":
            seen.append(scope["client"])
        await app(scope, receive, send)

    request = HEAD + b"content-length: 2\r\n\r\nhi"
    with Background(noting, proxied=lambda peer: peer == "127.0.0.1") as server:
        header = version_2("203.0.113.9")
        for pieces in ([version_1("203.0.113.9") + request], [header[:7], header[7:], request]):
            assert ask(server, *pieces).startswith(b"HTTP/1.1 200 ")
        assert ask(server, request) == b""
    assert seen == [("203.0.113.9", 5000)] * 2
    with Background(noting, proxied=lambda _: False) as server:
        assert ask(server, version_1("203.0.113.9") + request).startswith(b"HTTP/1.1 400 ")
        assert ask(server, request).startswith(b"HTTP/1.1 200 ")
    assert seen[2][0] == "127.0.0.1"
