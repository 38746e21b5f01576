"""The client of upstreams, against servers that send exactly the bytes that a test says."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sisf.gateway.http1 import Answer, Client, ConnectTimeout, Disconnected, Invalid, Unreachable

REQUEST = b"GET / HTTP/1.1\r\nhost: test\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Server:
    """Answers each request with the next script: pieces sent one after the other; None closes."""

    def __init__(self, *scripts: list[bytes | None]) -> None:
        self.scripts = list(scripts)
        self.connections = 0
        self.gone = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                for piece in self.scripts.pop(0):
                    if piece is None:
                        return
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0.005)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.gone.set()
        finally:
            writer.close()


@asynccontextmanager
async def served(*scripts: list[bytes | None]) -> AsyncIterator[tuple[Server, Client]]:
    made = Server(*scripts)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    client = Client("127.0.0.1", server.sockets[0].getsockname()[1])
    try:
        yield made, client
    finally:
        client.close()
        server.close()


async def whole(answer: Answer) -> bytes:
    pieces = []
    while piece := await answer.read():
        pieces.append(piece)
    answer.close()
    return b"".join(pieces)


def on_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def run() -> None:
        asyncio.run(asyncio.wait_for(test(), 20))

    run.__name__ = test.__name__
    return run


def exchanged(*scripts: list[bytes | None], times: int = 1) -> tuple[list[tuple[int, bytes]], int]:
    """Status and body of so many exchanges, and how many connections they took."""

    async def run() -> tuple[list[tuple[int, bytes]], int]:
        async with served(*scripts) as (server, client):
            found = []
            for _ in range(times):
                answer = await client.send(REQUEST)
                found.append((answer.status, await whole(answer)))
                await asyncio.sleep(0.02)
            return found, server.connections

    return asyncio.run(asyncio.wait_for(run(), 20))


@pytest.mark.parametrize(
    ("script", "body"),
    [
        ([OK], b"ok"),
        ([OK[:9], OK[9:30], OK[30:-1], OK[-1:]], b"ok"),
        ([CHUNKED + b"2\r\nok\r\n0\r\n\r\n"], b"ok"),
        ([CHUNKED, b"1\r\no\r\n", b"1\r\nk\r\n0\r\nx-trailer: 1\r\n\r\n"], b"ok"),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK], b"ok"),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], b""),
    ],
)
def test_framed_answers_leave_their_connection_usable(script: list[bytes | None], body: bytes) -> None:
    found, connections = exchanged(script, [OK], times=2)
    assert [answer[1] for answer in found] == [body, b"ok"]
    assert connections == 1


@pytest.mark.parametrize(
    ("script", "body"),
    [
        ([b"HTTP/1.1 200 OK\r\n\r\nuntil", b" the end", None], b"until the end"),
        ([b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok"], b"ok"),
        ([b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"], b"ok"),
        ([OK + b"more than it said"], b"ok"),
        ([OK + OK], b"ok"),
        ([OK, b"HTTP/1.1 200 OK\r\n"], b"ok"),
    ],
)
def test_connections_in_doubt_are_not_used_again(script: list[bytes | None], body: bytes) -> None:
    found, connections = exchanged(script, [OK], times=2)
    assert [answer[1] for answer in found] == [body, b"ok"]
    assert connections == 2


CODINGS = (
    b"gzip, chunked",
    b"gzip\r\ntransfer-encoding: chunked",
    b"chunked, chunked",
    b"identity, chunked",
    b"xchunked",
    b"gzip",
    b"chunked;a=b",
    b"",
)
"""Of transfer codings none but `chunked`, and that once, is decoded."""


@pytest.mark.parametrize(
    "script",
    [
        [b"not HTTP at all\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok!"],
        [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\nx: " + b"a" * 70_000],
        [b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"],
        [CHUNKED + b"nonsense\r\n"],
        *([CHUNKED.replace(b": chunked", b": " + coding) + b"2\r\nok\r\n0\r\n\r\n"] for coding in CODINGS),
        [CHUNKED + b"2\r\nok\r\n0\r\n", *[b"x-trailer: 1\r\n" * 1_000] * 20],
        [CHUNKED + b"2;", *[b"a" * 10_000] * 20],
        *([b"HTTP/1.1 %d Odd\r\ncontent-length: 2\r\n\r\nok" % status] for status in (0, 99, 600, 999)),
    ],
)
def test_what_is_no_answer_is_invalid(script: list[bytes | None]) -> None:
    with pytest.raises(Invalid):
        exchanged(script)


@pytest.mark.parametrize("sent", [OK[:-1], CHUNKED + b"2\r\nok\r\n", OK[:20], b""])
def test_an_answer_cut_short_is_noticed(sent: bytes) -> None:
    with pytest.raises(Disconnected) as caught:
        exchanged([sent, None])
    assert not caught.value.stale


@on_loop
async def test_a_kept_connection_that_ends_when_it_is_used_is_called_stale() -> None:
    async with served([OK], [None]) as (_, client):
        await whole(await client.send(REQUEST))
        with pytest.raises(Disconnected) as caught:
            await client.send(REQUEST)
        assert caught.value.stale


@on_loop
async def test_a_kept_connection_that_ended_meanwhile_is_not_used() -> None:
    async with served([OK, None], [OK]) as (server, client):
        await whole(await client.send(REQUEST))
        await asyncio.sleep(0.05)
        assert await whole(await client.send(REQUEST)) == b"ok"
        assert server.connections == 2


@on_loop
async def test_an_answer_let_go_or_cancelled_ends_its_connection() -> None:
    async with served([CHUNKED, b"2\r\nok\r\n", *[b"2\r\nok\r\n"] * 4000]) as (server, client):
        (await client.send(REQUEST)).close()
        await asyncio.wait_for(server.gone.wait(), 5)
    async with served([]) as (server, client):
        asking = asyncio.create_task(client.send(REQUEST))
        await asyncio.sleep(0.05)
        asking.cancel()
        await asyncio.wait_for(server.gone.wait(), 5)


@on_loop
async def test_a_body_that_nobody_reads_is_not_taken_in() -> None:
    async with served([CHUNKED, *[b"10000\r\n" + b"x" * 65536 + b"\r\n"] * 400, b"0\r\n\r\n"]) as (server, client):
        answer = await client.send(REQUEST)
        await asyncio.sleep(0.3)
        held = answer.at_once()
        assert held is not None
        assert len(held) < 1 << 20
        assert len(held) + len(await whole(answer)) == 400 * 65536
        assert server.connections == 1


@on_loop
async def test_no_connection() -> None:
    closed = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = closed.sockets[0].getsockname()[1]
    closed.close()
    await closed.wait_closed()
    with pytest.raises(Unreachable):
        await Client("127.0.0.1", port).send(REQUEST)
    with pytest.raises(Unreachable):
        await Client("name.invalid", 80).send(REQUEST)


@on_loop
async def test_a_handshake_that_nobody_answers_ends_in_time() -> None:
    async with served() as (_, client):
        secure = Client("127.0.0.1", client._port, tls=ssl.create_default_context(), connect_timeout=0.1)
        with pytest.raises(ConnectTimeout):
            await secure.send(REQUEST)
