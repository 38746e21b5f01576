"""Exchanges, verdicts and breaches."""

import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, delete, func, insert, select, update

from sisf.errors import StoreError
from sisf.exchange import Exchange
from sisf.store import audit, codec, leases, retention, schema
from sisf.store.base import ExchangeRecord, Label
from sisf.store.database import Database
from sisf.verdict import Breach, Outcome, Verdict

_table = schema.exchange
_AUDITED = {
    "intercepted_prompt": "exchange.block",
    "intercepted_response": "exchange.block",
    "withheld": "exchange.withhold",
}


@dataclass(frozen=True, slots=True)
class _Recorded:
    record: ExchangeRecord
    enqueue: bool


def write_verdict(
    database: Database, connection: Connection, exchange_id: str, verdict: Verdict, *, actor: str
) -> None:
    """Write a verdict, and the breach that follows from it, within a transaction of the writer."""
    _write_verdicts(database, connection, [(exchange_id, verdict)], actor=actor)
    values: dict[str, Any] = {"verdict": verdict.outcome.value, "verdict_body": codec.verdict_to_json(verdict)}
    if verdict.is_breach and database.privacy.breaches is not database.privacy.exchanges:
        whole = connection.execute(select(schema.job.c.body).where(schema.job.c.exchange_id == exchange_id)).scalar()
        if whole is not None:
            exchange = codec.exchange_from_bytes(database.vault.open(bytes(whole), exchange_id))
            values["body"] = exchange_body(database, _kept(database, exchange, verdict))
    if connection.execute(update(_table).where(_table.c.id == exchange_id).values(**values)).rowcount != 1:
        raise StoreError(f"there is no exchange `{exchange_id}`")
    if not verdict.is_breach:
        connection.execute(delete(schema.breach).where(schema.breach.c.exchange_id == exchange_id))


def _write_verdicts(
    database: Database, connection: Connection, verdicts: Sequence[tuple[str, Verdict]], *, actor: str
) -> None:
    if not verdicts:
        return
    now = time.time()
    rows = [
        {
            "exchange_id": exchange_id,
            "time": now,
            "actor": codec.plain(actor),
            "outcome": verdict.outcome.value,
            "body": codec.verdict_to_json(verdict),
        }
        for exchange_id, verdict in verdicts
    ]
    connection.execute(insert(schema.verdict), rows)
    breaches = [{"exchange_id": exchange_id} for exchange_id, verdict in verdicts if verdict.is_breach]
    if breaches:
        connection.execute(database.insert_new(schema.breach), breaches)


