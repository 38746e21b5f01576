"""How many connections a server holds: else one client that opens them and says nothing has all there are."""

import contextlib
from collections import OrderedDict
from typing import Protocol

_MOST = 8_192
"""Connections held at most, whatever the system allows."""
_LEAST = 8
_FILES = 65_536
"""Files that are asked for."""
_OTHER_FILES = 64
"""Files that a gateway opens for itself: its store, data, what threads wake each other with."""


class Connection(Protocol):
    """One that can be asked to go."""

    def give_way(self) -> None:
        """Close: nothing is asked on it."""
        ...


class Room:
    """The connections of one server, by the address that they come from. Used on the event loop alone.

    With more than `most`, one goes on which nothing is asked (silent, half a request, kept for a next one): of the
    address that has most of them the one that waits longest. Requests under way are never ended.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._open = 0
        self._waiting: dict[str, OrderedDict[Connection, None]] = {}

    def enter(self, address: str, connection: Connection) -> None:
        """A connection is made."""
        self._open += 1
        if self._open > self._most and self._waiting:
            held = max(self._waiting.items(), key=lambda item: len(item[1]))
            longest = next(iter(held[1]))
            self.work(held[0], longest)
            longest.give_way()
        self.wait(address, connection)

    def wait(self, address: str, connection: Connection) -> None:
        """Nothing is asked on it, or no whole request."""
        self._waiting.setdefault(address, OrderedDict())[connection] = None

    def work(self, address: str, connection: Connection) -> None:
        """A request has come whole. Idempotent."""
        held = self._waiting.get(address, OrderedDict())
        held.pop(connection, None)
        if not held:
            self._waiting.pop(address, None)

    def leave(self, address: str, connection: Connection) -> None:
        """It is gone."""
        self._open -= 1
        self.work(address, connection)


def most_connections() -> int:
    """For how many connections there are files: a third of them, since each may need another one to the upstream, and
    the console is a server of its own.

    The limit that a program is started with is often 1,024, for the sake of those that wait with `select`, which none
    does here: it is raised as far as the system lets us.
    """
    try:
        import resource
    except ImportError:  # Windows
        return _MOST
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft not in (resource.RLIM_INFINITY, wanted) and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    allowed = _FILES if soft == resource.RLIM_INFINITY else soft
    return max(_LEAST, min(_MOST, (allowed - _OTHER_FILES) // 3))
