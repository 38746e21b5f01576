"""Policies and their revisions: compare-and-swap and history."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy import Connection, Row, func, insert, select

from sisf.errors import PolicyError, RevisionConflict, StoreError, quoted
from sisf.policy import Change, Policy, Snapshot, Status
from sisf.store import audit, leases, schema
from sisf.store.codec import dumps, plain
from sisf.store.database import Database
from sisf.store.policy_rows import (
    Encoded,
    columns,
    differs,
    encode,
    latest_number,
    link_breaches,
    read,
    read_snapshot,
    stamp,
    stored,
    write_conditions,
)
from sisf.store.records import BundleMark, Job, RevisionRow
from sisf.taxonomy import Hazard
from sisf.verdict import PERSON

_log = structlog.get_logger("sisf.store")
_policy, _version, _revision = schema.policy, schema.policy_version, schema.revision
_MADE_BY_PERSONS = select(_revision.c.number).where(schema.is_person(_revision.c.actor))
_VERBS = {
    Status.ACTIVE: "policy.activate",
    Status.SHADOW: "policy.shadow",
    Status.RETIRED: "policy.retire",
    Status.REJECTED: "policy.reject",
    Status.PROPOSED: "policy.propose",
}


def write_proposals(database: Database, connection: Connection, exchange_id: str, proposals: Sequence[Encoded]) -> None:
    """Write what the plan stage proposed. Proposals are no part of the policy set, so they make no revision."""
    if not proposals:
        return
    write_conditions(database, connection, proposals)
    connection.execute(database.insert_new(_policy), [columns(item, origin=exchange_id) for item in proposals])
    link_breaches(database, connection, proposals)
    entries = [
        audit.Entry("loop", _VERBS[item.policy.status], item.policy.id, 0, {"exchange": exchange_id})
        for item in proposals
    ]
    audit.write(database, connection, entries)


class PolicyTable:
    """Policies and their revisions."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._latest = Snapshot()

    def snapshot(self, revision: int | None = None) -> Snapshot:
        """The policy set now, or as it was at `revision`. Raises `StoreError` for an unknown revision."""
        with self._database.read() as connection:
            latest = latest_number(connection)
            if revision is None:
                revision = latest
                if self._latest.revision == latest:
                    return self._latest
            snapshot = read_snapshot(self._database, connection, revision, latest, self._latest)
        if revision == latest:
            self._latest = snapshot
        return snapshot

    def get(self, policy_id: str) -> Policy:
        """One policy of any status. Raises `StoreError` when there is none."""
        found = self._select(_policy.c.id == policy_id)
        if not found:
            raise StoreError(f"there is no policy {quoted(policy_id)}; `sisf policy list` names those there are")
        return found[0]

    def list(self, status: Status | None = None) -> Sequence[Policy]:
        """Policies of one status, or all, oldest first."""
        return self._select(*([] if status is None else [_policy.c.status == status.value]))

    def counts(self) -> Mapping[tuple[Status, Hazard], int]:
        """How many policies there are of each status and hazard."""
        kinds = (_policy.c.status, _policy.c.hazard)
        with self._database.read() as connection:
            rows = connection.execute(select(*kinds, func.count()).group_by(*kinds))
            return {(Status(row[0]), Hazard(row[1])): row[2] for row in rows}

    def newest(self, hazard: Hazard, status: Status | None, limit: int, offset: int = 0) -> Sequence[Policy]:
        """Policies against one hazard, of one status or all, newest first."""
        query = select(_policy).where(_policy.c.hazard == hazard.value)
        if status is not None:
            query = query.where(_policy.c.status == status.value)
        query = query.order_by(_policy.c.seq.desc()).limit(limit).offset(offset)
        with self._database.read() as connection:
            return read(self._database, connection, query)

    def learned_from(self, exchange_id: str, limit: int = 100) -> Sequence[Policy]:
        """Policies that were learned from an exchange, in any of their versions, newest first."""
        link = schema.policy_breach
        query = (
            select(_policy)
            .join(link, link.c.policy_id == _policy.c.id)
            .where(link.c.exchange_id == plain(exchange_id))
            .order_by(_policy.c.seq.desc())
            .limit(limit)
        )
        with self._database.read() as connection:
            return read(self._database, connection, query)

    def proposals(self, exchange_id: str) -> Sequence[Policy]:
        """What the plan stage proposed for one exchange, whatever became of it."""
        return self._select(_policy.c.origin == exchange_id)

    def _select(self, *where: Any) -> Sequence[Policy]:
        with self._database.read() as connection:
            return read(self._database, connection, select(_policy).where(*where).order_by(_policy.c.seq))

    def of_persons(self) -> frozenset[str]:
        """Ids of the active policies that a person put in force: only a person takes them out of it."""
        by_persons = self._by_persons()
        return frozenset(policy.id for policy in self.snapshot().active if policy.revision in by_persons)

    def settled_by_persons(self) -> Sequence[Policy]:
        """The policies, active or retired, whose status a person decided last."""
        by_persons = self._by_persons()
        retired = select(_version.c.policy_id).where(
            _version.c.status == Status.RETIRED.value, _version.c.revision.in_(_MADE_BY_PERSONS)
        )
        gone = self._select(_policy.c.status == Status.RETIRED.value, _policy.c.id.in_(retired))
        return [policy for policy in (*self.snapshot().active, *gone) if policy.revision in by_persons]

    def _by_persons(self) -> set[int]:
        """The revisions that persons made."""
        with self._database.read() as connection:
            return set(connection.execute(_MADE_BY_PERSONS).scalars())

    def revisions(self, limit: int = 100) -> Sequence[RevisionRow]:
        """The latest revisions first."""
        with self._database.read() as connection:
            rows = connection.execute(select(_revision).order_by(_revision.c.number.desc()).limit(limit)).all()
        return [_row(row) for row in rows]

    def versions(self, policy_id: str) -> Sequence[tuple[int, Policy]]:
        """Every version of one policy, oldest first, each with the revision that wrote it."""
        query = (
            select(_policy.c.id, _policy.c.hits, _version.c.body, _version.c.condition, _version.c.revision)
            .join(_policy, _policy.c.id == _version.c.policy_id)
            .where(_version.c.policy_id == policy_id)
            .order_by(_version.c.revision)
        )
        with self._database.read() as connection:
            numbers = [row.revision for row in connection.execute(query)]
            return list(zip(numbers, read(self._database, connection, query), strict=True))

    def revision(self, number: int) -> RevisionRow:
        """One revision. Raises `StoreError` for an unknown one, and for 0, which nobody made."""
        with self._database.read() as connection:
            row = connection.execute(select(_revision).where(_revision.c.number == number)).first()
        if row is None:
            raise StoreError(f"there is no revision {number}")
        return _row(row)

    def changed(self, number: int) -> Sequence[str]:
        """The ids of the policies that a revision wrote."""
        query = select(_version.c.policy_id).where(_version.c.revision == number)
        with self._database.read() as connection:
            return connection.execute(query).scalars().all()

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
        _may_act(change)
        encoded = [encode(self._database, policy) for policy in change.policies]

        def work(connection: Connection) -> Snapshot:
            self._database.lock_chain(connection)
            latest = latest_number(connection)
            if latest != expected:
                raise RevisionConflict(f"the policy set is at revision {latest}, the change was made for {expected}")
            if completes is not None:
                leases.complete(connection, completes)
            if bundle is not None:
                self._take(connection, bundle)
            return self._write(connection, change, encoded, latest)

        snapshot = self._announce(self._database.writer.run(work))
        if snapshot.revision > expected:
            _tell(change, snapshot.revision)
        return snapshot

    def subscribe(self, callback: Callable[[int], None]) -> Callable[[], None]:
        """Call back with each new revision, also those of other processes. Returns the function that ends it."""
        return self._database.revisions.subscribe(callback)

    def _take(self, connection: Connection, mark: BundleMark) -> None:
        table = schema.bundle
        taken = connection.execute(select(table).where(table.c.origin == mark.origin)).first()
        if taken is not None and mark.serial <= taken.serial:
            raise StoreError(
                f"bundle {mark.serial} of {quoted(mark.origin)} is not newer than bundle "
                f"{taken.serial}, which was taken "
                "before; `sisf policy rollback` goes back to an earlier state, `sisf policy seal` gives an edited one "
                "the next number"
            )
        row = {"origin": mark.origin, "serial": mark.serial, "digest": mark.digest, "time": time.time()}
        connection.execute(self._database.upsert(table, "origin", ("serial", "digest", "time")), [row])

    def _announce(self, snapshot: Snapshot) -> Snapshot:
        if snapshot.revision >= self._latest.revision:
            self._latest = snapshot
        self._database.revisions.tell(snapshot.revision)
        return snapshot

    def _write(self, connection: Connection, change: Change, encoded: Sequence[Encoded], latest: int) -> Snapshot:
        before = stored(connection, [item.policy.id for item in encoded])
        altered = [item for item in encoded if differs(item, before.get(item.policy.id))]
        if altered:
            latest += 1
            stamped = [stamp(item, before.get(item.policy.id), latest) for item in altered]
            self._write_revision(connection, change, latest)
            self._write_versions(connection, stamped, before, latest)
            entries = [_entry(change, item, before.get(item.policy.id), latest) for item in stamped]
            audit.write(self._database, connection, entries)
            self._database.notify(connection, latest)
        return read_snapshot(self._database, connection, latest, latest)

    def _write_revision(self, connection: Connection, change: Change, number: int) -> None:
        row = {
            "number": number,
            "time": time.time(),
            "actor": plain(change.actor),
            "reason": plain(change.reason),
            "breach_ids": dumps(change.breach_ids),
        }
        connection.execute(insert(_revision), [row])

    def _write_versions(
        self, connection: Connection, items: Sequence[Encoded], before: dict[str, Row[Any]], number: int
    ) -> None:
        write_conditions(self._database, connection, items)
        origins = {policy_id: row.origin for policy_id, row in before.items()}
        current = [columns(item, origin=origins.get(item.policy.id, "")) for item in items]
        connection.execute(self._database.upsert(_policy, "id", ("status", "body", "condition", "hazard")), current)
        link_breaches(self._database, connection, items)
        versions = [
            {"policy_id": row["id"], "revision": number, **{k: row[k] for k in ("status", "body", "condition")}}
            for row in current
        ]
        connection.execute(insert(_version), versions)


