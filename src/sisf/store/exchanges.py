"""Exchanges, verdicts and breaches."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, func, select
from sqlalchemy.exc import IntegrityError

from sisf.errors import StoreError, quoted
from sisf.exchange import Exchange, Fate, Sender
from sisf.store import audit, codec, conduct, leases, policy_rows, retention, schema, search, standing, tally, verdicts
from sisf.store.database import Database
from sisf.store.figures import Standing, Tally
from sisf.store.passed import PassedTable
from sisf.store.privacy import Keep
from sisf.store.records import Conduct, ExchangeRecord, Label, Spoken, Urgency
from sisf.store.search import Found, Query
from sisf.verdict import Breach, Outcome, Verdict

_table = schema.exchange
_COLUMNS = ("id", "time", "tenant", "principal", "outcome", "decisions", "body", "verdict", "verdict_body", "hazard")
_AUDITED = {
    Fate.INTERCEPTED_PROMPT: "exchange.block",
    Fate.INTERCEPTED_RESPONSE: "exchange.block",
    Fate.WITHHELD: "exchange.withhold",
}


@dataclass(frozen=True, slots=True)
class _Recorded:
    record: ExchangeRecord
    urgency: Urgency | None


class ExchangeTable:
    """Exchanges, verdicts and breaches."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(
        self,
        record: ExchangeRecord,
        *,
        enqueue: bool,
        urgency: Urgency = Urgency.ORDINARY,
        gather: bool = False,
    ) -> "Future[None]":
        """Write an exchange and, with `enqueue`, its `analyze` job in one transaction, group-committed.

        The future is done once it is durable. Recording the same id again changes nothing. With `gather` the exchange
        may wait some milliseconds for others, and has its future together with them.
        """
        after = self._work_came if enqueue else None
        item = _Recorded(record, urgency if enqueue else None)
        writer = self._database.writer
        if gather:
            return writer.gather(self._write, item, after=after)
        return writer.submit_row(self._write, [item], after=after)

    def _work_came(self) -> None:
        self._database.work.raise_()

    def _write(self, connection: Connection, batch: Sequence[Sequence[_Recorded]]) -> None:
        fresh: dict[str, _Recorded] = {}
        for item in chain.from_iterable(batch):
            fresh.setdefault(item.record.exchange.id, item)
        records = [item.record for item in fresh.values()]
        if any(r.fate in _AUDITED or any(d.matches for d in r.decisions) for r in records):
            # First of all locks, everywhere: two nodes then cannot wait for each other.
            self._database.lock_chain(connection)
        known = self._insert(connection, records)
        if known:
            fresh = {exchange_id: item for exchange_id, item in fresh.items() if exchange_id not in known}
            records = [item.record for item in fresh.values()]
        judged = [(r.exchange.id, r.verdict) for r in records if r.verdict is not None]
        verdicts.write_all(self._database, connection, judged, actor="gateway")
        urgent = [(item.record.exchange, item.urgency) for item in fresh.values() if item.urgency is not None]
        if urgent:
            whole = leases.keeps_whole(self._database)
            jobs = [
                leases.NewJob(e.id, verdicts.exchange_body(self._database, e) if whole else None, urgency)
                for e, urgency in urgent
            ]
            leases.enqueue(self._database, connection, jobs)
            self._database.notify_work(connection)
        policy_rows.count_hits(connection, records)
        search.note_matches(connection, records)
        audit.write(self._database, connection, [_entry(r) for r in records if r.fate in _AUDITED])

    def _insert(self, connection: Connection, records: Sequence[ExchangeRecord]) -> set[str]:
        """Write those that are new; returns the ids of the others. Ids are random: most often there are none."""
        rows = [self._columns(record) for record in records]
        savepoint = connection.begin_nested()
        try:
            self._database.insert(connection, _table, _COLUMNS, rows)
        except IntegrityError:
            savepoint.rollback()
        else:
            savepoint.commit()
            return set()
        ids = [record.exchange.id for record in records]
        known = set(connection.execute(select(_table.c.id).where(_table.c.id.in_(ids))).scalars().all())
        rows = [row for row in rows if row[0] not in known]
        if rows:
            self._database.insert(connection, _table, _COLUMNS, rows)
        return known

    def get(self, exchange_id: str) -> ExchangeRecord:
        """One exchange with its latest verdict. Raises `StoreError` when there is none."""
        query = _whole().where(_table.c.id == exchange_id)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise StoreError(f"there is no exchange {quoted(exchange_id)}")
        return self._record(row)

    def recent(
        self,
        limit: int = 100,
        *,
        outcome: Outcome | None = None,
        tenant: str | None = None,
        became: Sequence[str] | None = None,
    ) -> Sequence[ExchangeRecord]:
        """The latest exchanges first; with `outcome`, those with such a verdict; with `tenant`, that tenant's only;
        with `became`, those whose own outcome (`released`, `withheld`, …) is one of these."""
        wanted = Query(tenant=tenant, outcome=outcome, fates=[Fate(fate) for fate in became or ()])
        return [found.record for found in self.search(wanted, limit)]

    def search(self, wanted: Query, limit: int = 50, *, before: int | None = None) -> Sequence[Found]:
        """Exchanges, the newest first, numbered below `before`. Raises `StoreError` when texts cannot be searched."""
        # One fate at a time, each by its index: of several together SQLite sorts all there are.
        each = [replace(wanted, fates=(fate,)) for fate in wanted.fates] or [wanted]
        with self._database.read() as connection:
            rows = [row for one in each for row in self._page(connection, one, limit, before)]
        rows.sort(key=lambda row: row.seq, reverse=True)
        return [Found(row.seq, self._record(row)) for row in rows[:limit]]

    def _page(self, connection: Connection, wanted: Query, limit: int, before: int | None) -> Sequence[Row[Any]]:
        query = _whole()
        return connection.execute(
            search.page(self._database, connection, query, wanted, limit=limit, before=before)
        ).all()

    def count(self, outcome: Outcome, most: int, *, tenant: str | None = None) -> int:
        """How many exchanges, of one tenant or of all, have such a verdict, counted up to `most`."""
        wanted = select(_table.c.seq).where(_table.c.verdict == outcome.value, *search.of_tenant(tenant))
        some = wanted.limit(most).subquery()
        with self._database.read() as connection:
            return connection.execute(select(func.count()).select_from(some)).scalar_one()

    def neighbours(self, exchange_id: str, *, tenant: str | None = None) -> tuple[str | None, str | None]:
        """The ids of the exchanges, of one tenant or of all, written before and after this one."""
        with self._database.read() as connection:
            return search.neighbours(connection, exchange_id, tenant)

    def index(self) -> int:
        """Index the words of some exchanges that are not yet, to be found by `search`; returns how many."""
        return self._database.writer.run(lambda connection: search.index(self._database, connection), relaxed=True)

    def verdicts(self, exchange_id: str) -> Sequence[Spoken]:
        """Every verdict on an exchange that was not taken back, oldest first."""
        with self._database.read() as connection:
            return verdicts.spoken(self._database, connection, exchange_id)

    def take_back(self, exchange_id: str, *, actor: str) -> Verdict | None:
        """Withdraw what people said of an exchange: the judge's verdict stands again, if there is one; audited.

        Raises `StoreError` when no person's verdict stands.
        """

        def work(connection: Connection) -> Verdict | None:
            return verdicts.take_back(self._database, connection, exchange_id, actor=actor)

        return self._database.writer.run(work)

    def tally(self, last: int, *, parts: int = 1) -> Sequence[Tally]:
        """What became of the `last` exchanges, oldest first, in up to `parts` runs of about the same length."""
        with self._database.read() as connection:
            return tally.read(connection, last, parts)

    def conduct(self, since: datetime) -> Mapping[Sender, Conduct]:
        """What was judged of each sender's exchanges since then."""
        with self._database.read() as connection:
            return conduct.read(connection, since)

    def stopped(self, since: datetime, *, of_one: int, limit: int) -> Sequence[ExchangeRecord]:
        """Prompts that policies stopped since then, newest first, at most `of_one` of each sender."""
        with self._database.read() as connection:
            rows = connection.execute(conduct.stopped(_whole(), since, of_one, limit)).all()
            return [self._record(row) for row in rows]

    def standing(self, wanted: Query, *, last: int = 20_000, parts: int = 1) -> Sequence[Standing]:
        """What became of the `last` of these exchanges, oldest first, in up to `parts` runs of equally many."""
        with self._database.read() as connection:
            return standing.read(self._database, connection, wanted, last, parts)

    def breaches(self, *, after: int = 0, newest: int | None = None) -> Sequence[tuple[int, Breach]]:
        """Breaches as lessons, oldest first, each with its sequence number; only those numbered above `after`, and of
        these only the `newest` so many."""
        breach = schema.breach
        query = (
            _whole()
            .add_columns(breach.c.seq.label("number"))
            .join(breach, _table.c.id == breach.c.exchange_id)
            .where(breach.c.seq > after)
            .order_by(breach.c.seq.desc())
            .limit(newest)
        )
        with self._database.read() as connection:
            return [(row.number, self._breach(row)) for row in reversed(connection.execute(query).all())]

    def lesson(self, exchange: Exchange) -> Exchange:
        """An exchange as policies may be written from it: without what would outlive it against `privacy`."""
        return self._database.privacy.lesson(exchange)

    def breach_count(self, *, after: int = 0) -> int:
        """How many breaches there are, numbered above `after`. It falls when a person overrules a verdict."""
        query = select(func.count()).select_from(schema.breach).where(schema.breach.c.seq > after)
        with self._database.read() as connection:
            return connection.execute(query).scalar_one()

    def labels(self, limit: int = 10_000, *, tenant: str | None = None) -> Sequence[Label]:
        """The exchanges, of one tenant or of all, that a person judged, latest word first: labels to train judges on
        and to measure them by."""
        with self._database.read() as connection:
            return verdicts.labels(self._database, connection, limit, tenant)

    def save_verdict(self, exchange_id: str, verdict: Verdict, *, actor: str, learn: bool = False) -> None:
        """Write a verdict outside the loop (inline adjudication, a person); audited.

        `learn`: a breach also enters the loop, to be learned from, where its text was kept.
        """
        entry = audit.Entry(
            actor,
            f"verdict.{verdict.outcome.value}",
            exchange_id,
            0,
            {"judge": verdict.judge, "hazard": verdict.hazard},
        )

        def work(connection: Connection) -> None:
            self._database.lock_chain(connection)
            verdicts.write(self._database, connection, exchange_id, verdict, actor=actor)
            audit.write(self._database, connection, [entry])
            if learn and verdict.is_breach:
                self._enqueue_kept(connection, exchange_id)

        self._database.writer.run(work, after=self._database.work.raise_ if learn else None)

    def _enqueue_kept(self, connection: Connection, exchange_id: str) -> None:
        """Put an exchange back to work with what was kept of it. Of a hash nothing can be learned."""
        if self._database.privacy.breaches in (Keep.REDACTED, Keep.FULL):
            body = connection.execute(select(_table.c.body).where(_table.c.id == exchange_id)).scalar_one()
            leases.enqueue(self._database, connection, [leases.NewJob(exchange_id, bytes(body), Urgency.BREACH)])
            self._database.notify_work(connection)

    def delete(
        self,
        *,
        actor: str,
        reason: str,
        before: datetime | None = None,
        sender: Sender | None = None,
        breaches: bool = True,
    ) -> int:
        """Delete exchanges for good, with their verdicts, work and evidence, and the examples in what was learned.

        `before`: only older ones; `sender`: only those of one, and what is remembered of texts of theirs that passed;
        `breaches=False` spares the breaches. Returns how many were deleted. Reported benign cases stay: they are kept
        for ever.
        """
        wanted = [_table.c.seq > 0]
        if before is not None:
            wanted.append(_table.c.time < before.timestamp())
        if sender is not None:
            wanted.append(_table.c.tenant == codec.plain(sender.tenant))
            wanted.append(_table.c.principal == codec.plain(sender.principal))
        if not breaches:
            wanted.append(func.coalesce(_table.c.verdict, "") != Outcome.BREACH.value)

        def work(connection: Connection) -> int:
            self._database.lock_chain(connection)
            return retention.delete_exchanges(self._database, connection, and_(*wanted), actor=actor, reason=reason)

        total = 0
        while deleted := self._database.writer.run(work):
            total += deleted
        if sender is not None:
            PassedTable(self._database).forget(sender)
        if total:
            if sender is not None:  # by age so many go so often that the index forgets them in its own time
                self._database.writer.run(search.optimise)
            self._database.compact()
        return total

    def _columns(self, record: ExchangeRecord) -> tuple[Any, ...]:
        """Values for `_COLUMNS`."""
        exchange, verdict = record.exchange, record.verdict
        return (
            exchange.id,
            exchange.time.timestamp(),
            codec.plain(exchange.sender.tenant),
            codec.plain(exchange.sender.principal),
            record.fate.value,
            codec.decisions_to_json(record.decisions),
            verdicts.exchange_body(self._database, verdicts.kept(self._database, exchange, verdict)),
            verdict.outcome.value if verdict else None,
            verdicts.body(self._database, exchange.id, verdict) if verdict else None,
            verdict.hazard.value if verdict else None,
        )

    def _exchange(self, row: Row[Any]) -> Exchange:
        body = row.body if row.whole is None else row.whole
        return codec.exchange_from_bytes(self._database.vault.open(bytes(body), row.id))

    def _record(self, row: Row[Any]) -> ExchangeRecord:
        decisions = codec.decisions_from_json(row.decisions)
        verdict = self._verdict(row) if row.verdict_body else None
        return ExchangeRecord(self._exchange(row), decisions, Fate(row.outcome), verdict)

    def _breach(self, row: Row[Any]) -> Breach:
        return Breach(self.lesson(self._exchange(row)), self._verdict(row))

    def _verdict(self, row: Row[Any]) -> Verdict:
        return codec.verdict_from_json(self._database.vault.open_text(row.verdict_body, row.id))


def _whole() -> Select[Any]:
    """Exchanges, each with its whole body for as long as the loop works on it."""
    job = schema.job
    return select(_table, job.c.body.label("whole")).join(job, job.c.exchange_id == _table.c.id, isouter=True)


def _entry(record: ExchangeRecord) -> audit.Entry:
    decision = next((d for d in reversed(record.decisions) if d.blocked), None)
    detail = {
        "outcome": record.fate.value,
        "tenant": record.exchange.tenant,
        "principal": record.exchange.sender.principal,
        "policy": decision.policy_id if decision else None,
        "judge": record.verdict.judge if record.verdict else None,
    }
    revision = max((d.revision for d in record.decisions), default=0)
    actor = "warden" if decision else "adjudicator"
    return audit.Entry(actor, _AUDITED[record.fate], record.exchange.id, revision, detail)
