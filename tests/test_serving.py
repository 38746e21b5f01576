"""The server under every application: half-open requests end."""

import asyncio
import contextlib
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import sisf
from sisf.serving import Background, bind, connections, is_loopback, uvicorn_server
from sisf.serving.accepting import Acceptor, Queue
from sisf.serving.room import Room, most_connections

HEAD = b"POST / HTTP/1.1\r\nhost: x\r\n"


LEFT = threading.Event()
"""Set when an application heard that its client is gone."""


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
    if scope["path"] == "/slow" and await gone_within(receive, 0.3):
        return
    if scope["path"] == "/never" and await gone_within(receive, 60):
        LEFT.set()
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def gone_within(receive: Any, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return bool((await receive())["type"] == "http.disconnect")
    except TimeoutError:
        return False


def talk(server: Background, *sent: bytes) -> bytes:
    """What a client hears that closes its own side once it has sent all."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as client:
        for piece in sent:
            client.sendall(piece)
        client.shutdown(socket.SHUT_WR)
        heard = b""
        while piece := client.recv(1000):
            heard += piece
        return heard


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


@pytest.mark.parametrize("path", [b"/", b"/slow"])
def test_a_client_may_close_its_own_side_and_wait_for_the_answer(path: bytes) -> None:
    request = b"POST " + path + b" HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi"
    with Background(app) as server:
        for count in (1, 3):
            heard = talk(server, request * count)
            assert heard.count(b"HTTP/1.1 200 ") == heard.count(b"\r\n\r\nok") == count
            assert heard.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"").startswith(b"HTTP/1.1 200 ")


def test_a_client_that_is_gone_before_its_answer_is_noticed() -> None:
    LEFT.clear()
    with Background(app) as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as client:
            client.sendall(b"POST /never HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi")
        assert LEFT.wait(30)


def test_interim_responses_are_for_who_knows_them() -> None:
    for version, heard in ((b"1.1", b"HTTP/1.1 100 Continue"), (b"1.0", b"HTTP/1.1 200 OK")):
        request = b"POST / HTTP/" + version + b"\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n"
        with Background(app) as server:
            host, port = server.url.removeprefix("http://").split(":")
            with socket.create_connection((host, int(port)), timeout=20) as client:
                client.sendall(request + b"hi")
                assert client.recv(1000).startswith(heard)


def test_half_a_request_at_the_end_is_closed() -> None:
    with Background(app) as server:
        assert talk(server, HEAD + b"content-length: 10\r\n\r\n12345") == b""
        assert talk(server, b"") == b""


CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n"
PIECE = 20_000


@pytest.mark.parametrize(
    ("begins", "goes_on"),
    [
        (b"POST /", b"a" * PIECE),
        (b"POST / HTTP/1.1\r\nhost: x\r\nx-a: ", b"a" * PIECE),
        (HEAD, b"a" * PIECE),
        (HEAD, b"x-a: b\r\n" * (PIECE // 8)),
        (HEAD, b"a:\r\n" * (PIECE // 4)),
        (CHUNKED + b"0\r\n", b"x-a: b\r\n" * (PIECE // 8)),
        (CHUNKED + b"2;a=", b"b" * PIECE),
    ],
    ids=["target", "value", "name", "fields", "short fields", "trailers", "chunk extension"],
)
def test_a_head_without_end_is_ended(begins: bytes, goes_on: bytes) -> None:
    """The parser holds whatever comes: a client could fill the memory without ever asking for anything."""
    with Background(app, read_seconds=60) as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as client:
            client.sendall(begins)
            heard = b""
            try:
                for _ in range(2_000):
                    client.sendall(goes_on)
                raise AssertionError("40 MB were taken")
            except ConnectionError:
                pass
            try:
                heard = client.recv(1000)
            except ConnectionError:
                return  # the reset came before the answer
            assert not heard or heard.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))


async def measure(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the length of the body, and in how many pieces it came to the application."""
    if scope["type"] == "lifespan":
        await app(scope, receive, send)
        return
    length, pieces, more = 0, 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        length, pieces, more = length + len(message["body"]), pieces + 1, message["more_body"]
    said = b"%d in %d" % (length, pieces)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(said))]})
    await send({"type": "http.response.body", "body": said})


