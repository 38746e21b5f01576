"""What every store offers of policies and their revisions. All calls block; all are safe from several threads."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from sisf.policy import Change, Policy, Snapshot, Status
from sisf.store.records import (
    BundleMark,
    Job,
    RevisionRow,
)
from sisf.taxonomy import Hazard


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
