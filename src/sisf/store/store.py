"""The Adaptive Policy Store over a database. All calls block; all are safe from several threads."""

from sisf.store.audit import AuditLog
from sisf.store.database import Database
from sisf.store.exchanges import ExchangeTable
from sisf.store.feedback import FeedbackTable
from sisf.store.jobs import JobTable
from sisf.store.nodes import NodeTable
from sisf.store.outbox import Outbox
from sisf.store.oversight import OversightTable
from sisf.store.passed import PassedTable
from sisf.store.policies import PolicyTable
from sisf.store.probes import ProbeTable


class Store:
    """Ten tables over one database, the same on SQLite, in memory and on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.policies = PolicyTable(database)
        self.exchanges = ExchangeTable(database)
        self.jobs = JobTable(database)
        self.feedback = FeedbackTable(database)
        self.audit = AuditLog(database)
        self.nodes = NodeTable(database)
        self.oversight = OversightTable(database)
        self.probes = ProbeTable(database)
        self.outbox = Outbox(database)
        self.passed = PassedTable(database)

    @property
    def url(self) -> str:
        """Where the store is, without secrets."""
        return self._database.describe

    @property
    def silent_seconds(self) -> float:
        """For how long the database was not reached: what is known of it is so old. It is asked about four times a
        second once somebody subscribed."""
        return self._database.silent_seconds

    def flush(self) -> None:
        """Return when all that was submitted before is durable."""
        self._database.writer.run(lambda _connection: None)

    def close(self) -> None:
        """Flush and close. Idempotent."""
        self._database.close()
