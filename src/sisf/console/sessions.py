"""Who is signed in, and the links that sign in once. Both live in this process: a restart ends them for good."""

import hashlib
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sisf.console.roles import Role, Who
from sisf.latest import Latest

_LIMIT = 10_000
LINK_SECONDS = 900.0
"""For so long a sign-in link can be used, once."""


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in that lasts."""

    id: str
    """What it is listed and ended by; it opens nothing."""
    who: Who
    began: datetime
    ends: float
    """By the clock of the sessions."""
    address: str = ""
    """Where it was signed in from."""


class Sessions:
    """Sessions by an unguessable id, of which only the hash is kept."""

    def __init__(
        self,
        seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        valid: Callable[[Who], bool] = lambda _who: True,
    ) -> None:
        """`valid` says whether the key that began a session still opens the console as it did: else it ends."""
        self.seconds = seconds
        self._clock = clock
        self._valid = valid
        self._held: Latest[str, Session] = Latest(_LIMIT)
        self._links: Latest[str, tuple[Who, float]] = Latest(_LIMIT)

    def begin(self, name: str, role: Role, *, key_id: str = "", tenant: str = "", address: str = "") -> str:
        """Sign somebody in; returns the id for the cookie. The oldest session goes when there are too many."""
        secret = secrets.token_urlsafe(32)
        who = Who(name, role, secrets.token_urlsafe(32), key_id, tenant)
        ends = self._clock() + self.seconds
        self._held[_hash(secret)] = Session(secrets.token_hex(6), who, datetime.now(UTC), ends, address)
        return secret

    def find(self, secret: str) -> Who | None:
        """Who is behind a cookie, if the session still lasts."""
        session = self._held.get(_hash(secret))
        if session is None:
            return None
        if not self._lasts(session):
            self.end(secret)
            return None
        return session.who

    def end(self, secret: str) -> None:
        """Sign out. Idempotent."""
        self._held.pop(_hash(secret), None)

    def list(self) -> Sequence[Session]:
        """The sessions that last, the newest first."""
        for key in [key for key, session in self._held.items() if not self._lasts(session)]:
            del self._held[key]
        return list(self._held.values())[::-1]

    def end_one(self, session_id: str) -> Session | None:
        """End a session by the id that it is listed by; None when there is none."""
        for key, session in tuple(self._held.items()):
            if session.id == session_id:
                del self._held[key]
                return session
        return None

    def link(self, name: str, role: Role) -> str:
        """A code that signs somebody in once, within `LINK_SECONDS`."""
        code = secrets.token_urlsafe(24)
        self._links[_hash(code)] = (Who(name, role), self._clock() + LINK_SECONDS)
        return code

    def redeem(self, code: str) -> Who | None:
        """Who a link signs in; it works no second time."""
        who, ends = self._links.pop(_hash(code), (None, 0.0))
        return who if self._clock() < ends else None

    def _lasts(self, session: Session) -> bool:
        return self._clock() < session.ends and (not session.who.key_id or self._valid(session.who))


def _hash(session: str) -> str:
    return hashlib.sha256(session.encode("utf-8", "replace")).hexdigest()
