"""What every store offers. All calls block; all are safe from several threads."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum, auto
from typing import Any, Protocol

from sisf.exchange import Exchange
from sisf.policy import Change, Decision, Direction, Policy, Snapshot, Status
from sisf.store.figures import Tally
from sisf.verdict import Breach, Outcome, Verdict


class Stage(StrEnum):
    """What the loop does next with an exchange. Monitor is the write that creates the job."""

    ANALYZE = "analyze"
    PLAN = "plan"
    EXECUTE = "execute"


class Urgency(Enum):
    """How much sooner than others an exchange is worked on."""

    ORDINARY = auto()
    SUSPECT = auto()
    """A policy matched it, though it was let through: ahead of ordinary ones that came up to a minute earlier."""
    BREACH = auto()
    """Judged to be a breach already: ahead of what came up to ten minutes earlier."""


@dataclass(frozen=True, slots=True)
class Job:
    """One exchange on its way through the loop. Leased by one worker at a time."""

    exchange_id: str
    stage: Stage
    attempts: int
    """How often this stage was started, this time included."""
    lease: str
    """Token that proves the lease; a later lease of the same job makes it worthless."""
    seconds: float = 60.0
    """How long the lease lasts from when it was taken, renewed or carried to the next stage."""


@dataclass(frozen=True, slots=True)
class ExchangeRecord:
    """An exchange with what the Warden decided and what became of it."""

    exchange: Exchange
    decisions: tuple[Decision, ...] = ()
    outcome: str = "released"
    """`released`, `intercepted_prompt`, `intercepted_response`, `withheld`, `error`."""
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """A person's latest word on an exchange, and what the judge had said."""

    exchange_id: str
    outcome: Outcome
    judged: Verdict | None = None
    """The judge's latest verdict; None when a person was first."""


@dataclass(frozen=True, slots=True)
class RevisionRow:
    """One step of the policy set: who made it, when and why."""

    number: int
    time: datetime
    actor: str
    reason: str
    breach_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BundleMark:
    """Which bundle a change was taken from."""

    origin: str
    serial: int
    """Rises with every bundle of one origin."""
    digest: str


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One link of the append-only, hash-chained audit log."""

    sequence: int
    time: datetime
    actor: str
    action: str
    subject: str
    revision: int
    detail: Mapping[str, Any]
    hash: str
    """SHA-256 over the previous hash and this row's canonical JSON, hex."""


class PolicyTable(Protocol):
    """Policies and their revisions."""

    def snapshot(self, revision: int | None = None) -> Snapshot:
        """The policy set now, or as it was at `revision`. Raises `StoreError` for an unknown revision."""
        ...

    def get(self, policy_id: str) -> Policy:
        """One policy of any status. Raises `StoreError` when there is none."""
        ...

    def list(self, status: Status | None = None) -> Sequence[Policy]:
        """Policies of one status, or all, oldest first."""
        ...

    def proposals(self, exchange_id: str) -> Sequence[Policy]:
        """What the plan stage proposed for one exchange, whatever became of it."""
        ...

    def commit(
        self, change: Change, *, expected: int, completes: Job | None = None, bundle: BundleMark | None = None
    ) -> Snapshot:
        """Write `change` as the next revision, with its audit rows, in one durable transaction.

        `expected` is the revision that the change was made for: `RevisionConflict` when it is no longer the latest.
        `completes` is a job that ends in the same transaction: `LeaseLost` when it is no longer this worker's.
        `bundle` is where the change came from: `StoreError` when this or a newer one of its origin was taken before.
        A change that alters nothing makes no revision. No policy becomes active without a gate report, nor with a
        failed one unless a person (`person:NAME`) says so: `PolicyError`.
        """
        ...

    def rollback(self, revision: int, *, actor: str, reason: str) -> Snapshot:
        """Make the policy set of an earlier revision the next revision."""
        ...

    def revisions(self, limit: int = 100) -> Sequence[RevisionRow]:
        """The latest revisions first."""
        ...

    def subscribe(self, callback: Callable[[int], None]) -> Callable[[], None]:
        """Call back with each new revision (also those of other processes, where the store can tell). Returns the
        function that ends it."""
        ...


