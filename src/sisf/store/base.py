"""What every store offers. All calls block; all are safe from several threads."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from sisf.policy import Policy
from sisf.store.exchange_table import ExchangeTable
from sisf.store.outbox import Outbox
from sisf.store.oversight import OversightTable
from sisf.store.passed import PassedTable
from sisf.store.policy_table import PolicyTable
from sisf.store.probes import ProbeTable
from sisf.store.records import (
    AuditRow,
    BenignCase,
    Feedback,
    Job,
    Mistake,
    Node,
    Stage,
)
from sisf.verdict import Verdict


class JobTable(Protocol):
    """Durable work, at least once."""

    def lease(self, worker: str, seconds: float) -> Job | None:
        """Take the most urgent job that is due and not leased, for `seconds`. None when there is none."""
        ...

    def advance(
        self,
        job: Job,
        stage: Stage | None,
        *,
        verdict: Verdict | None = None,
        proposals: Sequence[Policy] = (),
    ) -> Job | None:
        """End this stage: write its results and move the job to `stage` (None: done), in one transaction.

        Returns the job at its next stage, still leased by the caller, or None when it is done.
        Raises `LeaseLost`; nothing is written then.
        """
        ...

    def renew(self, job: Job) -> None:
        """Extend the lease from now. Raises `LeaseLost`."""
        ...

    def fail(self, job: Job, error: str, *, retry_in: float | None) -> None:
        """Give the job back, to be tried again after `retry_in` seconds, or to the dead letters when None."""
        ...

    def counts(self) -> Mapping[str, int]:
        """Jobs by state: `ready`, `leased`, `waiting`, `dead`."""
        ...

    def pending(self, exchange_id: str) -> bool:
        """Whether the loop has still work to do on an exchange, which is no dead letter."""
        ...

    def lag(self) -> float:
        """Seconds since the oldest job that is not dead entered the loop; 0 when there is none."""
        ...

    def dead(self) -> Sequence[tuple[Job, str]]:
        """Dead letters with their last error."""
        ...

    def retry(self, exchange_id: str) -> None:
        """Put a dead letter back to work."""
        ...

    def wake(self) -> None:
        """End every `wait` of this process."""
        ...

    def wait(self, timeout: float) -> None:
        """Return when a job may have become due, or after `timeout` seconds."""
        ...


class FeedbackTable(Protocol):
    """Evidence for and against policies, and the benign cases that follow from it."""

    def add(self, feedback: Feedback) -> bool:
        """Write feedback, its benign case and its audit row. False when this sender had said so before: evidence
        counts distinct senders, so that nobody can outvote the others."""
        ...

    def benign_cases(self, *, after: int = 0, policy: str | None = None) -> Sequence[tuple[int, BenignCase]]:
        """Benign cases oldest first, each with its sequence number; only those numbered above `after`, and of texts
        that `policy` stopped."""
        ...

    def case_mark(self) -> tuple[int, float]:
        """Changes when a benign case comes or is taken back: their number, and the time of the newest."""
        ...

    def false_positives(self, since: datetime) -> Mapping[str, int]:
        """Distinct senders that reported a false positive since then, by policy."""
        ...

    def confirmed(self, since: datetime) -> frozenset[str]:
        """The policies that somebody confirmed since then."""
        ...

    def weigh(self, policy_id: str, since: datetime | None = None) -> tuple[int, int]:
        """What the words for and against a policy weigh, of those who first spoke since then, or of all: one for each
        sender, and no tenant's more than those of `evidence.PER_TENANT`."""
        ...

    def mistakes(self, since: datetime) -> Sequence[Mistake]:
        """The words since then that say of a stopped exchange that it was harmless: a judge's or a person's."""
        ...

    def last_hits(self) -> Mapping[str, datetime]:
        """When each policy that is in force last matched; those that never did are left out."""
        ...


class NodeTable(Protocol):
    """The fleet."""

    def beat(self, node: Node) -> None:
        """Say that a node lives, now."""
        ...

    def list(self) -> Sequence[Node]:
        """All nodes, the ones seen last first. One that is long unseen is gone."""
        ...

    def forget(self, name: str) -> None:
        """A node ended."""
        ...


class AuditLog(Protocol):
    """The append-only log."""

    def append(self, *, actor: str, action: str, subject: str, revision: int, detail: Mapping[str, Any]) -> AuditRow:
        """Write one row, durably, and return it."""
        ...

    def rows(self, *, after: int = 0, limit: int = 1000) -> Sequence[AuditRow]:
        """Rows in order, starting behind sequence number `after`."""
        ...

    def latest(
        self,
        limit: int = 100,
        *,
        before: int | None = None,
        subject: str | None = None,
        actor: str | None = None,
        action: str | None = None,
    ) -> Sequence[AuditRow]:
        """The newest rows first; with `before`, only those numbered below; with `subject`, those about that only; with
        `actor` or `action`, those in whose name that occurs."""
        ...

    def verify(self, anchor: AuditRow | None = None) -> int:
        """Check the chain (and that it still holds `anchor`); returns the number of rows.

        Raises `StoreError` that names the first row that was edited, deleted, reordered or cut off.
        """
        ...


class Store(Protocol):
    """The Adaptive Policy Store."""

    @property
    def url(self) -> str:
        """Where the store is, without secrets."""
        ...

    @property
    def policies(self) -> PolicyTable:
        """Policies and revisions."""
        ...

    @property
    def exchanges(self) -> ExchangeTable:
        """Exchanges, verdicts, breaches."""
        ...

    @property
    def jobs(self) -> JobTable:
        """Durable work of the loop."""
        ...

    @property
    def feedback(self) -> FeedbackTable:
        """Evidence for and against policies."""
        ...

    @property
    def audit(self) -> AuditLog:
        """The audit log."""
        ...

    @property
    def nodes(self) -> NodeTable:
        """The fleet."""
        ...

    @property
    def oversight(self) -> OversightTable:
        """What people decide beside the policies."""
        ...

    @property
    def probes(self) -> ProbeTable:
        """What the probing agent tried."""
        ...

    @property
    def outbox(self) -> Outbox:
        """Messages that wait for their receivers."""
        ...

    @property
    def passed(self) -> PassedTable:
        """What passed before."""
        ...

    @property
    def silent_seconds(self) -> float:
        """For how long the database was not reached: what is known of it is so old. It is asked about four times a
        second once somebody subscribed."""
        ...

    def flush(self) -> None:
        """Return when all that was submitted before is durable."""
        ...

    def close(self) -> None:
        """Flush and close. Idempotent."""
        ...
