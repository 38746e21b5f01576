"""The append-only log: each row's hash covers the row and the hash before it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from sisf.errors import StoreError
from sisf.store import schema
from sisf.store.codec import dumps, plain
from sisf.store.database import Database
from sisf.store.records import AuditRow

GENESIS = "0" * 64
"""The hash before the first row."""
_BATCH = 5_000
_table = schema.audit


@dataclass(frozen=True, slots=True)
class Entry:
    """What a row of the log says, before it has a place in the chain."""

    actor: str
    action: str
    subject: str
    revision: int
    detail: Mapping[str, Any]


def link(previous: str, sequence: int, time: str, entry: Entry, detail: str) -> str:
    """The hash of one row: SHA-256 over the hash before it and the row's canonical JSON."""
    content = dumps([sequence, time, entry.actor, entry.action, entry.subject, entry.revision, detail])
    return hashlib.sha256(f"{previous}\n{content}".encode("ascii")).hexdigest()


def write(database: Database, connection: Connection, entries: Sequence[Entry]) -> list[AuditRow]:
    """Append rows within a transaction of the writer."""
    if not entries:
        return []
    database.lock_chain(connection)
    last = connection.execute(
        select(_table.c.sequence, _table.c.hash).order_by(_table.c.sequence.desc()).limit(1)
    ).first()
    sequence, previous = (last.sequence, last.hash) if last else (0, GENESIS)
    time = datetime.now(UTC)
    rows = []
    for entry in entries:
        sequence += 1
        clean = Entry(plain(entry.actor), entry.action, plain(entry.subject), entry.revision, entry.detail)
        previous = link(previous, sequence, time.isoformat(), clean, dumps(entry.detail))
        rows.append(
            AuditRow(sequence, time, clean.actor, clean.action, clean.subject, clean.revision, clean.detail, previous)
        )
    connection.execute(insert(_table), [_columns(row) for row in rows])
    return rows


def _columns(row: AuditRow) -> dict[str, Any]:
    return {
        "sequence": row.sequence,
        "time": row.time.isoformat(),
        "actor": row.actor,
        "action": row.action,
        "subject": row.subject,
        "revision": row.revision,
        "detail": dumps(row.detail),
        "hash": row.hash,
    }


class AuditLog:
    """The append-only log."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, *, actor: str, action: str, subject: str, revision: int, detail: Mapping[str, Any]) -> AuditRow:
        """Write one row, durably, and return it."""
        entry = Entry(actor, action, subject, revision, dict(detail))
        return self._database.writer.run(lambda connection: write(self._database, connection, [entry])[0])

    def rows(self, *, after: int = 0, limit: int = 1000) -> Sequence[AuditRow]:
        """Rows in order, starting behind sequence number `after`."""
        with self._database.read() as connection:
            return [_row(row) for row in _page(connection, after, limit)]

    def latest(
        self,
        limit: int = 100,
        *,
        before: int | None = None,
        subject: str | None = None,
        actor: str | None = None,
        action: str | None = None,
    ) -> Sequence[AuditRow]:
        """The newest rows first; with `before`, only those numbered below; with `subject`, those about that only; with
        `actor` or `action`, those in whose name that occurs."""
        query = select(_table).order_by(_table.c.sequence.desc()).limit(limit)
        if before is not None:
            query = query.where(_table.c.sequence < before)
        if subject is not None:
            query = query.where(_table.c.subject == plain(subject))
        for column, part in ((_table.c.actor, actor), (_table.c.action, action)):
            if part is not None:
                query = query.where(column.contains(plain(part), autoescape=True))
        with self._database.read() as connection:
            return [_row(row) for row in connection.execute(query).all()]

    def verify(self, anchor: AuditRow | None = None) -> int:
        """Check the chain (and that it still holds `anchor`); returns the number of rows.

        Raises `StoreError` that names the first row that was edited, deleted, reordered or cut off.
        """
        count, previous = 0, GENESIS
        with self._database.read() as connection:
            while page := _page(connection, count, _BATCH):
                for row in page:
                    count += 1
                    if row.sequence != count:
                        raise StoreError(f"audit: row {count} is missing (row {row.sequence} stands in its place)")
                    entry = Entry(row.actor, row.action, row.subject, row.revision, {})
                    if link(previous, count, row.time, entry, row.detail) != row.hash:
                        raise StoreError(f"audit: row {count} was edited or moved: its hash does not follow")
                    previous = row.hash
                    if anchor and anchor.sequence == count and anchor.hash != row.hash:
                        raise StoreError(f"audit: row {count} is not the one that was anchored: history was rewritten")
        if anchor and anchor.sequence > count:
            raise StoreError(f"audit: rows {count + 1} to {anchor.sequence} were cut off")
        return count


def _page(connection: Connection, after: int, limit: int) -> Sequence[Row[Any]]:
    return connection.execute(
        select(_table).where(_table.c.sequence > after).order_by(_table.c.sequence).limit(limit)
    ).all()


def _row(row: Row[Any]) -> AuditRow:
    time = datetime.fromisoformat(row.time)
    detail = json.loads(row.detail)
    return AuditRow(row.sequence, time, row.actor, row.action, row.subject, row.revision, detail, row.hash)
