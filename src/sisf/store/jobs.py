"""The jobs table: one row for each exchange on its way through the loop, leased by one worker at a time.

A lease sets the job's due time to its own end: a job of a dead worker becomes due again by itself. All times that
decide are those of the database. Of the jobs that are due, the one of the lowest rank goes first.
"""

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, case, func, select, update

from sisf.errors import StoreError, quoted
from sisf.policy import Policy
from sisf.store import schema, verdicts
from sisf.store.database import Database
from sisf.store.leases import DEAD, READY, complete, held, is_due, mine
from sisf.store.policies import write_proposals
from sisf.store.policy_rows import encode
from sisf.store.records import Job, Stage
from sisf.verdict import Verdict

_table = schema.job
_URGENT = 0.0
"""Rank of what is known to be a breach: the sooner it is learned from, the fewer follow it."""


class JobTable:
    """Durable work, at least once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._plenty = False
        """Whether the last look found work: then the next one most likely does, and asks the writer at once."""

    def lease(self, worker: str, seconds: float) -> Job | None:
        """Take the most urgent job that is due and not leased, for `seconds`. None when there is none."""
        self._database.work.look()
        if not self._plenty:
            with self._database.read() as connection:
                if connection.execute(_due(self._database.clock())).first() is None:
                    return None
        lease = f"{worker}/{uuid.uuid4().hex}"

        def work(connection: Connection) -> Job | None:
            now = self._database.clock()
            found = self._database.skip_locked(_due(now)).scalar_subquery()
            taken = connection.execute(
                update(_table)
                .where(_table.c.exchange_id == found)
                .values(lease=lease, due=now + seconds, attempts=_table.c.attempts + 1)
                .returning(_table)
            ).first()
            return _job(taken, seconds) if taken else None

        # A lease that a power loss undoes does no harm: the job is simply due again.
        taken = self._database.writer.run(work, relaxed=True)
        self._plenty = taken is not None
        return taken

    def advance(
        self,
        job: Job,
        stage: Stage | None,
        *,
        verdict: Verdict | None = None,
        proposals: Sequence[Policy] = (),
    ) -> Job | None:
        """End this stage: write its results and move the job to `stage` (None: done), in one transaction.

        Returns the job at its next stage, still leased by the caller, or None when it is done.
        Raises `LeaseLost`; nothing is written then.
        """
        encoded = [encode(self._database, policy) for policy in proposals]

        def work(connection: Connection) -> Job | None:
            if encoded:
                self._database.lock_chain(connection)
            if verdict is not None:
                verdicts.write(self._database, connection, job.exchange_id, verdict, actor="loop")
            if stage is None:
                complete(connection, job)
            else:
                due = self._database.clock() + job.seconds
                values = {"stage": stage.value, "attempts": 1, "due": due, "rank": _URGENT, "error": None}
                held(connection.execute(update(_table).where(mine(job)).values(**values)).rowcount, job)
            write_proposals(self._database, connection, job.exchange_id, encoded)
            return None if stage is None else Job(job.exchange_id, stage, 1, job.lease, job.seconds)

        # A step in the middle is acknowledged to nobody: a power loss that undoes it only has it done again. The last
        # step of the job is durable, and with it all before.
        return self._database.writer.run(work, relaxed=stage is not None)

    def renew(self, job: Job) -> None:
        """Extend the lease from now. Raises `LeaseLost`."""

        def work(connection: Connection) -> None:
            values = {"due": self._database.clock() + job.seconds}
            held(connection.execute(update(_table).where(mine(job)).values(**values)).rowcount, job)

        self._database.writer.run(work, relaxed=True)

    def fail(self, job: Job, error: str, *, retry_in: float | None) -> None:
        """Give the job back, to be tried again after `retry_in` seconds, or to the dead letters when None."""
        sealed = self._database.vault.seal_text(json.dumps(error), job.exchange_id)  # it may quote the exchange
        values: dict[str, Any] = {"lease": None, "error": sealed}
        if retry_in is None:
            values["state"] = DEAD
        else:
            values["due"] = self._database.clock() + retry_in

        def work(connection: Connection) -> None:
            held(connection.execute(update(_table).where(mine(job)).values(**values)).rowcount, job)

        self._database.writer.run(work, after=self._database.work.raise_)

    def counts(self) -> Mapping[str, int]:
        """Jobs by state: `ready`, `leased`, `waiting`, `dead`."""
        now = self._database.clock()
        state = case(
            (_table.c.state == DEAD, "dead"),
            (is_due(_table.c.due, now), "ready"),
            (_table.c.lease.is_not(None), "leased"),
            else_="waiting",
        )
        with self._database.read() as connection:
            rows = connection.execute(select(state, func.count()).group_by(state)).all()
        found = {row[0]: row[1] for row in rows}
        return {name: found.get(name, 0) for name in ("ready", "leased", "waiting", "dead")}

    def under_way(self) -> int:
        """Jobs that the loop has not done yet, and has not given up."""
        counts = self.counts()
        return sum(counts.values()) - counts["dead"]

    def pending(self, exchange_id: str) -> bool:
        """Whether the loop has still work to do on an exchange, which is no dead letter."""
        where = and_(_table.c.exchange_id == exchange_id, _table.c.state == READY)
        with self._database.read() as connection:
            return connection.execute(select(_table.c.exchange_id).where(where)).first() is not None

    def lag(self) -> float:
        """Seconds since the oldest job that is not dead entered the loop; 0 when there is none."""
        with self._database.read() as connection:
            oldest = connection.execute(select(func.min(_table.c.created)).where(_table.c.state == READY)).scalar()
        return max(0.0, time.time() - oldest) if oldest is not None else 0.0

    def dead(self) -> Sequence[tuple[Job, str]]:
        """Dead letters with their last error."""
        with self._database.read() as connection:
            rows = connection.execute(select(_table).where(_table.c.state == DEAD).order_by(_table.c.created)).all()
        opened = self._database.vault.open_text
        return [(_job(row, 0.0), json.loads(opened(row.error or '""', row.exchange_id))) for row in rows]

    def retry(self, exchange_id: str) -> None:
        """Put a dead letter back to work. Raises `StoreError` when there is none for that exchange."""

        def work(connection: Connection) -> None:
            values = {"state": READY, "attempts": 0, "due": 0.0, "lease": None}
            where = and_(_table.c.exchange_id == exchange_id, _table.c.state == DEAD)
            if connection.execute(update(_table).where(where).values(**values)).rowcount != 1:
                raise StoreError(
                    f"there is no dead letter for exchange {quoted(exchange_id)}; `sisf breach list` lists them"
                )

        self._database.writer.run(work, after=self._database.work.raise_)

    def wake(self) -> None:
        """End every `wait` of this process."""
        self._database.work.raise_()

    def wait(self, timeout: float) -> None:
        """Return when a job may have become due, or after `timeout` seconds."""
        self._database.work.wait(timeout)


def _due(now: Any) -> Any:
    where = (_table.c.state == READY, is_due(_table.c.due, now))
    return select(_table.c.exchange_id).where(*where).order_by(_table.c.rank).limit(1)


def _job(row: Row[Any], seconds: float) -> Job:
    return Job(row.exchange_id, Stage(row.stage), row.attempts, row.lease or "", seconds)
