"""What every store offers. All calls block; all are safe from several threads."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Any, Protocol

from sisf.exchange import Exchange, Sender
from sisf.policy import Change, Policy, Snapshot, Status
from sisf.store.figures import Standing, Tally
from sisf.store.outbox import Outbox
from sisf.store.oversight import OversightTable
from sisf.store.probes import ProbeTable
from sisf.store.records import (
    AuditRow,
    BenignCase,
    BundleMark,
    Conduct,
    ExchangeRecord,
    Feedback,
    Job,
    Label,
    Mistake,
    Node,
    RevisionRow,
    Spoken,
    Stage,
    Urgency,
)
from sisf.store.search import Found, Query
from sisf.taxonomy import Hazard
from sisf.verdict import Breach, Outcome, Verdict


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

    def counts(self) -> Mapping[tuple[Status, Hazard], int]:
        """How many policies there are of each status and hazard."""
        ...

    def newest(self, hazard: Hazard, status: Status | None, limit: int, offset: int = 0) -> Sequence[Policy]:
        """Policies against one hazard, of one status or all, newest first."""
        ...

    def learned_from(self, exchange_id: str, limit: int = 100) -> Sequence[Policy]:
        """Policies that were learned from an exchange, in any of their versions, newest first."""
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

    def of_persons(self) -> frozenset[str]:
        """Ids of the active policies that a person put in force: only a person takes them out of it."""
        ...

    def revisions(self, limit: int = 100) -> Sequence[RevisionRow]:
        """The latest revisions first."""
        ...

    def versions(self, policy_id: str) -> Sequence[tuple[int, Policy]]:
        """Every version of one policy, oldest first, each with the revision that wrote it."""
        ...

    def revision(self, number: int) -> RevisionRow:
        """One revision. Raises `StoreError` for an unknown one, and for 0, which nobody made."""
        ...

    def changed(self, number: int) -> Sequence[str]:
        """The ids of the policies that a revision wrote."""
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

    def search(self, wanted: Query, limit: int = 50, *, before: int | None = None) -> Sequence[Found]:
        """Exchanges, the newest first, numbered below `before`. Raises `StoreError` when texts cannot be searched."""
        ...

    def count(self, outcome: Outcome, most: int) -> int:
        """How many exchanges have such a verdict, counted up to `most`."""
        ...

    def neighbours(self, exchange_id: str) -> tuple[str | None, str | None]:
        """The ids of the exchanges written before and after this one."""
        ...

    def index(self) -> int:
        """Index the words of some exchanges that are not yet, to be found by `search`; returns how many."""
        ...

    def verdicts(self, exchange_id: str) -> Sequence[Spoken]:
        """Every verdict on an exchange that was not taken back, oldest first."""
        ...

    def take_back(self, exchange_id: str, *, actor: str) -> Verdict | None:
        """Withdraw what people said of an exchange: the judge's verdict stands again, if there is one; audited.

        Raises `StoreError` when no person's verdict stands.
        """
        ...

    def tally(self, last: int, *, parts: int = 1) -> Sequence[Tally]:
        """What became of the `last` exchanges, oldest first, in up to `parts` runs of about the same length."""
        ...

    def conduct(self, since: datetime) -> Mapping[Sender, Conduct]:
        """What was judged of each sender's exchanges since then."""
        ...

    def stopped(self, since: datetime, *, of_one: int, limit: int) -> Sequence[ExchangeRecord]:
        """Prompts that policies stopped since then, newest first, at most `of_one` of each sender."""
        ...

    def standing(self, wanted: Query, *, last: int = 20_000, parts: int = 1) -> Sequence[Standing]:
        """What became of the `last` of these exchanges, oldest first, in up to `parts` runs of equally many."""
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
        sender: Sender | None = None,
        breaches: bool = True,
    ) -> int:
        """Delete exchanges for good, with their verdicts, work and evidence, and the examples in what was learned.

        `before`: only older ones; `sender`: only those of one; `breaches=False` spares the breaches. Returns how
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
