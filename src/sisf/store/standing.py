"""Counting what became of exchanges, and on whose word each count stands. No text is read for it."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, func, literal, select

from sisf.exchange import Fate
from sisf.store import schema, search
from sisf.store.database import Database
from sisf.store.figures import Standing
from sisf.store.records import Said
from sisf.verdict import Outcome

_exchange, _said, _word = schema.exchange, schema.verdict, schema.word
_STOPPED = {fate.value for fate in Fate if fate.intercepted}
_JUDGED = {
    (Outcome.BREACH.value, True): "breach_person",
    (Outcome.BREACH.value, False): "breach_judge",
    (Outcome.SAFE.value, True): "safe_person",
    (Outcome.SAFE.value, False): "safe_judge",
}


def read(database: Database, connection: Connection, wanted: search.Query, last: int, parts: int) -> Sequence[Standing]:
    """See `ExchangeTable.standing`."""
    person = (
        select(_said.c.seq)
        .where(_said.c.exchange_id == _exchange.c.id, schema.is_person(_said.c.actor))
        .exists()
        .label("person")
    )
    query = select(
        _exchange.c.seq, _exchange.c.time, _exchange.c.outcome, _exchange.c.verdict, _word.c.said, person
    ).join(_word, _word.c.exchange_id == _exchange.c.id, isouter=True)
    chosen = search.page(database, connection, query, wanted, limit=last).subquery()
    part = func.ntile(literal(parts, literal_execute=True)).over(order_by=chosen.c.seq).label("part")
    parted = select(part, chosen).subquery()
    kinds = (parted.c.part, parted.c.outcome, parted.c.verdict, parted.c.said, parted.c.person)
    counted = select(
        *kinds, func.min(parted.c.time).label("since"), func.max(parted.c.time).label("until"), func.count().label("n")
    ).group_by(*kinds)
    runs: dict[int, list[Any]] = {}
    for row in connection.execute(counted):
        runs.setdefault(row.part, []).append(row)
    return [_run(runs[part]) for part in sorted(runs)]


def _run(rows: Sequence[Any]) -> Standing:
    since, until = min(row.since for row in rows), max(row.until for row in rows)
    counted = Standing(datetime.fromtimestamp(since, UTC), datetime.fromtimestamp(until, UTC))
    for row in rows:
        for name in ("exchanges", *_kinds(row)):
            setattr(counted, name, getattr(counted, name) + row.n)
    return counted


def _kinds(row: Any) -> Iterable[str]:
    if row.outcome in _STOPPED:
        yield "stopped"
        if row.said is not None:
            yield "stopped_right" if row.said == Said.RIGHT.value else "stopped_wrong"
    elif row.outcome == Fate.WITHHELD.value:
        yield "withheld"
    elif row.outcome != Fate.RELEASED.value:
        yield "unanswered"
    elif row.verdict is None:
        yield "unjudged"
    else:
        yield _JUDGED.get((row.verdict, bool(row.person)), "undecided")
