"""Counting what became of exchanges, in the database: no text is read for it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, func, literal, select

from sisf.exchange import Fate
from sisf.store import schema
from sisf.store.figures import Tally
from sisf.verdict import Outcome

_exchange, _case = schema.exchange, schema.benign_case
_STOPPED = [fate.value for fate in Fate if fate.intercepted]


def read(connection: Connection, last: int, parts: int) -> Sequence[Tally]:
    """See `ExchangeTable.tally`."""
    newest = connection.execute(select(func.max(_exchange.c.seq))).scalar()
    if newest is None:
        return []
    oldest = connection.execute(select(func.min(_exchange.c.seq)).where(_exchange.c.seq > newest - last)).scalar_one()
    length = max(1, -(-(newest - oldest + 1) // parts))
    # The number is literal: a bound one would differ between SELECT and GROUP BY for PostgreSQL.
    part = ((_exchange.c.seq - _number(oldest)) // _number(length)).label("part")
    stopped = _exchange.c.outcome.in_(_STOPPED)
    mistake = _case.c.exchange_id.is_not(None)
    breach = func.coalesce(_exchange.c.verdict, "") == Outcome.BREACH.value
    released = _exchange.c.outcome == Fate.RELEASED.value
    query = (
        select(
            part,
            func.min(_exchange.c.time).label("since"),
            func.max(_exchange.c.time).label("until"),
            _count(and_(stopped, ~mistake)).label("intercepted"),
            _count(_exchange.c.outcome == Fate.WITHHELD.value).label("withheld"),
            _count(and_(released, breach)).label("breached"),
            _count(and_(stopped, mistake)).label("mistakes"),
            _count(and_(released, ~breach)).label("passed"),
            _count(and_(released, _exchange.c.verdict == Outcome.UNDECIDED.value)).label("undecided"),
        )
        .join(_case, _case.c.exchange_id == _exchange.c.id, isouter=True)
        .where(_exchange.c.seq >= oldest)
        .group_by(part)
        .order_by(part)
    )
    return [_tally(row._mapping) for row in connection.execute(query)]


def _number(value: int) -> ColumnElement[int]:
    """A whole number written into the statement."""
    return literal(value, literal_execute=True)


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _tally(row: Any) -> Tally:
    since, until = (datetime.fromtimestamp(row[name], UTC) for name in ("since", "until"))
    names = ("intercepted", "withheld", "breached", "mistakes", "passed", "undecided")
    return Tally(since, until, **{name: int(row[name]) for name in names})