def _tell(change: Change, revision: int) -> None:
    """Log a step of the policy set, by ids: the reason may quote what somebody wrote."""
    moved = {status.value: ids for status in Status if (ids := [p.id for p in change.policies if p.status is status])}
    exchanges = list(change.breach_ids)
    _log.info("policy_set_changed", revision=revision, actor=change.actor, exchanges=exchanges, **moved)


def _row(row: Row[Any]) -> RevisionRow:
    moment = datetime.fromtimestamp(row.time, UTC)
    return RevisionRow(row.number, moment, row.actor, row.reason, tuple(json.loads(row.breach_ids)))


def _may_act(change: Change) -> None:
    person = change.actor.startswith(PERSON)
    for policy in change.policies:
        report = policy.gate_report
        if policy.status is Status.ACTIVE and (report is None or not (report.passed or person)):
            state = "has no gate report" if report is None else "did not pass the gate"
            raise PolicyError(f"policy {policy.id} {state}, so it cannot become active")


def _entry(change: Change, item: Encoded, before: Row[Any] | None, number: int) -> audit.Entry:
    status = item.policy.status
    was = before.status if before else None
    verb = _VERBS[status] if was != status.value else "policy.edit"
    detail = {"reason": change.reason, "from": was, "breaches": list(change.breach_ids), "condition": item.hash}
    return audit.Entry(change.actor, verb, item.policy.id, number, detail)