def _chunked(size: int, count: int) -> bytes:
    return HEAD + b"transfer-encoding: chunked\r\n\r\n" + b"%x\r\n%b\r\n" % (size, b"a" * size) * count + b"0\r\n\r\n"


@pytest.mark.parametrize(("size", "count"), [(1, 3_000), (6, 50_000), (100, 5_000), (100_000, 10)])
def test_a_body_may_come_in_many_pieces(size: int, count: int) -> None:
    with Background(measure) as server:
        heard = talk(server, _chunked(size, count) + _chunked(1, 2))
        first, second = (answer.partition(b"\r\n\r\n")[2] for answer in heard.split(b"HTTP/1.1 200 OK")[1:])
        length, _, pieces = first.partition(b" in ")
        assert int(length) == size * count
        assert second.startswith(b"2 in ")
        # what arrived together is handed on together, or each piece would copy all that came before it
        assert int(pieces) <= 10 + size * count // 1_000


def test_pieces_of_next_to_nothing_are_ended() -> None:
    """A million pieces of one byte would take seconds of the event loop."""
    with Background(app, read_seconds=60) as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as client:
            client.sendall(HEAD + b"transfer-encoding: chunked\r\n\r\n")
            sent = 0
            with contextlib.suppress(ConnectionError):
                while sent < 1_000:
                    client.sendall(b"1\r\na\r\n" * 1_000)
                    sent += 1
            assert sent < 1_000


@pytest.mark.parametrize("fields", [1_000, 4_000])
def test_the_head_of_a_request_has_a_limit(fields: int) -> None:
    with Background(app) as server:
        heard = talk(server, HEAD + b"".join(b"x-%d: b\r\n" % i for i in range(fields)) + b"content-length: 0\r\n\r\n")
        assert heard.startswith(b"HTTP/1.1 200 " if fields == 1_000 else b"HTTP/1.1 431 ")
        assert talk(server, HEAD + b"x-a: " + b"b" * 60_000 + b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
        large = HEAD + b"content-length: 400000\r\n\r\n" + b"b" * 400_000
        assert talk(server, large).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("coding", "status"),
    [
        (b"chunked", b"200"),
        (b"CHUNKED", b"200"),
        (b" \tchunked", b"200"),
        (b"gzip, chunked", b"501"),
        (b"gzip\r\ntransfer-encoding: chunked", b"501"),
        (b"chunked\r\ntransfer-encoding: chunked", b"400"),
        (b"chunked, chunked", b"400"),
        (b"identity, chunked", b"501"),
        (b",chunked", b"501"),
        (b"x;a=b, chunked", b"501"),
    ],
)
def test_transfer_codings_that_are_not_decoded_are_refused(coding: bytes, status: bytes) -> None:
    request = HEAD + b"transfer-encoding:" + coding + b"\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
    with Background(app) as server:
        heard = talk(server, request)
        assert heard.startswith(b"HTTP/1.1 " + status)
        assert heard.count(b"HTTP/1.1 ") == 1


def test_http_1_0_has_no_transfer_codings() -> None:
    request = CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0") + b"0\r\n\r\n"
    with Background(app) as server:
        assert talk(server, request).startswith(b"HTTP/1.1 501 ")


def _connected(server: Background, source: str, sent: bytes = b"") -> socket.socket:
    host, port = server.url.removeprefix("http://").split(":")
    made = socket.create_connection((host, int(port)), timeout=20, source_address=(source, 0))
    made.sendall(sent)
    return made


