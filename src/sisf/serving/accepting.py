"""Taking connections: many in one round of the event loop, and those first whose clients wait for an answer.

uvloop takes one a round: whoever opens many at once would have everybody else wait for as many rounds, each of which
may be long (docs/adr/0700). What the system holds is a queue, in which everybody waits for whoever fills it: so it is
emptied at once, and connections wait here (docs/adr/0881).
"""

import asyncio
import contextlib
import socket
import time
from collections import deque
from itertools import chain
from typing import Any

_IN_A_ROUND, _CLOSING_IN_A_ROUND = 16, 2
"""Connections that are given to the server at once: few, as each of them brings a request; and how many of those that
their clients have closed."""
_TAKEN = 256
_TAKING_SECONDS = 0.004
"""Connections that are taken from the system in a round at most, and for how long."""
_WAITING = 2_048
"""Connections that wait here at most. Of more, one goes that its client has closed, or the one that waits longest of
the address that has most."""
_PAUSE_SECONDS = 0.1
"""How long nothing is taken where the system has no more files."""
_CLOSE_WAIT = 8
"""The state of a connection whose client has closed its side, as the first byte of `TCP_INFO` has it."""


class Queue:
    """Connections that were taken and wait, by the address that they come from: addresses go in turn, and of each
    the connections in the order in which they came.

    Those whose clients have closed their own side already go behind all others. Such a client may still wait for its
    answer (docs/adr/0375); most often it is gone.
    """

    def __init__(self, most: int = _WAITING) -> None:
        self._most = most
        self._open: dict[str, deque[socket.socket]] = {}
        self._closing: deque[socket.socket] = deque()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, connection: socket.socket) -> None:
        """One was taken: it waits, or is closed where nobody is there any more."""
        connection.setblocking(False)
        try:
            said = _said(connection)
            closing = bool(said) and _closed_by_client(connection)
            address = _address(connection)
        except OSError:  # it was reset
            said = b""
        if said == b"":  # its client is gone, without a word
            connection.close()
            return
        if closing:
            self._closing.append(connection)
        else:
            self._open.setdefault(address, deque()).append(connection)
        self._count += 1
        if self._count > self._most:
            self._leave_out_one()

    def take(self) -> list[socket.socket]:
        """Those whose turn it is."""
        taken: list[socket.socket] = []
        while self._open and len(taken) < _IN_A_ROUND:
            taken.append(self._first(next(iter(self._open))))
        taken += [self._closing.popleft() for _ in range(min(_CLOSING_IN_A_ROUND, len(self._closing)))]
        self._count -= len(taken)
        return taken

    def _first(self, address: str) -> socket.socket:
        """The first one of an address, which goes behind the others then."""
        waiting = self._open.pop(address)
        first = waiting.popleft()
        if waiting:
            self._open[address] = waiting
        return first

    def _leave_out_one(self) -> None:
        most = max(self._open, key=lambda each: len(self._open[each]), default="")
        (self._closing.popleft() if self._closing else self._first(most)).close()
        self._count -= 1

    def close(self) -> None:
        """Close all that wait."""
        for connection in chain(self._closing, *self._open.values()):
            connection.close()
        self._open.clear()
        self._closing.clear()
        self._count = 0


class Opening:
    """Gives connections that were taken to a server of uvicorn, some in each round of the loop."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._queue = Queue()
        self._going_on = False
        self._under_way: set[asyncio.Task[Any]] = set()

    def add(self, connection: socket.socket) -> None:
        """The server speaks soon to whoever is there."""
        self._queue.add(connection)
        if self._queue and not self._going_on:
            self._going_on = True
            self._loop.call_soon(self._go_on)

    def close(self) -> None:
        """Speak to nobody who still waits. Idempotent."""
        self._queue.close()

    def _go_on(self) -> None:
        for connection in self._queue.take():
            self._open(connection)
        self._going_on = len(self._queue) > 0
        if self._going_on:
            self._loop.call_soon(self._go_on)

    def _open(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):  # a socket of the file system knows no packets
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = self._loop.create_task(self._loop.connect_accepted_socket(self._protocol, connection))
        self._under_way.add(task)
        task.add_done_callback(self._opened)

    def _protocol(self) -> Any:
        server = self._server
        return server.config.http_protocol_class(
            config=server.config, server_state=server.server_state, app_state=server.lifespan.state
        )

    def _opened(self, task: "asyncio.Task[Any]") -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # the client is gone already: nobody to tell


class Acceptor:
    """Takes the connections of one listening socket; what uvicorn knows as a server."""

    def __init__(self, server: Any, listener: socket.socket) -> None:
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._opening = Opening(server)
        self._again: asyncio.TimerHandle | None = None
        listener.setblocking(False)
        self._begin()

    def close(self) -> None:
        """Take no more. Idempotent."""
        if self._again is not None:
            self._again.cancel()
        self._loop.remove_reader(self._listener)
        self._opening.close()

    async def wait_closed(self) -> None:
        """Nothing is left to wait for."""

    def _begin(self) -> None:
        self._loop.add_reader(self._listener, self._take)

    def _take(self) -> None:
        until = time.perf_counter() + _TAKING_SECONDS
        for _ in range(_TAKEN):
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionError:  # it is gone already
                continue
            except OSError:
                self._loop.remove_reader(self._listener)
                self._again = self._loop.call_later(_PAUSE_SECONDS, self._begin)
                return
            self._opening.add(connection)
            if time.perf_counter() > until:
                return


def _said(connection: socket.socket) -> bytes | None:
    """The beginning of what has come; empty where its client has closed it, None where nothing has come yet."""
    try:
        return connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return None


def _closed_by_client(connection: socket.socket) -> bool:
    """Whether a client that has sent something has closed its own side, where the system tells."""
    if not hasattr(socket, "TCP_INFO"):
        return False
    try:
        return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _CLOSE_WAIT
    except OSError:  # a socket of the file system
        return False


def _address(connection: socket.socket) -> str:
    name = connection.getpeername()
    return str(name[0]) if isinstance(name, tuple) else ""
