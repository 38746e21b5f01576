"""What the tables of a SQL store share: connections, the writer, and the few words in which databases differ."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from sqlalchemy import Connection, Engine, Table, Transaction, insert
from sqlalchemy.exc import SQLAlchemyError

from sisf.errors import StoreUnavailable
from sisf.store.privacy import Privacy
from sisf.store.signals import Announcer, Signal
from sisf.store.writer import Writer


class Database:
    """One database: a read engine, and a writer over a write engine. Subclasses are the dialects."""

    def __init__(
        self,
        *,
        writing: Engine,
        reading: Engine,
        describe: str,
        guard: AbstractContextManager[Any] | None = None,
        privacy: Privacy | None = None,
    ) -> None:
        self.describe = describe
        self.privacy = privacy or Privacy()
        self.vault = self.privacy.vault
        self._writing = writing
        self._reading = reading
        self._guard = guard or nullcontext()
        self._reached = time.monotonic()
        self.work = Signal()
        """Raised when a job may have become due."""
        self.revisions = Announcer(self._watch)
        """Tells subscribers of new revisions."""
        self.writer = Writer(writing, transaction=self._transaction, describe=describe, guard=guard)
        self._closing = threading.Lock()
        self._closed = False

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view of the database."""
        try:
            self._ensure_ready()
            with self._guard, self._reading.connect() as connection:
                yield connection
            self.touch()
        except SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            raise StoreUnavailable(f"{self.describe} could not be read: {' '.join(str(cause).split())}") from error

    def touch(self) -> None:
        """The database was reached just now."""
        self._reached = time.monotonic()

    @property
    def silent_seconds(self) -> float:
        """For how long the database was not reached."""
        return time.monotonic() - self._reached

    def insert_new(self, table: Table) -> Any:
        """An INSERT that leaves out rows whose key is already there."""
        raise NotImplementedError

    def insert(
        self,
        connection: Connection,
        table: Table,
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
        *,
        new: bool = False,
    ) -> None:
        """Write many rows; with `new`, only those whose key is not there yet."""
        statement = self.insert_new(table) if new else insert(table)
        connection.execute(statement, [dict(zip(columns, row, strict=True)) for row in rows])

    def upsert(self, table: Table, key: str, columns: Sequence[str]) -> Any:
        """An INSERT that, where a row with the same key is there, replaces these columns of it."""
        raise NotImplementedError

    def skip_locked(self, query: Any) -> Any:
        """The query, leaving out rows that another transaction is taking."""
        return query

    def clock(self) -> Any:
        """The time now, in seconds since 1970, by the clock that all who share this database go by."""
        return time.time()

    def lock_chain(self, connection: Connection) -> None:
        """Let one transaction at a time append to the audit chain and to the revisions."""

    def notify(self, connection: Connection, revision: int) -> None:
        """Tell other processes of a new revision, when this transaction commits."""

    def notify_work(self, connection: Connection) -> None:
        """Tell the workers of other processes that there is work, when this transaction commits."""

    def compact(self) -> None:
        """After a deletion: leave no copy of what was deleted behind."""

    def close(self) -> None:
        """Flush and close. Idempotent."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        self.revisions.close()
        self.work.raise_()
        self.writer.close()
        with self._guard:  # a connection that is shared must not be closed under a thread that uses it
            self._dispose()

    def _dispose(self) -> None:
        """Close the connections that nobody uses at the moment."""
        self._reading.dispose()
        self._writing.dispose()

    def _ensure_ready(self) -> None:
        """Make sure that the schema is in place, where that could not be done when the store was opened."""

    @contextmanager
    def _transaction(self, connection: Connection, relaxed: bool) -> Iterator[Transaction]:  # noqa: ARG002
        """A transaction of the writer; yields it open. A `relaxed` one need not survive a power loss."""
        self._ensure_ready()
        with connection.begin() as transaction:
            yield transaction
        self.touch()

    def _watch(self, tell: Callable[[int], bool], ended: threading.Event) -> None:
        """Tell of revisions that other processes make, until `ended`."""
