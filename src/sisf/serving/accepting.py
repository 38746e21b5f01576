"""Taking connections, many of them in one round of the event loop.

uvloop takes one a round: whoever opens many at once would have everybody else wait for as many rounds, each of which
may be long (docs/adr/0700).
"""

import asyncio
import contextlib
import socket
from typing import Any

_IN_A_ROUND = 16
"""Connections taken at once, some 30 µs each: few, as each of them brings a request."""
_LOOKED_AT = 256
"""Connections that are accepted in a round at most, with those that their clients have closed already."""
_PAUSE_SECONDS = 0.1
"""How long nothing is taken where the system has no more files."""


class Opening:
    """Gives connections that were accepted to a server of uvicorn."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._under_way: set[asyncio.Task[Any]] = set()

    def add(self, connection: socket.socket) -> None:
        """The server speaks to whoever is there."""
        connection.setblocking(False)
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

    async def wait_closed(self) -> None:
        """Nothing is left to wait for."""

    def _begin(self) -> None:
        self._loop.add_reader(self._listener, self._take)

    def _take(self) -> None:
        taken = 0
        for _ in range(_LOOKED_AT):
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
            if _left(connection):
                connection.close()
                continue
            self._opening.add(connection)
            taken += 1
            if taken == _IN_A_ROUND:
                return


def _left(connection: socket.socket) -> bool:
    """Whether its client closed a connection without a word: nobody waits for an answer, and a flood of such, given to
    a server one by one, has everybody else wait."""
    connection.setblocking(False)
    try:
        return not connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
