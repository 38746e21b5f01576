"""SQLite: one file in WAL mode, fully synchronous for what must last; or one database in memory for tests."""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, Transaction, create_engine, event, func, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from sisf.errors import StoreError, StoreUnavailable
from sisf.store import migrate, schema, search
from sisf.store.database import Database
from sisf.store.privacy import Privacy
from sisf.store.sqlite_files import SqliteFiles

_BUSY_MS = 10_000
_POLL_SECONDS = 0.25
_MOST_ROWS = 64
"""Rows in one statement: SQLite takes 32,766 values in one, older ones 999."""


class _Sqlite(Database):
    """What a file and a database in memory share."""

    def insert_new(self, table: Table) -> Any:
        """An INSERT that leaves out rows whose key is already there."""
        return insert(table).on_conflict_do_nothing()

    def insert(
        self,
        connection: Connection,
        table: Table,
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
        *,
        new: bool = False,
    ) -> None:
        """Write many rows as the driver takes them: what SQLAlchemy does for each costs more than writing it.

        Many in one statement: the driver gives Python's lock away for each statement, and to get it back from a busy
        event loop costs both more than the row does.
        """
        row = f"({', '.join('?' * len(columns))})"
        head = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES "  # noqa: S608 - our own names
        tail = " ON CONFLICT DO NOTHING" if new else ""
        start = 0
        for size in _sizes(len(rows)):
            values = tuple(chain.from_iterable(rows[start : start + size]))
            connection.exec_driver_sql(head + ", ".join([row] * size) + tail, values)
            start += size

    def upsert(self, table: Table, key: str, columns: Sequence[str]) -> Any:
        """An INSERT that, where a row with the same key is there, replaces these columns of it."""
        statement = insert(table)
        values = {name: statement.excluded[name] for name in columns}
        return statement.on_conflict_do_update(index_elements=[key], set_=values)


def _make_private(path: Path) -> None:
    """Make the file for its owner only, before anything of what clients say stands in it. Its log files follow it."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise StoreUnavailable(f"sqlite:///{path} cannot be opened: {error.strerror}") from None


def _why(path: Path, error: DBAPIError) -> str:
    """Why SQLite cannot open a file: it says of a folder that it may not write to that it is unable to."""
    for place in (path.parent, path):
        if not os.access(place, os.W_OK):
            return f"{place} may not be written to, as is needed even to read; change that, or use a copy of the store"
    return str(error.orig)


class SqliteFile(_Sqlite):
    """The embedded default."""

    def __init__(self, path: Path, privacy: Privacy | None = None) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnavailable(f"{path.parent}: cannot be made: {error.strerror}") from None
        _make_private(path)
        describe, writing, reading = f"sqlite:///{path}", _engine(path, "BEGIN IMMEDIATE"), _engine(path, "BEGIN")
        self._files = SqliteFiles(path, self._dispose)
        self._files.follow(writing)
        self._files.follow(reading)
        try:
            with writing.begin() as connection:
                migrate.upgrade(connection, describe)
        except DBAPIError as error:
            raise StoreUnavailable(f"{describe} cannot be opened: {_why(path, error)}") from None
        super().__init__(writing=writing, reading=reading, describe=describe, privacy=privacy)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view of the database. Raises `StoreUnavailable`, also where its files are no longer there."""
        self._files.check()
        with super().read() as connection:
            yield connection
            if self._files.leaving:
                connection.invalidate()

    @contextmanager
    def _transaction(self, connection: Connection, relaxed: bool) -> Iterator[Transaction]:
        raw: Any = connection.connection.dbapi_connection
        self._files.check_or_save(raw)
        # Asked each time: a new connection starts at FULL.
        raw.execute(f"PRAGMA synchronous={'NORMAL' if relaxed else 'FULL'}")
        with connection.begin() as transaction:
            yield transaction
        self._files.check_or_save(raw, committed=True)
        self.touch()

    def compact(self) -> None:
        """After a deletion: leave no copy of what was deleted behind, also not in the write-ahead log."""
        with self._writing.connect() as connection:
            raw: Any = connection.connection.dbapi_connection
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _watch(self, tell: Callable[[int], bool], ended: threading.Event) -> None:
        # `data_version` changes when another connection commits; asking costs microseconds.
        seen = -1
        while not ended.is_set():
            try:
                self._files.check()
                with self._reading.connect() as connection:
                    while not ended.wait(_POLL_SECONDS):
                        self._still_there(connection)
                        version = connection.exec_driver_sql("PRAGMA data_version").scalar_one()
                        if version != seen:
                            latest = connection.execute(select(func.max(schema.revision.c.number))).scalar() or 0
                            connection.rollback()  # a subscriber must not hold up this reader's view
                            seen = version if tell(latest) else -1
                        connection.rollback()
                        self.touch()
            except (SQLAlchemyError, StoreError):
                ended.wait(_POLL_SECONDS)

    def _still_there(self, connection: Connection) -> None:
        raw: Any = connection.connection.dbapi_connection
        try:
            self._files.check_or_save(raw)
        except StoreError:
            connection.invalidate()
            raise


class SqliteMemory(_Sqlite):
    """Forgets everything when it is closed. One connection, used by one thread at a time."""

    def __init__(self, privacy: Privacy | None = None) -> None:
        guard: AbstractContextManager[Any] = threading.RLock()
        engine = create_engine(
            "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False, "isolation_level": None}
        )
        _on_begin(engine, "BEGIN")
        schema.metadata.create_all(engine)
        with engine.begin() as connection:
            connection.exec_driver_sql(search.SQLITE)
        super().__init__(writing=engine, reading=engine, describe="memory", guard=guard, privacy=privacy)


def _sizes(rows: int) -> Iterator[int]:
    """Powers of two that add up to so many rows, so that there are few different statements: the driver keeps them."""
    size = _MOST_ROWS
    while rows:
        while size > rows:
            size //= 2
        yield size
        rows -= size


def _engine(path: Path, begin: str) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        connect_args={"check_same_thread": False, "isolation_level": None, "timeout": _BUSY_MS / 1000},
    )

    @event.listens_for(engine, "connect")
    def configure(raw: sqlite3.Connection, _record: object) -> None:
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute("PRAGMA synchronous=FULL")
        raw.execute("PRAGMA temp_store=MEMORY")
        raw.execute("PRAGMA secure_delete=ON")  # what is deleted is overwritten

    _on_begin(engine, begin)
    return engine


def _on_begin(engine: Engine, statement: str) -> None:
    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(statement)
