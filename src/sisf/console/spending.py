"""What this gateway let pass because a part failed, and what its judges cost, since it started.

Counted by the process, not kept: over time and over nodes, Prometheus adds it up.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sisf.adjudicator.counters import COST, TOKENS


@dataclass(frozen=True, slots=True)
class Spending:
    """Counts since this process started."""

    opened: int | None
    """Texts that passed unchecked or unrecorded; None where no gateway runs beside this console."""
    tokens: int
    """Of judges' model calls; judges without a model need none."""
    usd: float


def spending(fail_opens: Callable[[], float] | None) -> Spending:
    """The counts now."""
    return Spending(int(fail_opens()) if fail_opens is not None else None, int(_total(TOKENS)), _total(COST))


def _total(metric: object) -> float:
    samples = (sample for each in metric.collect() for sample in each.samples)  # type: ignore[attr-defined]
    return float(sum(sample.value for sample in samples if sample.name.endswith("_total")))
