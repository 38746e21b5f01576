"""What other tables do with jobs within their own transactions: create them, prove a lease, end them."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, and_, delete

from sisf.errors import LeaseLost
from sisf.store import schema
from sisf.store.base import Job, Stage
from sisf.store.database import Database
from sisf.store.privacy import Keep

READY, DEAD = "ready", "dead"
_table = schema.job


def keeps_whole(database: Database) -> bool:
    """Whether jobs carry the whole exchange. Where everything is kept anyway, the exchange's own row says it all."""
    return database.privacy.exchanges is not Keep.FULL or database.privacy.breaches is not Keep.FULL


def enqueue(database: Database, connection: Connection, bodies: Mapping[str, bytes | None], now: float) -> None:
    """Create the first job of each exchange, with its whole body, within a transaction of the writer."""
    rows = [(exchange_id, Stage.ANALYZE.value, READY, 0, now, now, body) for exchange_id, body in bodies.items()]
    columns = ("exchange_id", "stage", "state", "attempts", "due", "created", "body")
    database.insert(connection, _table, columns, rows, new=True)


def complete(connection: Connection, job: Job) -> None:
    """End a job within a transaction of the writer. Raises `LeaseLost`."""
    held(connection.execute(delete(_table).where(mine(job))).rowcount, job)


def mine(job: Job) -> Any:
    """The row of this job, while this lease of it holds."""
    return and_(_table.c.exchange_id == job.exchange_id, _table.c.lease == job.lease, _table.c.state == READY)


def held(rows: int, job: Job) -> None:
    """Raise `LeaseLost` unless one row was written."""
    if rows != 1:
        raise LeaseLost(f"job {job.exchange_id}: the lease ended and another worker may have it; its result is dropped")
