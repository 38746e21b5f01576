"""Verdicts as rows: writing them with the breaches that follow, and taking a person's word back."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, text, update

from sisf.errors import StoreError, quoted
from sisf.exchange import Exchange
from sisf.store import audit, codec, schema, search
from sisf.store.database import Database
from sisf.store.records import Label, Spoken
from sisf.verdict import Outcome, Verdict

_table, _said = schema.exchange, schema.verdict
_BY_PERSON = text(f"verdict.{schema.BY_PERSON.text}")


def _of_tenant(exchange_id: Any, tenant: str | None) -> list[Any]:
    known = search.of_tenant(tenant)
    return [exchange_id.in_(select(_table.c.id).where(*known))] if known else []


def write(database: Database, connection: Connection, exchange_id: str, verdict: Verdict, *, actor: str) -> None:
    """Write a verdict, and the breach that follows from it, within a transaction of the writer."""
    write_all(database, connection, [(exchange_id, verdict)], actor=actor)
    values: dict[str, Any] = {
        "verdict": verdict.outcome.value,
        "verdict_body": body(database, exchange_id, verdict),
        "hazard": verdict.hazard.value,
    }
    if verdict.is_breach and database.privacy.breaches is not database.privacy.exchanges:
        whole = connection.execute(select(schema.job.c.body).where(schema.job.c.exchange_id == exchange_id)).scalar()
        if whole is not None:
            exchange = codec.exchange_from_bytes(database.vault.open(bytes(whole), exchange_id))
            reduced = kept(database, exchange, verdict)
            values["body"] = exchange_body(database, reduced)
            search.replace(database, connection, exchange_id, reduced)
    if connection.execute(update(_table).where(_table.c.id == exchange_id).values(**values)).rowcount != 1:
        raise StoreError(f"there is no exchange {quoted(exchange_id)}")
    if not verdict.is_breach:
        connection.execute(delete(schema.breach).where(schema.breach.c.exchange_id == exchange_id))


def write_all(
    database: Database, connection: Connection, verdicts: Sequence[tuple[str, Verdict]], *, actor: str
) -> None:
    """Write many verdicts, each with its id, and the breaches that follow from them."""
    if not verdicts:
        return
    now = time.time()
    rows = [
        {
            "exchange_id": exchange_id,
            "time": now,
            "actor": codec.plain(actor),
            "outcome": verdict.outcome.value,
            "body": body(database, exchange_id, verdict),
        }
        for exchange_id, verdict in verdicts
    ]
    connection.execute(insert(schema.verdict), rows)
    breaches = [{"exchange_id": exchange_id} for exchange_id, verdict in verdicts if verdict.is_breach]
    if breaches:
        connection.execute(database.insert_new(schema.breach), breaches)


def labels(database: Database, connection: Connection, limit: int, tenant: str | None = None) -> Sequence[Label]:
    """See `ExchangeTable.labels`."""
    person, later, judge = _said, _said.alias("later"), _said.alias("judge")
    overruled = (
        select(later.c.seq)
        .where(later.c.exchange_id == person.c.exchange_id, later.c.seq > person.c.seq, schema.is_person(later.c.actor))
        .exists()
    )
    chosen = (
        select(person.c.seq, person.c.exchange_id, person.c.outcome)
        .where(_BY_PERSON, ~overruled, *_of_tenant(person.c.exchange_id, tenant))
        .order_by(person.c.seq.desc())
        .limit(limit)
        .subquery()
    )
    before = (
        select(func.max(judge.c.seq))
        .where(judge.c.exchange_id == chosen.c.exchange_id, ~schema.is_person(judge.c.actor))
        .scalar_subquery()
    )
    query = (
        select(chosen.c.exchange_id, chosen.c.outcome, person.c.body)
        .select_from(chosen)
        .outerjoin(person, person.c.seq == before)
        .order_by(chosen.c.seq.desc())
    )
    return [
        Label(
            row.exchange_id,
            Outcome(row.outcome),
            _opened(database, row.body, row.exchange_id) if row.body else None,
        )
        for row in connection.execute(query)
    ]


def spoken(database: Database, connection: Connection, exchange_id: str) -> Sequence[Spoken]:
    """See `ExchangeTable.verdicts`."""
    rows = connection.execute(select(_said).where(_said.c.exchange_id == exchange_id).order_by(_said.c.seq))
    return [
        Spoken(_opened(database, row.body, exchange_id), row.actor, datetime.fromtimestamp(row.time, UTC))
        for row in rows
    ]


def take_back(database: Database, connection: Connection, exchange_id: str, *, actor: str) -> Verdict | None:
    """See `ExchangeTable.take_back`."""
    database.lock_chain(connection)
    if not connection.execute(delete(_said).where(_said.c.exchange_id == exchange_id, _BY_PERSON)).rowcount:
        raise StoreError("no person's verdict stands on this exchange, so there is nothing to take back")
    query = select(_said.c.body).where(_said.c.exchange_id == exchange_id).order_by(_said.c.seq.desc()).limit(1)
    stands = connection.execute(query).scalar()
    values: dict[str, Any] = {"verdict": None, "verdict_body": None, "hazard": None}
    verdict = None
    if stands is not None:
        verdict = _opened(database, stands, exchange_id)
        values = {"verdict": verdict.outcome.value, "verdict_body": stands, "hazard": verdict.hazard.value}
    connection.execute(update(_table).where(_table.c.id == exchange_id).values(**values))
    if verdict is not None and verdict.is_breach:
        connection.execute(database.insert_new(schema.breach), [{"exchange_id": exchange_id}])
    else:
        connection.execute(delete(schema.breach).where(schema.breach.c.exchange_id == exchange_id))
    detail = {"stands": verdict.outcome.value if verdict else None}
    audit.write(database, connection, [audit.Entry(actor, "verdict.withdrawn", exchange_id, 0, detail)])
    return verdict


def _opened(database: Database, stored: str, exchange_id: str) -> Verdict:
    return codec.verdict_from_json(database.vault.open_text(stored, exchange_id))


def exchange_body(database: Database, exchange: Exchange) -> bytes:
    """The sealed body of an exchange."""
    return database.vault.seal(codec.exchange_to_bytes(exchange), exchange.id)


def body(database: Database, exchange_id: str, verdict: Verdict) -> str:
    """A verdict as it is kept, sealed."""
    reduced = database.privacy.reduce_verdict(verdict)
    return database.vault.seal_text(codec.verdict_to_json(reduced), exchange_id)


def kept(database: Database, exchange: Exchange, verdict: Verdict | None) -> Exchange:
    """The exchange as it is kept."""
    privacy = database.privacy
    keep = privacy.breaches if verdict is not None and verdict.is_breach else privacy.exchanges
    return keep.reduce(exchange)