class SqlExchanges:
    """The exchanges of a SQL store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, record: ExchangeRecord, *, enqueue: bool) -> "Future[None]":
        """Write an exchange and, with `enqueue`, its `analyze` job in one transaction, group-committed.

        The future is done once it is durable. Recording the same id again changes nothing.
        """
        after = self._database.work.raise_ if enqueue else None
        return self._database.writer.submit_row(self._write, _Recorded(record, enqueue), after=after)

    def _write(self, connection: Connection, batch: Sequence[_Recorded]) -> None:
        fresh = {item.record.exchange.id: item for item in reversed(batch)}
        known = connection.execute(select(_table.c.id).where(_table.c.id.in_(fresh))).scalars().all()
        for exchange_id in known:
            del fresh[exchange_id]
        if not fresh:
            return
        records = [item.record for item in fresh.values()]
        if any(record.decisions or record.outcome in _AUDITED for record in records):
            # First of all locks, everywhere: two nodes then cannot wait for each other.
            self._database.lock_chain(connection)
        connection.execute(insert(_table), [self._columns(record) for record in records])
        verdicts = [(r.exchange.id, r.verdict) for r in records if r.verdict is not None]
        _write_verdicts(self._database, connection, verdicts, actor="gateway")
        enqueued = {
            exchange_id: exchange_body(self._database, item.record.exchange)
            for exchange_id, item in fresh.items()
            if item.enqueue
        }
        if enqueued:
            leases.enqueue(self._database, connection, enqueued, time.time())
            self._database.notify_work(connection)
        _count_hits(connection, records)
        audit.write(self._database, connection, [_entry(r) for r in records if r.outcome in _AUDITED])

    def get(self, exchange_id: str) -> ExchangeRecord:
        """One exchange with its latest verdict. Raises `StoreError` when there is none."""
        query = _whole().where(_table.c.id == exchange_id)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise StoreError(f"there is no exchange `{exchange_id}`")
        return self._record(row)

    def recent(
        self, limit: int = 100, *, outcome: Outcome | None = None, tenant: str | None = None
    ) -> Sequence[ExchangeRecord]:
        """The latest exchanges first; with `outcome`, those with such a verdict; with `tenant`, that tenant's only."""
        query = _whole().order_by(_table.c.seq.desc()).limit(limit)
        if tenant is not None:
            query = query.where(_table.c.tenant == codec.plain(tenant))
        if outcome is not None:
            query = query.where(_table.c.verdict == outcome.value)
        with self._database.read() as connection:
            return [self._record(row) for row in connection.execute(query).all()]

    def breaches(self, *, after: int = 0) -> Sequence[tuple[int, Breach]]:
        """Breaches oldest first, each with its sequence number; only those numbered above `after`."""
        breach = schema.breach
        query = (
            _whole()
            .add_columns(breach.c.seq.label("number"))
            .join(breach, _table.c.id == breach.c.exchange_id)
            .where(breach.c.seq > after)
            .order_by(breach.c.seq)
        )
        with self._database.read() as connection:
            return [(row.number, self._breach(row)) for row in connection.execute(query).all()]

    def breach_count(self) -> int:
        """How many breaches there are. It falls when a person overrules a verdict: caches then start anew."""
        with self._database.read() as connection:
            return connection.execute(select(func.count()).select_from(schema.breach)).scalar_one()

    def labels(self, limit: int = 10_000) -> Sequence[Label]:
        """The exchanges that a person judged, latest word first: labels to train judges on and to measure them by."""
        said = schema.verdict
        by_person = said.c.actor.startswith("person:", autoescape=True)
        chosen = (
            select(said.c.exchange_id, func.max(said.c.seq).label("word"))
            .where(by_person)
            .group_by(said.c.exchange_id)
            .order_by(func.max(said.c.seq).desc())
            .limit(limit)
            .subquery()
        )
        before = (
            select(said.c.exchange_id, func.max(said.c.seq).label("judged"))
            .where(~by_person, said.c.exchange_id.in_(select(chosen.c.exchange_id)))
            .group_by(said.c.exchange_id)
            .subquery()
        )
        person, judge = said.alias("person"), said.alias("judge")
        query = (
            select(person.c.exchange_id, person.c.outcome, judge.c.body)
            .join(chosen, person.c.seq == chosen.c.word)
            .outerjoin(before, before.c.exchange_id == person.c.exchange_id)
            .outerjoin(judge, judge.c.seq == before.c.judged)
            .order_by(person.c.seq.desc())
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [
            Label(row.exchange_id, Outcome(row.outcome), codec.verdict_from_json(row.body) if row.body else None)
            for row in rows
        ]

    def save_verdict(self, exchange_id: str, verdict: Verdict, *, actor: str) -> None:
        """Write a verdict outside the loop (inline adjudication, a person); audited."""
        entry = audit.Entry(
            actor,
            f"verdict.{verdict.outcome.value}",
            exchange_id,
            0,
            {"judge": verdict.judge, "hazard": verdict.hazard},
        )

        def work(connection: Connection) -> None:
            self._database.lock_chain(connection)
            write_verdict(self._database, connection, exchange_id, verdict, actor=actor)
            audit.write(self._database, connection, [entry])

        self._database.writer.run(work)

    def delete(
        self,
        *,
        actor: str,
        reason: str,
        before: datetime | None = None,
        principal: str | None = None,
        breaches: bool = True,
    ) -> int:
        """Delete exchanges for good, with their verdicts, work and evidence, and the examples in what was learned.

        `before`: only older ones; `principal`: only those of one; `breaches=False` spares the breaches.
        """
        wanted = [_table.c.seq > 0]
        if before is not None:
            wanted.append(_table.c.time < before.timestamp())
        if principal is not None:
            wanted.append(_table.c.principal == codec.plain(principal))
        if not breaches:
            wanted.append(func.coalesce(_table.c.verdict, "") != Outcome.BREACH.value)

        def work(connection: Connection) -> int:
            self._database.lock_chain(connection)
            return retention.delete_exchanges(self._database, connection, and_(*wanted), actor=actor, reason=reason)

        total = 0
        while deleted := self._database.writer.run(work):
            total += deleted
        if total:
            self._database.compact()
        return total

    def _columns(self, record: ExchangeRecord) -> dict[str, Any]:
        exchange, verdict = record.exchange, record.verdict
        return {
            "id": exchange.id,
            "time": exchange.time.timestamp(),
            "tenant": codec.plain(exchange.tenant),
            "principal": codec.plain(exchange.principal),
            "outcome": record.outcome,
            "decisions": codec.decisions_to_json(record.decisions),
            "body": exchange_body(self._database, _kept(self._database, exchange, verdict)),
            "verdict": verdict.outcome.value if verdict else None,
            "verdict_body": codec.verdict_to_json(verdict) if verdict else None,
        }

    def _exchange(self, row: Row[Any]) -> Exchange:
        body = row.body if row.whole is None else row.whole
        return codec.exchange_from_bytes(self._database.vault.open(bytes(body), row.id))

    def _record(self, row: Row[Any]) -> ExchangeRecord:
        decisions = codec.decisions_from_json(row.decisions)
        verdict = codec.verdict_from_json(row.verdict_body) if row.verdict_body else None
        return ExchangeRecord(self._exchange(row), decisions, row.outcome, verdict)

    def _breach(self, row: Row[Any]) -> Breach:
        return Breach(self._exchange(row), codec.verdict_from_json(row.verdict_body))


def exchange_body(database: Database, exchange: Exchange) -> bytes:
    """The sealed body of an exchange."""
    return database.vault.seal(codec.exchange_to_bytes(exchange), exchange.id)


def _kept(database: Database, exchange: Exchange, verdict: Verdict | None) -> Exchange:
    privacy = database.privacy
    keep = privacy.breaches if verdict is not None and verdict.is_breach else privacy.exchanges
    return keep.reduce(exchange)


def _whole() -> Select[Any]:
    """Exchanges, each with its whole body for as long as the loop works on it."""
    job = schema.job
    return select(_table, job.c.body.label("whole")).join(job, job.c.exchange_id == _table.c.id, isouter=True)


def _count_hits(connection: Connection, records: Sequence[ExchangeRecord]) -> None:
    hits: dict[str, int] = {}
    for record in records:
        for policy_id in {match.policy_id for decision in record.decisions for match in decision.matches}:
            hits[policy_id] = hits.get(policy_id, 0) + 1
    policy = schema.policy
    for policy_id, count in sorted(hits.items()):
        values = {"hits": policy.c.hits + count, "last_hit": time.time()}
        connection.execute(update(policy).where(policy.c.id == policy_id).values(**values))


def _entry(record: ExchangeRecord) -> audit.Entry:
    decision = next((d for d in reversed(record.decisions) if d.blocked), None)
    detail = {
        "outcome": record.outcome,
        "tenant": record.exchange.tenant,
        "principal": record.exchange.principal,
        "policy": decision.policy_id if decision else None,
        "judge": record.verdict.judge if record.verdict else None,
    }
    revision = max((d.revision for d in record.decisions), default=0)
    actor = "warden" if decision else "adjudicator"
    return audit.Entry(actor, _AUDITED[record.outcome], record.exchange.id, revision, detail)
