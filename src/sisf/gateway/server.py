"""Serving the gateway: bind, say where, serve until SIGTERM or SIGINT, drain."""

import asyncio
import contextlib
import logging
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog

from sisf.gateway.processes import Place
from sisf.serving import READ_SECONDS, AsgiApp, Background, address_of, bind, settle, uvicorn_server
from sisf.serving.accepting import Opening

_asked_early = threading.Event()
"""Set when SIGHUP came before the server could reload."""
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def hear_reloads() -> None:
    """From now on SIGHUP does not end this process, as it does by default: what is asked for while the gateway still
    starts is done when it serves."""
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, lambda *_: _asked_early.set())


def _reload_on_signal(loop: asyncio.AbstractEventLoop, reload: Callable[[], Awaitable[object]]) -> None:
    if not hasattr(signal, "SIGHUP"):
        return
    loop.add_signal_handler(signal.SIGHUP, lambda: asyncio.ensure_future(reload(), loop=loop))
    if _asked_early.is_set():
        loop.call_soon(lambda: asyncio.ensure_future(reload(), loop=loop))


def serve(
    app: AsgiApp,
    host: str = "127.0.0.1",
    port: int = 8400,
    *,
    section: str = "listen",
    drain_seconds: int = 30,
    read_seconds: float = READ_SECONDS,
    proxied: Callable[[str], bool] | None = None,
    ready: Callable[[str], None] | None = None,
    reload: Callable[[], Awaitable[object]] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; requests under way get `drain_seconds` to finish. SIGHUP calls `reload`. What does
    not arrive whole within `read_seconds` is closed; connections from an address for which `proxied` holds must
    begin with a PROXY header.

    Port 0 takes a free port; `ready` is called with the base URL (`http://host:port`) once it is bound. Raises
    `ConfigurationError` when it cannot listen there, by the keys of `section` (none: by options).
    """
    listener = bind(host, port, section=section)
    settle()
    server = uvicorn_server(app, drain_seconds=drain_seconds, read_seconds=read_seconds, proxied=proxied)
    if ready is not None:
        ready(address_of(listener))
    with listener, _running(server) as runner:
        if reload is not None:
            _reload_on_signal(runner.get_loop(), reload)
        runner.run(server.serve(sockets=[listener]))


def serve_adopted(
    app: AsgiApp,
    place: Place,
    *,
    drain_seconds: int = 30,
    read_seconds: float = READ_SECONDS,
    proxied: Callable[[str], bool] | None = None,
    reload: Callable[[], Awaitable[object]] | None = None,
    began: Callable[[], Awaitable[object]] | None = None,
) -> None:
    """As `serve`, for a child of `Processes`: connections come from the parent. `began` is awaited before they do."""
    settle()
    server = uvicorn_server(app, drain_seconds=drain_seconds, read_seconds=read_seconds, proxied=proxied)
    with _running(server) as runner:
        loop = runner.get_loop()
        if reload is not None:
            _reload_on_signal(loop, reload)
            place.reloads()
        runner.run(_adopt(server, place, began))


@contextlib.contextmanager
def _running(server: Any) -> Iterator[asyncio.Runner]:
    """What the server runs on. While the block runs, SIGTERM and SIGINT end the server and nothing else: what comes
    behind it (rows that are gathered are written) must still be done. uvicorn raises the signal once more when it has
    stopped; the default for SIGTERM would end the process there."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.suppress(KeyboardInterrupt))
        if threading.current_thread() is threading.main_thread():
            before = signal.signal(signal.SIGTERM, lambda *_: setattr(server, "should_exit", True))
            stack.callback(signal.signal, signal.SIGTERM, before)
        yield stack.enter_context(asyncio.Runner(loop_factory=server.config.get_loop_factory()))


async def _adopt(server: Any, place: Place, began: Callable[[], Awaitable[object]] | None) -> None:
    """Serve connections from the parent until a signal comes, or the parent is gone."""
    loop, channel = asyncio.get_running_loop(), place.channel
    channel.setblocking(False)
    opening = Opening(server)

    def take() -> None:
        try:
            taken = place.take()
        except BlockingIOError:
            return
        except OSError:
            taken = None
        for connection in taken or ():
            opening.add(connection)
        if taken is None:
            loop.remove_reader(channel)
            server.should_exit = True

    async def begin() -> None:
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        if began is not None:
            await began()
        loop.add_reader(channel, take)
        place.ready()

    beginning = loop.create_task(begin())
    try:
        await server.serve(sockets=[])
    finally:
        beginning.cancel()
        loop.remove_reader(channel)
        opening.close()


def running(app: AsgiApp, host: str = "127.0.0.1", port: int = 0) -> Background:
    """The gateway in a thread, as a context manager; its base URL is `.url + "/v1"`."""
    return Background(app, host, port)


def _json(event: Any, **_: Any) -> bytes:
    """One line of the log, for a fifth of the price of the standard library's."""
    return msgspec.json.encode(event, enc_hook=repr)


class _Foreign(logging.Formatter):
    """What libraries log through the standard library, as a line of JSON like any other."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "library": record.name,
            "message": record.getMessage(),
            "event": "library_message",
            "level": record.levelname.lower(),
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _json(line).decode()


def configure_logs(level: str = "info") -> None:
    """JSON lines on standard error, for SISF and for the libraries that it uses. Bodies and keys are never logged."""
    number = _LEVELS[level]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Foreign())
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler])
    logging.captureWarnings(True)
