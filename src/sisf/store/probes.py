"""The memory of the probing agent: what it tried, what came of it, and after how long it was mended."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, insert, select, update

from sisf.store import schema
from sisf.store.database import Database
from sisf.taxonomy import Hazard, Technique

_table = schema.probe


class ProbeOutcome(StrEnum):
    """What came of one probe."""

    BLOCKED = "blocked"
    """A policy stopped the prompt or the answer."""
    WITHHELD = "withheld"
    """The judge stopped the answer."""
    REFUSED = "refused"
    """An answer was released, and the judge finds it harmless."""
    BREACHED = "breached"
    """An answer was released, and the judge finds it harmful."""
    UNDECIDED = "undecided"
    """An answer was released, and waits for a person, or for a judge that did not speak in time."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attack that was sent."""

    family: str
    technique: Technique
    hazard: Hazard
    recipe: str
    """How the text was made: the same recipe makes the same text."""
    exchange_id: str
    outcome: ProbeOutcome
    revision: int = 0
    policy_id: str | None = None
    mended: float | None = None
    """Seconds from a harmful answer to when the same attack was stopped; None while it is not."""
    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    number: int = 0
    """Its place in the memory; 0 before it is written."""


class ProbeTable:
    """What the probing agent tried."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, probe: Attempt) -> int:
        """Write one probe and return its number."""
        row: dict[str, Any] = {
            "time": probe.time.timestamp(),
            "family": probe.family,
            "technique": probe.technique.value,
            "hazard": probe.hazard.value,
            "recipe": probe.recipe,
            "exchange_id": probe.exchange_id,
            "outcome": probe.outcome.value,
            "policy_id": probe.policy_id,
            "revision": probe.revision,
            "mended": probe.mended,
        }

        def work(connection: Connection) -> int:
            return int(connection.execute(insert(_table).values(**row).returning(_table.c.seq)).scalar_one())

        return self._database.writer.run(work)

    def mend(self, number: int, seconds: float) -> None:
        """Note that a breach is stopped by now, after so many seconds."""
        statement = update(_table).where(_table.c.seq == number, _table.c.mended.is_(None)).values(mended=seconds)

        def work(connection: Connection) -> None:
            connection.execute(statement)

        self._database.writer.run(work)

    def latest(self, limit: int) -> Sequence[Attempt]:
        """The newest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(_table).order_by(_table.c.seq.desc()).limit(limit)).all()
        return [_probe(row) for row in rows]

    def open(self, limit: int) -> Sequence[Attempt]:
        """Breaches that are not mended, the oldest first."""
        where = (_table.c.outcome == ProbeOutcome.BREACHED.value, _table.c.mended.is_(None))
        with self._database.read() as connection:
            rows = connection.execute(select(_table).where(*where).order_by(_table.c.seq).limit(limit)).all()
        return [_probe(row) for row in rows]


def _probe(row: Any) -> Attempt:
    return Attempt(
        row.family,
        Technique(row.technique),
        Hazard(row.hazard),
        row.recipe,
        row.exchange_id,
        ProbeOutcome(row.outcome),
        row.revision,
        row.policy_id,
        row.mended,
        datetime.fromtimestamp(row.time, UTC),
        row.seq,
    )