@pytest.mark.parametrize(
    "sent", [b"", HEAD, HEAD + b"content-length: 10\r\n\r\n12345"], ids=["nothing", "head", "body"]
)
def test_connections_on_which_nothing_is_asked_give_way(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "most_connections", lambda: 20)
    asked = b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi"
    with ExitStack() as stack, Background(app) as server:
        kept = stack.enter_context(_connected(server, "127.0.0.2", asked % b"/"))
        assert kept.recv(1000).startswith(b"HTTP/1.1 200 ")
        under_way = stack.enter_context(_connected(server, "127.0.0.3", asked % b"/slow"))
        silent = [stack.enter_context(_connected(server, "127.0.0.4", sent)) for _ in range(60)]
        assert under_way.recv(1000).startswith(b"HTTP/1.1 200 ")
        kept.sendall(asked % b"/")
        assert kept.recv(1000).startswith(b"HTTP/1.1 200 ")
        with _connected(server, "127.0.0.2", asked % b"/") as new:
            assert new.recv(1000).startswith(b"HTTP/1.1 200 ")
        for oldest in silent[:40]:
            heard = oldest.recv(1000)
            assert heard == b"" or heard.startswith(b"HTTP/1.1 408 ")
        silent[-1].setblocking(False)
        with pytest.raises(BlockingIOError):
            silent[-1].recv(1000)


@pytest.mark.parametrize("left", [0, 600])
def test_many_connections_are_taken_in_one_round_of_the_loop(left: int) -> None:
    """Else who opens many, or leaves many at once, would have everybody else wait for as many rounds."""
    rounds, made = [0], list[int]()

    class Protocol(asyncio.Protocol):
        def __init__(self, **_: Any) -> None:
            pass

        def connection_made(self, _: asyncio.BaseTransport) -> None:
            made.append(rounds[0])

    async def main() -> None:
        server = uvicorn_server(app)
        server.config.http_protocol_class, server.lifespan = Protocol, SimpleNamespace(state={})
        with bind("127.0.0.1", 0) as listener, ExitStack() as stack:
            for _ in range(left):
                socket.create_connection(listener.getsockname(), timeout=20).close()
            for _ in range(64):
                stack.enter_context(socket.create_connection(listener.getsockname(), timeout=20))
            acceptor = Acceptor(server, listener)
            while len(made) < 64 and rounds[0] < 1_000:
                rounds[0] += 1
                await asyncio.sleep(0)
            acceptor.close()

    with asyncio.Runner(loop_factory=uvicorn_server(app).config.get_loop_factory()) as runner:
        runner.run(main())
    assert len(made) == 64
    assert rounds[0] <= 32


REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


@contextlib.contextmanager
def waiting(most: int = 100) -> Iterator[tuple[Queue, Callable[[str, bytes, bool], tuple[str, int]]]]:
    """A queue of connections that were taken, and what brings one to it: from an address, with so much said, closed by
    its client or not. It tells who it is."""
    queue = Queue(most)
    with bind("127.0.0.1", 0) as listener, ExitStack() as stack:

        def bring(address: str, said: bytes, closed: bool) -> tuple[str, int]:
            client = stack.enter_context(socket.create_connection(listener.getsockname(), 20, (address, 0)))
            client.sendall(said)
            name: tuple[str, int] = client.getsockname()
            if closed:
                client.shutdown(socket.SHUT_WR)
            listener.setblocking(True)
            taken, _ = listener.accept()
            queue.add(taken)
            return name

        yield queue, bring
        queue.close()


def who(queue: Queue) -> list[Any]:
    """Whose turn it is, in this round of the loop."""
    taken = queue.take()
    try:
        return [connection.getpeername() for connection in taken]
    finally:
        for connection in taken:
            connection.close()


@pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="the system does not tell")
def test_whoever_is_there_goes_before_those_who_are_gone() -> None:
    with waiting() as (queue, bring):
        for _ in range(40):
            bring("127.0.0.1", REQUEST, True)
            bring("127.0.0.1", b"", True)
        there = bring("127.0.0.1", REQUEST, False)
        silent = bring("127.0.0.1", b"", False)
        first = who(queue)
        assert first[:2] == [there, silent]
        assert len(first) <= 4
        assert len(queue) == 40 - len(first[2:])
        while len(queue):  # they may still wait for an answer
            assert who(queue)


