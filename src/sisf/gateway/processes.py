"""Several processes behind one port: a parent that accepts connections, and children that serve them.

The parent does nothing else: it hands each connection to the next child in turn, starts another child in place of one
that died, and passes signals on. It imports everything before it forks and starts no thread, so a child begins to serve
within moments. Connections that come while no child is ready wait with the system.
"""

import itertools
import os
import selectors
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog

from sisf.errors import ConfigurationError, SisfError

_log = structlog.get_logger("sisf.gateway")
_READY = b"r"
_RELOAD = (signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()
_TAKEN = b"t"
_AT_ONCE = 64
_FAILED_STARTS = 3
"""Children in a row that end before they serve, after which the parent gives up."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a child knows of its place among the others."""

    index: int
    channel: socket.socket
    """Brings connections; takes word that the child serves."""
    folder: Path
    """Where children find each other."""

    @property
    def first(self) -> bool:
        """Whether this child does what is done once: the console, learning, webhooks."""
        return self.index == 0

    @staticmethod
    def reloads() -> None:
        """From now on SIGHUP is heard."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _RELOAD)

    def ready(self) -> None:
        """Tell the parent that connections may come."""
        self.channel.send(_READY)

    def take(self) -> list[socket.socket] | None:
        """Connections that have come; None when the parent is gone. Raises `BlockingIOError`, `TimeoutError`."""
        said, descriptors, _, _ = socket.recv_fds(self.channel, _AT_ONCE, _AT_ONCE)
        taken = [socket.socket(fileno=descriptor) for descriptor in descriptors]
        if taken:
            self.channel.send(_TAKEN * len(taken))
        return taken if said else None


@dataclass(slots=True)
class _Child:
    pid: int
    channel: socket.socket
    ready: bool = False
    given: "deque[socket.socket]" = field(default_factory=deque)
    """Connections that it was given and has not yet taken: should it die, another one gets them."""


@dataclass(slots=True)
class Processes:
    """The parent. `serve` is what a child does; it returns when the child was told to stop."""

    listener: socket.socket
    count: int
    serve: Callable[[Place], None]
    ready: Callable[[], None]
    """Called once, when the first child serves."""
    _children: dict[int, _Child] = field(default_factory=dict)
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _turns: "itertools.count[int]" = field(default_factory=itertools.count)
    _stopping: bool = False
    _failed: int = 0
    _told: bool = False
    _folder: Path = Path()

    def run(self) -> None:
        """Until SIGTERM or SIGINT, and until all children have ended. Raises `ConfigurationError` where none can
        serve."""
        wake, woken = socket.socketpair()
        for end in (wake, woken):
            end.setblocking(False)
        signals = [s for s in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, s)]
        before = {s: signal.signal(getattr(signal, s), lambda *_: None) for s in signals}
        signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
        self._selector.register(wake, selectors.EVENT_READ, lambda: self._signalled(wake))
        try:
            with TemporaryDirectory(prefix="sisf-") as folder:
                self._folder = Path(folder)
                for index in range(self.count):
                    self._start(index)
                while self._children:
                    for key, _ in self._selector.select():
                        key.data()
        finally:
            signal.set_wakeup_fd(-1)
            for name, handler in before.items():
                signal.signal(getattr(signal, name), handler)
            self._selector.close()
            wake.close()
            woken.close()
        if self._failed >= _FAILED_STARTS:
            raise ConfigurationError("no process of the gateway could serve; the lines above say why")

    def _signalled(self, wake: socket.socket) -> None:
        for number in wake.recv(64):
            if number == signal.SIGHUP:
                self._tell(signal.SIGHUP)
            else:
                self._stop()

    def _stop(self) -> None:
        """Accept no more; children finish what is under way."""
        if not self._stopping:
            self._stopping = True
            self._accept(on=False)
            self.listener.close()
        self._tell(signal.SIGTERM)

    def _tell(self, number: int) -> None:
        for child in self._children.values():
            os.kill(child.pid, number)  # not yet waited for, so the id is still its own

    def _start(self, index: int) -> None:
        ours, theirs = socket.socketpair()
        # A reload that comes before the child can do it waits until it can (`Place.reloads`).
        signal.pthread_sigmask(signal.SIG_BLOCK, _RELOAD)
        pid = os.fork()
        if not pid:
            self._become(Place(index, theirs, self._folder), ours)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _RELOAD)
        theirs.close()
        child = self._children[index] = _Child(pid, ours)
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._heard(index, child))

    def _become(self, place: Place, ours: socket.socket) -> None:
        """In the child: serve, and end without a word of what is the parent's."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for name in ("SIGTERM", "SIGINT", "SIGHUP"):
                signal.signal(getattr(signal, name), signal.SIG_DFL)
            self._selector.close()
            others = [end for child in self._children.values() for end in (child.channel, *child.given)]
            for end in (ours, self.listener, *others):
                end.close()
            self.serve(place)
            code = 0
        except SisfError as error:
            print(f"error: {error}", file=sys.stderr)
        except BaseException as error:  # noqa: BLE001 - a child never goes on as its parent
            _log.error("process_failed", index=place.index, error=type(error).__name__, exc_info=error)
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _heard(self, index: int, child: _Child) -> None:
        try:
            said = child.channel.recv(4096)
        except OSError:
            said = b""
        for _ in range(said.count(_TAKEN)):
            child.given.popleft().close()
        if said and _READY not in said:
            return
        if said:
            child.ready, self._failed = True, 0
            _log.info("process_serves", index=index, pid=child.pid)
            self._accept(on=not self._stopping)
            if not self._told:
                self._told = True
                self.ready()
            return
        self._selector.unregister(child.channel)
        child.channel.close()
        os.waitpid(child.pid, 0)
        del self._children[index]
        for connection in child.given:
            self._give(connection)
        self._accept(on=not self._stopping and any(c.ready for c in self._children.values()))
        if self._stopping:
            return
        _log.error("process_ended", index=index, pid=child.pid)
        if not child.ready:
            self._failed += 1
            if self._failed >= _FAILED_STARTS:
                self._stop()
                return
            time.sleep(0.1)
        self._start(index)

    def _accept(self, *, on: bool) -> None:
        known = self.listener.fileno() in self._selector.get_map() if self.listener.fileno() >= 0 else False
        if on and not known:
            self._selector.register(self.listener, selectors.EVENT_READ, self._pass_on)
        elif known and not on:
            self._selector.unregister(self.listener)

    def _pass_on(self) -> None:
        """Give waiting connections to children in turn."""
        for _ in range(_AT_ONCE):
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self._give(connection)

    def _give(self, connection: socket.socket) -> None:
        """To the next child that can take it; it is closed when there is none."""
        ready = [child for _, child in sorted(self._children.items()) if child.ready]
        first = next(self._turns)
        for n in range(len(ready)):
            child = ready[(first + n) % len(ready)]
            try:
                socket.send_fds(child.channel, [b"c"], [connection.fileno()])
            except OSError:
                continue  # it has just died; the next one takes the connection
            child.given.append(connection)
            return
        connection.close()


def process_count(setting: int | str) -> int:
    """`listen.processes` as a number; `auto` is one for each processor that this process may use.

    Raises `ConfigurationError` where the system has no fork.
    """
    count = len(os.sched_getaffinity(0)) if setting == "auto" and hasattr(os, "sched_getaffinity") else setting
    count = os.cpu_count() or 1 if count == "auto" else int(count)
    if count > 1 and not hasattr(os, "fork"):
        raise ConfigurationError("listen.processes: several processes need a system with fork; set it to 1")
    return count
