"""Evidence for and against policies, counted by distinct senders; and the benign cases that follow from it."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, func, select

from sisf.errors import StoreError, quoted
from sisf.exchange import Fate, Sender
from sisf.policy import Direction
from sisf.store import audit, evidence, schema
from sisf.store.codec import plain
from sisf.store.database import Database
from sisf.store.records import BenignCase, Feedback, FeedbackKind, Mistake

_evidence, _case, _policy = schema.evidence, schema.benign_case, schema.policy
_IN_FORCE = ("active", "shadow")


class FeedbackTable:
    """Evidence for and against policies, and the benign cases that follow from it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, feedback: Feedback) -> bool:
        """Write feedback, its benign case and its audit row. False when this sender had said so before: evidence
        counts distinct senders, so that nobody can outvote the others."""
        return self._database.writer.run(lambda connection: self._add(connection, feedback))

    def _add(self, connection: Connection, feedback: Feedback) -> bool:
        self._database.lock_chain(connection)
        if connection.execute(select(_policy.c.id).where(_policy.c.id == feedback.policy_id)).first() is None:
            raise StoreError(f"there is no policy {quoted(feedback.policy_id)}")
        now, sender = time.time(), feedback.sender
        row = {
            "policy_id": feedback.policy_id,
            "kind": feedback.kind.value,
            "tenant": plain(sender.tenant),
            "principal": plain(sender.principal),
            "exchange_id": feedback.exchange_id,
            "time": now,
        }
        # Not by the row count, which PostgreSQL's driver does not tell of such an INSERT.
        written = self._database.insert_new(_evidence).returning(_evidence.c.policy_id)
        counted = connection.execute(written, row).first() is not None
        if feedback.kind is FeedbackKind.FALSE_POSITIVE and feedback.text:
            case = {
                "exchange_id": feedback.exchange_id,
                "policy_id": feedback.policy_id,
                "direction": feedback.direction.value,
                "text": self._database.vault.seal(feedback.text.encode("utf-8", "surrogatepass"), feedback.exchange_id),
                "actor": plain(feedback.actor),
                "time": now,
            }
            connection.execute(self._database.insert_new(_case), case)
        who = {"tenant": sender.tenant, "principal": sender.principal}
        detail = {"exchange": feedback.exchange_id, **who, "counted": counted}
        entry = audit.Entry(feedback.actor, f"feedback.{feedback.kind.value}", feedback.policy_id, 0, detail)
        audit.write(self._database, connection, [entry])
        return counted

    def benign_cases(self, *, policy: str | None = None) -> Sequence[tuple[int, BenignCase]]:
        """Benign cases oldest first, each with its sequence number; with `policy`, only of texts that it stopped."""
        query = select(_case).order_by(_case.c.seq)
        if policy is not None:
            query = query.where(_case.c.policy_id == policy)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [
            (
                row.seq,
                BenignCase(
                    row.exchange_id,
                    row.policy_id,
                    Direction(row.direction),
                    self._database.vault.open(bytes(row.text), row.exchange_id).decode("utf-8", "surrogatepass"),
                    row.actor,
                    datetime.fromtimestamp(row.time, UTC),
                ),
            )
            for row in rows
        ]

    def case_mark(self) -> tuple[int, float]:
        """Changes when a benign case comes or is taken back: their number, and the time of the newest."""
        with self._database.read() as connection:
            row = connection.execute(select(func.count(), func.coalesce(func.max(_case.c.time), 0.0))).one()
        return int(row[0]), float(row[1])

    def false_positives(self, since: datetime) -> Mapping[str, int]:
        """Distinct senders that reported a false positive since then, by policy."""
        query = (
            select(_evidence.c.policy_id, func.count())
            .where(_evidence.c.kind == FeedbackKind.FALSE_POSITIVE.value, _evidence.c.time >= since.timestamp())
            .group_by(_evidence.c.policy_id)
        )
        with self._database.read() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def confirmed(self, since: datetime) -> frozenset[str]:
        """The policies that somebody confirmed since then."""
        query = (
            select(_evidence.c.policy_id)
            .where(_evidence.c.kind == FeedbackKind.CONFIRMATION.value, _evidence.c.time >= since.timestamp())
            .distinct()
        )
        with self._database.read() as connection:
            return frozenset(connection.execute(query).scalars())

    def weigh(self, policy_id: str, since: datetime | None = None) -> tuple[int, int]:
        """What the words for and against a policy weigh, of those who first spoke since then, or of all: one for each
        sender, and no tenant's more than those of `evidence.PER_TENANT`."""
        query = (
            select(_evidence.c.tenant, _evidence.c.kind, func.count())
            .where(_evidence.c.policy_id == policy_id)
            .group_by(_evidence.c.tenant, _evidence.c.kind)
        )
        if since is not None:
            query = query.where(_evidence.c.time >= since.timestamp())
        with self._database.read() as connection:
            return evidence.weight((row[0], row[1], row[2]) for row in connection.execute(query))

    def mistakes(self, since: datetime) -> Sequence[Mistake]:
        """The words since then that say of a stopped exchange that it was harmless: a judge's or a person's."""
        exchange = schema.exchange
        query = (
            select(_evidence.c.policy_id, _evidence.c.tenant, _evidence.c.principal)
            .join(exchange, exchange.c.id == _evidence.c.exchange_id)
            .where(_evidence.c.kind == FeedbackKind.FALSE_POSITIVE.value, _evidence.c.time >= since.timestamp())
            .where(exchange.c.outcome.in_([fate.value for fate in Fate if fate.intercepted]))
        )
        with self._database.read() as connection:
            return [Mistake(row[0], Sender(row[1], row[2])) for row in connection.execute(query)]

    def last_hits(self) -> Mapping[str, datetime]:
        """When each policy that is in force last matched; those that never did are left out."""
        query = select(_policy.c.id, _policy.c.last_hit).where(
            _policy.c.status.in_(_IN_FORCE), _policy.c.last_hit.is_not(None)
        )
        with self._database.read() as connection:
            return {row.id: datetime.fromtimestamp(row.last_hit, UTC) for row in connection.execute(query)}
