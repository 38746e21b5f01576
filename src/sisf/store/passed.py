"""Digests of texts that no policy blocked, by sender: what conversations need so that old turns are not judged anew."""

import time
from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import chain

from sqlalchemy import Connection, delete, func, select

from sisf.exchange import Sender
from sisf.store import codec, schema
from sisf.store.database import Database

PASSED_TEXTS = 100_000
"""So many of each tenant are remembered."""
_table = schema.passed
_AT_ONCE = 500
"""Digests that one query asks for."""
_Row = tuple[bytes, str, str, float]


class PassedTable:
    """What passed before."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, sender: Sender, digests: Sequence[bytes]) -> None:
        """Remember these, soon: the caller does not wait, and what is not written is judged again. Those that are known
        already are known for longer. Raises `StoreError` when no more can be taken."""
        tenant, principal, now = codec.plain(sender.tenant), codec.plain(sender.principal), time.time()
        self._database.writer.gather(self._write, [(digest, tenant, principal, now) for digest in digests])

    def _write(self, connection: Connection, batch: Sequence[Sequence[Sequence[_Row]]]) -> None:
        rows = {row[0]: row for row in chain.from_iterable(chain.from_iterable(batch))}
        values = [
            {"digest": digest, "tenant": tenant, "principal": principal, "time": seen}
            for digest, tenant, principal, seen in sorted(rows.values())  # in one order, so that nodes do not deadlock
        ]
        connection.execute(self._database.upsert(_table, "digest", ("time",)), values)

    def known(self, digests: Collection[bytes]) -> frozenset[bytes]:
        """Which of them are remembered. A digest says whose text it is of."""
        asked, found = list(digests), set[bytes]()
        with self._database.read() as connection:
            for start in range(0, len(asked), _AT_ONCE):
                some = asked[start : start + _AT_ONCE]
                query = select(_table.c.digest).where(_table.c.digest.in_(some))
                found.update(bytes(digest) for digest in connection.execute(query).scalars())
        return frozenset(found)

    def tidy(self, most: int, before: datetime | None = None) -> int:
        """Forget those that did not come again since then, and the oldest of every tenant that has more than `most`.
        Returns how many went."""

        def work(connection: Connection) -> int:
            gone = 0
            if before is not None:
                gone += connection.execute(delete(_table).where(_table.c.time < before.timestamp())).rowcount
            counted = select(_table.c.tenant).group_by(_table.c.tenant).having(func.count() > most)
            for tenant in connection.execute(counted).scalars().all():
                mine = _table.c.tenant == tenant
                newest = select(_table.c.time).where(mine).order_by(_table.c.time.desc())
                last = connection.execute(newest.offset(most).limit(1)).scalar_one()
                gone += connection.execute(delete(_table).where(mine, _table.c.time <= last)).rowcount
            return gone

        return self._database.writer.run(work, relaxed=True)

    def forget(self, sender: Sender) -> int:
        """Forget those of one sender. Returns how many there were."""
        mine = (_table.c.tenant == codec.plain(sender.tenant)) & (_table.c.principal == codec.plain(sender.principal))
        return self._database.writer.run(lambda connection: connection.execute(delete(_table).where(mine)).rowcount)
