"""Messages that a receiver did not take yet: kept until it does, over restarts, by whichever node comes first."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from sisf.store import schema
from sisf.store.database import Database
from sisf.store.leases import is_due

MOST = 10_000
"""So many are kept; while a receiver is away for longer, the oldest go."""
_FARTHEST_SECONDS = 7_200.0
"""No pause before another attempt is as long as this."""
_table = schema.message


@dataclass(frozen=True, slots=True)
class Letter:
    """One message for one receiver."""

    id: str
    target: str
    """Whom it is for: a name that does not give the address away."""
    event: str
    body: str
    attempts: int = 0
    """How often it was sent."""


class Outbox:
    """Messages that wait for their receivers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, letter: Letter, due: float) -> int:
        """Keep a letter, to be sent at `due` (seconds since 1970), unless it is kept already. Returns how many old ones
        went to make room."""

        def work(connection: Connection) -> int:
            row = {
                "id": letter.id,
                "target": letter.target,
                "event": letter.event,
                "body": letter.body,
                "attempts": letter.attempts,
                "due": due,
                "dead": 0,
                "created": time.time(),
            }
            connection.execute(self._database.insert_new(_table), [row])
            over = connection.execute(select(func.count()).select_from(_table)).scalar_one() - MOST
            if over <= 0:
                return 0
            oldest = connection.execute(select(_table.c.created).order_by(_table.c.created).limit(over)).scalars().all()
            gone = connection.execute(delete(_table).where(_table.c.created <= oldest[-1]))
            return gone.rowcount

        return self._database.writer.run(work)

    def claim(self, targets: Sequence[str], seconds: float) -> Letter | None:
        """The letter for these receivers that has been due for longest, held for `seconds`: no other node sends it
        meanwhile. None when none is due."""
        due = select(_table).where(
            _table.c.target.in_(targets), _table.c.dead == 0, is_due(_table.c.due, time.time(), _FARTHEST_SECONDS)
        )
        due = due.order_by(_table.c.due).limit(1)
        with self._database.read() as connection:
            row = connection.execute(due).first()
        if row is None:
            return None
        letter = Letter(row.id, row.target, row.event, row.body, row.attempts)

        def work(connection: Connection) -> bool:
            mine = (_one(letter), _table.c.due == row.due)
            later = update(_table).where(*mine).values(due=time.time() + seconds)
            return connection.execute(later).rowcount == 1

        return letter if self._database.writer.run(work) else None

    def taken(self, letter: Letter) -> None:
        """It was delivered: forget it."""
        self._database.writer.run(lambda connection: connection.execute(delete(_table).where(_one(letter))))

    def failed(self, letter: Letter, due: float | None) -> None:
        """It was not taken: send it again at `due`, or never (None): it is a dead letter then."""
        values: dict[str, Any] = {"attempts": letter.attempts + 1, "dead": int(due is None)}
        if due is not None:
            values["due"] = due
        self._database.writer.run(
            lambda connection: connection.execute(update(_table).where(_one(letter)).values(**values))
        )

    def counts(self) -> Mapping[str, int]:
        """How many are `waiting`, and how many are `dead`."""
        query = select(_table.c.dead, func.count()).group_by(_table.c.dead)
        with self._database.read() as connection:
            found = {row[0]: row[1] for row in connection.execute(query)}
        return {"waiting": found.get(0, 0), "dead": found.get(1, 0)}

    def revive(self) -> int:
        """Send the dead ones again; returns how many there are."""
        again = update(_table).where(_table.c.dead == 1).values(dead=0, attempts=0, due=time.time())
        return self._database.writer.run(lambda connection: connection.execute(again).rowcount)


def _one(letter: Letter) -> Any:
    return (_table.c.id == letter.id) & (_table.c.target == letter.target)