class ExchangeTable(Protocol):
    """Exchanges, verdicts and breaches."""

    def record(
        self,
        record: ExchangeRecord,
        *,
        enqueue: bool,
        urgency: Urgency = Urgency.ORDINARY,
        gather: bool = False,
    ) -> Future[None]:
        """Write an exchange and, with `enqueue`, its `analyze` job in one transaction, group-committed.

        The future is done once it is durable. Recording the same id again changes nothing.
        """
        ...

    def get(self, exchange_id: str) -> ExchangeRecord:
        """One exchange with its latest verdict. Raises `StoreError` when there is none."""
        ...

    def recent(
        self,
        limit: int = 100,
        *,
        outcome: Outcome | None = None,
        tenant: str | None = None,
        became: Sequence[str] | None = None,
    ) -> Sequence[ExchangeRecord]:
        """The latest exchanges first; with `outcome`, those with such a verdict; with `tenant`, that tenant's only;
        with `became`, those whose own outcome (`released`, `withheld`, …) is one of these."""
        ...

    def tally(self, last: int, *, parts: int = 1) -> Sequence[Tally]:
        """What became of the `last` exchanges, oldest first, in up to `parts` runs of about the same length."""
        ...

    def breaches(self, *, after: int = 0, newest: int | None = None) -> Sequence[tuple[int, Breach]]:
        """Breaches as lessons, oldest first, each with its sequence number; only those numbered above `after`, and of
        these only the `newest` so many."""
        ...

    def lesson(self, exchange: Exchange) -> Exchange:
        """An exchange as policies may be written from it: without what would outlive it against `privacy`."""
        ...

    def breach_count(self, *, after: int = 0) -> int:
        """How many breaches there are, numbered above `after`. It falls when a person overrules a verdict."""
        ...

    def delete(
        self,
        *,
        actor: str,
        reason: str,
        before: datetime | None = None,
        principal: str | None = None,
        breaches: bool = True,
    ) -> int:
        """Delete exchanges for good, with their verdicts, work and evidence, and the examples in what was learned.

        `before`: only older ones; `principal`: only those of one; `breaches=False` spares the breaches. Returns how
        many were deleted. Reported benign cases stay: they are kept for ever.
        """
        ...

    def labels(self, limit: int = 10_000) -> Sequence[Label]:
        """The exchanges that a person judged, latest word first: labels to train judges on and to measure them by."""
        ...

    def save_verdict(self, exchange_id: str, verdict: Verdict, *, actor: str, learn: bool = False) -> None:
        """Write a verdict outside the loop (inline adjudication, a person); audited.

        `learn`: a breach also enters the loop, to be learned from, where its text was kept.
        """
        ...


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


class FeedbackKind(StrEnum):
    """What speaks for a policy, and what against it."""

    CONFIRMATION = "confirmation"
    FALSE_POSITIVE = "false_positive"


@dataclass(frozen=True, slots=True)
class Feedback:
    """One principal's word on one policy."""

    policy_id: str
    kind: FeedbackKind
    principal: str
    exchange_id: str
    actor: str
    """Who says so: `person:NAME`, `adjudicator`."""
    text: str = ""
    """Of a false positive: the text that was stopped. It becomes a benign case for ever."""
    direction: Direction = Direction.PROMPT


@dataclass(frozen=True, slots=True)
class BenignCase:
    """A text that a person reported as stopped by mistake."""

    exchange_id: str
    policy_id: str
    direction: Direction
    text: str
    actor: str
    time: datetime


class FeedbackTable(Protocol):
    """Evidence for and against policies, and the benign cases that follow from it."""

    def add(self, feedback: Feedback) -> bool:
        """Write feedback, its benign case and its audit row. False when this principal had said so before: evidence
        counts distinct principals, so that nobody can outvote the others."""
        ...

    def benign_cases(self, *, after: int = 0) -> Sequence[tuple[int, BenignCase]]:
        """Benign cases oldest first, each with its sequence number; only those numbered above `after`."""
        ...

    def false_positives(self, since: datetime) -> Mapping[str, int]:
        """Distinct principals that reported a false positive since then, by policy."""
        ...

    def confirmed(self, since: datetime) -> frozenset[str]:
        """The policies that somebody confirmed since then."""
        ...

    def since(self, policy_id: str, when: datetime) -> tuple[int, int]:
        """How many distinct principals first confirmed a policy since then, and how many first accused it."""
        ...

    def last_hits(self) -> Mapping[str, datetime]:
        """When each policy that is in force last matched; those that never did are left out."""
        ...


@dataclass(frozen=True, slots=True)
class Node:
    """A gateway or worker that shares the store."""

    name: str
    role: str
    """`serve` or `worker`."""
    address: str
    """Where it listens; empty for a worker."""
    revision: int
    """The revision it enforces."""
    started: datetime
    seen: datetime


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

    def latest(self, limit: int = 100, *, before: int | None = None, subject: str | None = None) -> Sequence[AuditRow]:
        """The newest rows first; with `before`, only those numbered below; with `subject`, those about that only."""
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
