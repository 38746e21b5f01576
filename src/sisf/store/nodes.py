"""The fleet: which gateways and workers share this store, and which revision each enforces."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, delete, select

from sisf.store import schema
from sisf.store.database import Database
from sisf.store.records import Node

_table = schema.node


class NodeTable:
    """The fleet."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def beat(self, node: Node) -> None:
        """Say that a node lives, now."""
        row: dict[str, Any] = {
            "name": node.name,
            "role": node.role,
            "address": node.address,
            "started": node.started.timestamp(),
            "seen": datetime.now(UTC).timestamp(),
            "revision": node.revision,
        }
        statement = self._database.upsert(_table, "name", ("role", "address", "started", "seen", "revision"))

        def work(connection: Connection) -> None:
            connection.execute(statement, [row])

        self._database.writer.run(work, relaxed=True)

    def list(self) -> Sequence[Node]:
        """All nodes, the ones seen last first. One that is long unseen is gone."""
        with self._database.read() as connection:
            rows = connection.execute(select(_table).order_by(_table.c.seen.desc())).all()
        return [
            Node(
                row.name,
                row.role,
                row.address,
                row.revision,
                datetime.fromtimestamp(row.started, UTC),
                datetime.fromtimestamp(row.seen, UTC),
            )
            for row in rows
        ]

    def forget(self, name: str) -> None:
        """A node ended."""

        def work(connection: Connection) -> None:
            connection.execute(delete(_table).where(_table.c.name == name))

        self._database.writer.run(work, relaxed=True)
