"""How senders behaved of late, and what was stopped of theirs: counted by sender, so that no flood hides the others."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, case, func, select

from sisf.exchange import PROBE, Fate, Sender
from sisf.store import schema
from sisf.store.records import Conduct
from sisf.verdict import Outcome

_table = schema.exchange
_users = _table.c.principal.not_like(f"{PROBE}%")
"""The probing agent is nobody whose conduct counts."""
_LOOKED_AT = 100_000
"""The latest exchanges that are counted: one review must not read more."""


def read(connection: Connection, since: datetime) -> Mapping[Sender, Conduct]:
    """What was judged of each sender's exchanges since then."""
    newest = select(func.coalesce(func.max(_table.c.seq), 0)).scalar_subquery()

    def count(outcome: Outcome) -> Any:
        return func.sum(case((_table.c.verdict == outcome.value, 1), else_=0))

    query = (
        select(_table.c.tenant, _table.c.principal, count(Outcome.SAFE), count(Outcome.BREACH))
        .where(
            _table.c.time >= since.timestamp(),
            _table.c.seq > newest - _LOOKED_AT,
            _table.c.verdict.is_not(None),
            _users,
        )
        .group_by(_table.c.tenant, _table.c.principal)
    )
    return {Sender(row[0], row[1]): Conduct(row[2], row[3]) for row in connection.execute(query)}


def stopped(whole: Select[Any], since: datetime, of_one: int, limit: int) -> Select[Any]:
    """Restricts a query for exchanges to the newest prompts stopped since then, at most `of_one` of each sender."""
    sender = (_table.c.tenant, _table.c.principal)
    place = func.row_number().over(partition_by=sender, order_by=_table.c.seq.desc())
    ranked = (
        select(_table.c.seq.label("seq"), place.label("place"))
        .where(_table.c.outcome == Fate.INTERCEPTED_PROMPT.value, _table.c.time >= since.timestamp(), _users)
        .subquery()
    )
    chosen = select(ranked.c.seq).where(ranked.c.place <= of_one).order_by(ranked.c.seq.desc()).limit(limit)
    return whole.where(_table.c.seq.in_(chosen)).order_by(_table.c.seq.desc())
