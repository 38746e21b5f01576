"""The Adaptive Policy Store over a SQL database."""

from sisf.store.audit import SqlAudit
from sisf.store.database import Database
from sisf.store.exchanges import SqlExchanges
from sisf.store.feedback import SqlFeedback
from sisf.store.jobs import SqlJobs
from sisf.store.nodes import SqlNodes
from sisf.store.outbox import SqlOutbox
from sisf.store.oversight import SqlOversight
from sisf.store.passed import SqlPassed
from sisf.store.policies import SqlPolicies
from sisf.store.probes import SqlProbes


class SqlStore:
    """Ten tables over one database. Safe from several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._policies = SqlPolicies(database)
        self._exchanges = SqlExchanges(database)
        self._jobs = SqlJobs(database)
        self._feedback = SqlFeedback(database)
        self._audit = SqlAudit(database)
        self._nodes = SqlNodes(database)
        self._oversight = SqlOversight(database)
        self._probes = SqlProbes(database)
        self._outbox = SqlOutbox(database)
        self._passed = SqlPassed(database)

    @property
    def url(self) -> str:
        """Where the store is, without secrets."""
        return self._database.describe

    @property
    def policies(self) -> SqlPolicies:
        """Policies and revisions."""
        return self._policies

    @property
    def exchanges(self) -> SqlExchanges:
        """Exchanges, verdicts, breaches."""
        return self._exchanges

    @property
    def jobs(self) -> SqlJobs:
        """Durable work of the loop."""
        return self._jobs

    @property
    def feedback(self) -> SqlFeedback:
        """Evidence for and against policies."""
        return self._feedback

    @property
    def audit(self) -> SqlAudit:
        """The audit log."""
        return self._audit

    @property
    def nodes(self) -> SqlNodes:
        """The fleet."""
        return self._nodes

    @property
    def oversight(self) -> SqlOversight:
        """What people decide beside the policies."""
        return self._oversight

    @property
    def probes(self) -> SqlProbes:
        """What the probing agent tried."""
        return self._probes

    @property
    def outbox(self) -> SqlOutbox:
        """Messages that wait for their receivers."""
        return self._outbox

    @property
    def passed(self) -> SqlPassed:
        """What passed before."""
        return self._passed

    @property
    def silent_seconds(self) -> float:
        """For how long the database was not reached."""
        return self._database.silent_seconds

    def flush(self) -> None:
        """Return when all that was submitted before is durable."""
        self._database.writer.run(lambda _connection: None)

    def close(self) -> None:
        """Flush and close. Idempotent."""
        self._database.close()
