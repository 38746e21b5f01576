"""Protocol `drift`: attacks in the order of their dates, learned from as they come."""

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sisf.datasets import Dataset
from sisf.datasets.records import Record
from sisf.errors import DataError, quoted
from sisf.evaluation.experiment import Designs, Setup, Split, Unit
from sisf.evaluation.laboratory import Laboratory
from sisf.evaluation.plan import Plan

DATE = "date"


def plan(lab: Laboratory, sets: Sequence[Sequence[Dataset]], given: Mapping[str, Any]) -> Plan:  # noqa: ARG001
    """`sets` are attacks and honest sets."""
    attacks, benign = sets
    return drift_plan(lab.setup(), lab.designs(), attacks, benign)


def drift_plan(setup: Setup, designs: Designs, attacks: Sequence[Dataset], benign: Sequence[Dataset]) -> Plan:
    """Every trial in the same order but for attacks of one date, which are shuffled; then all again; honest sets."""
    dated = [(date_of(r, d.name), d.name, r) for d in attacks for r in d.harmful()]

    def split(_: Unit, rng: random.Random) -> Split:
        shuffled = rng.sample(dated, len(dated))
        return Split([(name, record) for _, name, record in sorted(shuffled, key=lambda row: row[0])])

    return Plan.of("drift", setup, designs, split, benign=benign, datasets=[*attacks, *benign])


def date_of(record: Record, dataset: str) -> datetime:
    """The record's `date`, UTC unless it says otherwise. Raises `DataError`."""
    given = record.extra.get(DATE)
    try:
        found = datetime.fromisoformat(given if isinstance(given, str) else "")
    except ValueError:
        raise DataError(
            f"data set {quoted(dataset)}, id {quoted(record.id)}: drift needs a `date` such as "
            f"2024-05-31, found {quoted(given)}"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
