"""Noticing that a database's files were removed or replaced while they are in use.

SQLite goes on with what it has open: what it then acknowledges stands in a file that nobody can find any more.
"""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import structlog
from sqlalchemy import Engine, event

from sisf.errors import StoreUnavailable

_log = structlog.get_logger(__name__)
_File = tuple[int, int]


class SqliteFiles:
    """The database's file and its write-ahead log, by what they are and not by their names."""

    def __init__(self, path: Path, dispose: Callable[[], None]) -> None:
        """`dispose` closes the connections that nobody uses at the moment."""
        self._path, self._log = path, path.with_name(path.name + "-wal")
        self._dispose = dispose
        self._lock = threading.RLock()
        self._open = 0
        self._database = _file(path)
        self._known: _File | None = None
        self.leaving = False
        """Whether the log was lost: every connection closes then, before the files are opened again."""

    def follow(self, engine: Engine) -> None:
        """Count the connections of an engine that was not used yet, and open none where a file of another kind, or a
        new and empty one, would be opened."""
        event.listen(engine, "do_connect", lambda *_: self._may_open())
        event.listen(engine, "connect", lambda _raw, _record: self._count(1))
        event.listen(engine, "close", lambda _raw, _record: self._count(-1))

    def check(self) -> None:
        """Raises `StoreUnavailable` unless the files are those that are open."""
        if problem := self._problem():
            raise StoreUnavailable(f"sqlite:///{self._path}: {problem}")

    def check_or_save(self, raw: sqlite3.Connection, *, committed: bool = False) -> None:
        """As `check`, with a connection outside of a transaction by which a lost log is saved first.

        What was `committed` and saved is durable all the same.
        """
        problem = self._problem()
        if not problem:
            return
        saved = self._save(raw)
        if not (committed and saved):
            raise StoreUnavailable(f"sqlite:///{self._path}: {problem}")

    def _problem(self) -> str:
        with self._lock:
            database, log = _file(self._path), _file(self._log)
            if database != self._database:
                what = "is gone, or cannot be reached," if database is None else "was replaced by another one"
                return f"the file {what} while it was in use; put it back, or start again"
            if self.leaving:
                return "its log was removed while it was in use; it is being opened again"
            if self._known is None:
                self._known = log
            return "" if log == self._known else "its log was removed while it was in use"

    def _save(self, raw: sqlite3.Connection) -> bool:
        """Bring what stands in the lost log into the database, unless others went on without it. Whether it did."""
        with self._lock:
            if self.leaving or _file(self._path) != self._database:
                return False
            try:
                untouched = not self._log.exists() or not self._log.stat().st_size
                saved = untouched and raw.execute("PRAGMA wal_checkpoint(FULL)").fetchone()[0] == 0
            except (OSError, sqlite3.Error):
                saved = False
            self.leaving = True
            _log.error("store_log_removed", store=str(self._path), saved=saved)
        self._dispose()
        return saved

    def _may_open(self) -> None:
        with self._lock:
            if self.leaving or _file(self._path) != self._database:
                self.check()

    def _count(self, step: int) -> None:
        with self._lock:
            self._open += step
            if not self._open:
                self._known, self.leaving = None, False


def _file(path: Path) -> _File | None:
    """What stands at the path; `None` where nothing can be found, as in a folder that is gone or may not be entered."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
