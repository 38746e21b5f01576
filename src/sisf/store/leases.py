"""What other tables do with jobs within their own transactions: create them, prove a lease, end them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, delete, or_

from sisf.errors import LeaseLost
from sisf.store import schema
from sisf.store.database import Database
from sisf.store.privacy import Keep
from sisf.store.records import Job, Stage, Urgency

READY, DEAD = "ready", "dead"
_table = schema.job
_FARTHEST_SECONDS = 900.0
"""No lease and no pause of a job is as long as this."""


_AHEAD = {Urgency.ORDINARY: 0.0, Urgency.SUSPECT: 60.0, Urgency.BREACH: 600.0}
"""Seconds by which a job goes ahead of those that came before it: so nothing that is urgent keeps the rest waiting
without end."""


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to create."""

    exchange_id: str
    body: bytes | None
    """The whole exchange, sealed; None where the exchange's own row says it all."""
    urgency: Urgency


def keeps_whole(database: Database) -> bool:
    """Whether jobs carry the whole exchange. Where everything is kept anyway, the exchange's own row says it all."""
    return database.privacy.exchanges is not Keep.FULL or database.privacy.breaches is not Keep.FULL


def enqueue(database: Database, connection: Connection, jobs: Sequence[NewJob]) -> None:
    """Create the first job of each exchange within a transaction of the writer."""
    now, stage = time.time(), Stage.ANALYZE.value
    rows = [(j.exchange_id, stage, READY, 0, 0.0, now, now - _AHEAD[j.urgency], j.body) for j in jobs]
    columns = ("exchange_id", "stage", "state", "attempts", "due", "created", "rank", "body")
    database.insert(connection, _table, columns, rows, new=True)


def is_due(due: Any, now: Any, farthest: float = _FARTHEST_SECONDS) -> Any:
    """Whether the time of some work has come. One that is further ahead than anybody sets one (`farthest` seconds) was
    set by a clock that has been put back since: it would keep the work waiting for as long."""
    return or_(due <= now, due > now + farthest)


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