@pytest.mark.parametrize("said", [b"", REQUEST])
def test_a_connection_that_was_reset_is_closed(said: bytes) -> None:
    queue = Queue()
    with bind("127.0.0.1", 0) as listener:
        with socket.create_connection(listener.getsockname(), timeout=20) as client:
            client.sendall(said)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        listener.setblocking(True)
        taken, _ = listener.accept()
        queue.add(taken)
    assert len(queue) == 0
    assert taken.fileno() < 0


def test_addresses_go_in_turn() -> None:
    with waiting() as (queue, bring):
        for _ in range(60):
            bring("127.0.0.1", REQUEST, False)
        late = bring("127.0.0.2", REQUEST, False)
        assert late in who(queue)[:2]


def test_of_too_many_that_wait_those_go_that_are_gone_then_those_of_whoever_has_most() -> None:
    with waiting(10) as (queue, bring):
        gone = bring("127.0.0.1", REQUEST, True)
        many = [bring("127.0.0.1", REQUEST, False) for _ in range(9)]
        few = [bring("127.0.0.2", REQUEST, False) for _ in range(3)]
        found = who(queue)
        assert len(found) == 10
        if hasattr(socket, "TCP_INFO"):
            assert gone not in found
            assert set(found) == {*few, *many[2:]}


def test_connections_that_come_and_go_are_counted() -> None:
    given = Room(3)

    class Made:
        gone = False

        def give_way(self) -> None:
            self.gone = True

    for _ in range(10):  # one that left is no longer counted, however it left
        made = Made()
        given.enter("a", made)
        given.work("a", made)
        given.work("a", made)
        given.leave("a", made)
    several = [Made() for _ in range(5)]
    for number, made in enumerate(several):
        given.enter("b" if number else "a", made)
    assert [made.gone for made in several] == [False, True, True, False, False]
    for made in several:
        given.work("a", made)
        given.work("b", made)
    given.enter("c", busy := Made())  # nobody waits: nobody goes
    assert not busy.gone


def test_the_limit_of_open_files_is_raised() -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, before[0]), before[1]))
        most = most_connections()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= 3 * most > 0
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_few_requests_are_held_ahead_of_their_turn() -> None:
    request = b"POST /slow HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"
    with Background(app) as server:
        assert talk(server, request * 5).count(b"HTTP/1.1 200 ") == 5
        assert talk(server, request * 500).count(b"HTTP/1.1 200 ") == 0
        assert talk(server, request).count(b"HTTP/1.1 200 ") == 1


@pytest.mark.parametrize("ahead", [1, 2, 20])
def test_a_request_is_told_that_its_client_is_gone_however_many_come_behind_it(ahead: int) -> None:
    LEFT.clear()
    with Background(app) as server:
        host, _, port = server.url.removeprefix("http://").rpartition(":")
        with socket.create_connection((host, int(port)), timeout=20) as client:
            client.sendall(b"POST /never HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n" * ahead)
        assert LEFT.wait(20)


def test_what_only_the_own_machine_reaches() -> None:
    found = {host: is_loopback(host) for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost", "0.0.0.0", "::", "x")}
    assert [host for host, local in found.items() if local] == ["127.0.0.1", "127.8.8.8", "::1", "localhost"]


def test_a_second_signal_still_lets_the_application_end() -> None:
    heard: list[str] = []

    async def recording(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "lifespan"
        for _ in ("startup", "shutdown"):
            heard.append((await receive())["type"])
            await send({"type": f"{heard[-1]}.complete"})

    async def served() -> None:
        server = uvicorn_server(recording)
        with bind("127.0.0.1", 0) as listener:
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.01)
            server.should_exit = server.force_exit = True
            await serving

    asyncio.run(served())
    assert heard == ["lifespan.startup", "lifespan.shutdown"]


def test_applications_are_made_in_one_place() -> None:
    """Where nothing redirects by itself."""
    sources = Path(sisf.__file__).parent.rglob("*.py")
    makers = {path.name for path in sources if re.search(r"\b(?:Starlette|Router)\(", path.read_text(encoding="utf-8"))}
    assert makers == {"routed.py"}
