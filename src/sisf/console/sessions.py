"""Who is signed in. Sessions live in this process: a restart, or `end`, ends them for good."""

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable

from sisf.console.roles import Role, Who

_LIMIT = 10_000


class Sessions:
    """Sessions by an unguessable id, of which only the hash is kept."""

    def __init__(self, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._held: OrderedDict[str, tuple[Who, float]] = OrderedDict()

    def begin(self, name: str, role: Role) -> str:
        """Sign somebody in; returns the id for the cookie. The oldest session goes when there are too many."""
        session = secrets.token_urlsafe(32)
        self._held[_hash(session)] = (Who(name, role, secrets.token_urlsafe(32)), self._clock() + self.seconds)
        while len(self._held) > _LIMIT:
            self._held.popitem(last=False)
        return session

    def find(self, session: str) -> Who | None:
        """Who is behind a cookie, if the session still lasts."""
        who, end = self._held.get(_hash(session), (None, 0.0))
        if who is not None and self._clock() >= end:
            self.end(session)
            return None
        return who

    def end(self, session: str) -> None:
        """Sign out. Idempotent."""
        self._held.pop(_hash(session), None)


def _hash(session: str) -> str:
    return hashlib.sha256(session.encode("utf-8", "replace")).hexdigest()
