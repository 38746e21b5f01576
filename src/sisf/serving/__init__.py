"""Running an ASGI application: bind first (one clear error), then serve in this thread or in the background."""

import asyncio
import errno
import gc
import ipaddress
import os
import socket
import sys
import threading
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

from sisf.errors import ConfigurationError

_SWITCH_SECONDS = 0.0005
"""After so long a thread that computes gives up Python's lock to the event loop; by default it keeps it ten times as
long, at each of the several steps of a request."""
AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]
READ_SECONDS = 60.0
"""Within which a request must arrive, where nobody says otherwise."""
_FAREWELL_SECONDS = 5
"""What a request that is cut off has to tell its client so; a client that does not read is not waited for longer."""


def bind(host: str, port: int, *, section: str = "listen") -> socket.socket:
    """Bind and listen; port 0 takes a free one. Raises `ConfigurationError` that says what to change, by the keys of
    the `section` of the settings that the address comes from; none where options alone say it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server = socket.socket(family, socket.SOCK_STREAM)
    try:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((host, port))
        server.listen(2048)
    except OSError as error:
        server.close()
        raise ConfigurationError(f"cannot listen on {host}:{port}: {_reason(error, port, section)}") from None
    server.setblocking(False)
    return server


def _reason(error: OSError, port: int, section: str) -> str:
    if error.errno == errno.EADDRINUSE:
        other = f"choose another with {_said_by('port', section)} (0 takes a free one)"
        return f"the port is in use; stop the other program or {other}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"ports below 1024 need privileges; choose a higher one than {port} with {_said_by('port', section)}"
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"this machine has no such address; check {_said_by('host', section)}"
    return os.strerror(error.errno) if error.errno else str(error)


def _said_by(key: str, section: str) -> str:
    """Where an address can be given: as an option, in the file, or in the environment."""
    places = [f"--{key}"] if section in ("", "listen") else []
    places += (
        [f"{section}.{key} in sisf.yaml", f"SISF_{section.upper()}__{key.upper()} in the environment"]
        if section
        else []
    )
    return " or ".join(places)


def is_loopback(host: str) -> bool:
    """Whether an address to bind is reached from its own machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def address_of(server: socket.socket) -> str:
    """`http://host:port` of a bound socket; a wildcard address is shown as loopback."""
    host, port = server.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def uvicorn_server(
    app: AsgiApp,
    *,
    lifespan: str = "auto",
    drain_seconds: int = 30,
    read_seconds: float = READ_SECONDS,
    proxied: Callable[[str], bool] | None = None,
) -> Any:
    """A uvicorn server with the fast loop and parser, and without access log (bodies and keys stay out of logs).

    Told to end, it gives requests under way `drain_seconds`; the tasks of those that go on are cancelled then (at a
    second SIGINT at once), and may still say so to their clients.
    """
    import uvicorn

    from sisf.serving.accepting import Acceptor
    from sisf.serving.connections import protocol

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            if sys.platform == "win32":  # its event loop tells of no connections that wait
                await super().startup(sockets)
                return
            await super().startup([])
            self.servers: list[Any] = [Acceptor(self, listener) for listener in sockets or ()]

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            cutting = asyncio.create_task(self._cut_off())
            await super().shutdown(sockets)
            cutting.cancel()
            if self.force_exit:  # a second signal: uvicorn would leave the application as it is
                self._cancel()
                if self.server_state.tasks:
                    await asyncio.wait(self.server_state.tasks, timeout=_FAREWELL_SECONDS)
                await self.lifespan.shutdown()

        async def _cut_off(self) -> None:
            await asyncio.sleep(drain_seconds)
            self._cancel()

        def _cancel(self) -> None:
            for task in self.server_state.tasks:
                task.cancel()

    config = uvicorn.Config(
        app,
        loop="auto",
        http=protocol(read_seconds, proxied),
        ws="none",
        lifespan=lifespan,  # type: ignore[arg-type]
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        timeout_graceful_shutdown=drain_seconds + _FAREWELL_SECONDS,
        timeout_keep_alive=75,
        proxy_headers=False,
    )
    return Server(config)


def settle() -> None:
    """Call once when all is built: the garbage collector looks no more at what will live as long as the process.

    Requests make few cycles; without this, each full collection walks through every imported library.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    sys.setswitchinterval(_SWITCH_SECONDS)


class Background:
    """Serves an application in a thread of its own while the `with` block runs; `url` tells where."""

    def __init__(
        self,
        app: AsgiApp,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        drain_seconds: int = 5,
        read_seconds: float = READ_SECONDS,
        proxied: Callable[[str], bool] | None = None,
        section: str = "listen",
    ) -> None:
        self._socket = bind(host, port, section=section)
        self.url = address_of(self._socket)
        self._server = uvicorn_server(app, drain_seconds=drain_seconds, read_seconds=read_seconds, proxied=proxied)
        self._thread = threading.Thread(target=self._run, name=f"serve {self.url}", daemon=True)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=self._server.config.get_loop_factory()) as runner:
            runner.run(self._server.serve(sockets=[self._socket]))

    def start(self) -> "Background":
        """Start, and return when connections are answered. Raises `ConfigurationError` when start-up fails."""
        self._thread.start()
        while not self._server.started:
            self._thread.join(0.01)
            if not self._thread.is_alive():
                raise ConfigurationError(f"the server at {self.url} failed to start; its log says why")
        return self

    def stop(self) -> None:
        """Finish what is under way, then stop. Idempotent."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def __enter__(self) -> "Background":
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()
