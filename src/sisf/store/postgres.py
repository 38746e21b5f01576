"""PostgreSQL: one database for any number of gateways and workers; LISTEN/NOTIFY carries revisions and work."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    URL,
    Connection,
    Float,
    Table,
    Transaction,
    cast,
    create_engine,
    extract,
    func,
    make_url,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool

from sisf.errors import ConfigurationError, StoreError, StoreUnavailable
from sisf.settings.secrets import shown
from sisf.store import migrate
from sisf.store.database import Database
from sisf.store.privacy import Privacy

_POLL_SECONDS = 0.5
_RECONNECT_SECONDS = 0.5
# One lock for the audit chain and the revisions of a database; the number only has to be ours.
_CHAIN_LOCK = 7_305_164_501
_REVISIONS, _WORK = "sisf_revisions", "sisf_work"
_CONNECT = {
    "connect_timeout": 5,
    "application_name": "sisf",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "options": "-c lock_timeout=20s -c statement_timeout=60s -c idle_in_transaction_session_timeout=60s",
}


class Postgres(Database):
    """The store of a fleet."""

    def __init__(self, url: str, privacy: Privacy | None = None, *, offline: bool = False) -> None:
        """With `offline`, a server that cannot be reached now is no error: calls fail until it can."""
        address = _address(url)
        describe = shown(url)
        self._conninfo = address.set(drivername="postgresql").render_as_string(hide_password=False)
        writing = create_engine(address, connect_args=_CONNECT, pool_size=1)
        self._migrating = create_engine(address, connect_args=_CONNECT, poolclass=NullPool)
        self._ready, self._readying, self._next_try = threading.Event(), threading.Lock(), 0.0
        self.describe = describe
        try:
            self._ensure_ready()
        except StoreUnavailable:
            if not offline:
                raise
        reading = create_engine(
            address, connect_args=_CONNECT, pool_size=8, pool_pre_ping=True, isolation_level="REPEATABLE READ"
        )
        super().__init__(writing=writing, reading=reading, describe=describe, privacy=privacy)
        if not self._ready.is_set():
            self._reached = float("-inf")

    def insert_new(self, table: Table) -> Any:
        """An INSERT that leaves out rows whose key is already there."""
        return insert(table).on_conflict_do_nothing()

    def upsert(self, table: Table, key: str, columns: Sequence[str]) -> Any:
        """An INSERT that, where a row with the same key is there, replaces these columns of it."""
        statement = insert(table)
        values = {name: statement.excluded[name] for name in columns}
        return statement.on_conflict_do_update(index_elements=[key], set_=values)

    def skip_locked(self, query: Any) -> Any:
        """The query, leaving out rows that another transaction is taking."""
        return query.with_for_update(skip_locked=True)

    def clock(self) -> Any:
        """The server's time: the clocks of the nodes may differ by more than a lease lasts."""
        return cast(extract("epoch", func.now()), Float)

    def lock_chain(self, connection: Connection) -> None:
        """Let one transaction at a time append to the audit chain and to the revisions."""
        connection.execute(select(func.pg_advisory_xact_lock(_CHAIN_LOCK)))

    def notify(self, connection: Connection, revision: int) -> None:
        """Tell other processes of a new revision, when this transaction commits."""
        connection.execute(select(func.pg_notify(_REVISIONS, str(revision))))

    def notify_work(self, connection: Connection) -> None:
        """Tell the workers of other processes that there is work, when this transaction commits."""
        connection.execute(select(func.pg_notify(_WORK, "")))

    def _ensure_ready(self) -> None:
        """Bring the schema up to date, once; not more often than once a second while the server is away."""
        if self._ready.is_set():
            return
        with self._readying:
            if self._ready.is_set():
                return
            if time.monotonic() < self._next_try:
                raise StoreUnavailable(f"{self.describe} cannot be reached")
            try:
                with self._migrating.begin() as connection:
                    connection.execute(select(func.pg_advisory_xact_lock(_CHAIN_LOCK)))
                    migrate.upgrade(connection, self.describe)
            except DBAPIError as error:
                self._next_try = time.monotonic() + 1.0
                reason = " ".join(str(error.orig).split())
                raise StoreUnavailable(f"{self.describe} cannot be opened: {reason}") from None
            self._ready.set()

    @contextmanager
    def _transaction(self, connection: Connection, relaxed: bool) -> Iterator[Transaction]:
        self._ensure_ready()
        with connection.begin() as transaction:
            if relaxed:
                connection.execute(text("SET LOCAL synchronous_commit = off"))
            yield transaction
        self.touch()

    def _watch(self, tell: Callable[[int], bool], ended: threading.Event) -> None:
        import psycopg

        while not ended.is_set():
            try:
                self._ensure_ready()
                with psycopg.connect(self._conninfo, autocommit=True, **_CONNECT) as connection:  # type: ignore[arg-type]
                    connection.execute(f"LISTEN {_REVISIONS}")
                    connection.execute(f"LISTEN {_WORK}")
                    while not ended.is_set():
                        # Asked after each silence too: the safety net for a notification that went astray.
                        row = connection.execute("SELECT max(number) FROM revision").fetchone()
                        self.touch()
                        tell(row[0] if row and row[0] else 0)
                        for notification in connection.notifies(timeout=_POLL_SECONDS):
                            if notification.channel == _REVISIONS:
                                tell(int(notification.payload))
                            else:
                                self.work.raise_()
                            if ended.is_set():
                                return
            except (psycopg.Error, StoreError):
                ended.wait(_RECONNECT_SECONDS)


def _address(url: str) -> URL:
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigurationError("store.url: is not a URL such as postgresql://user:password@host/database") from None
    if "@" in (address.host or ""):
        raise ConfigurationError("store.url: write each `@` of a user or password as %40")
    return address.set(drivername="postgresql+psycopg")
