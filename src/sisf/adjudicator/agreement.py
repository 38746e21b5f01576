"""How judges do while they work: agreement with each other, and calibration against people's verdicts."""

import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from prometheus_client import Counter as Metric
from prometheus_client import Gauge

from sisf.latest import Latest
from sisf.verdict import Outcome, Verdict

PAIRS = Metric(
    "sisf_judge_pairs", "Exchanges that two judges decided, by whether they agreed.", ["first", "second", "agreed"]
)
BRIER = Gauge(
    "sisf_judge_brier", "Mean squared error of a judge's breach probability against people's labels.", ["judge"]
)
LABELS = Gauge("sisf_judge_labels", "People's labels that a judge is measured against.", ["judge"])
RELIABILITY = Gauge(
    "sisf_judge_reliability",
    "Share of breaches among the labelled exchanges to which a judge gave a probability of this tenth.",
    ["judge", "probability"],
)

_REMEMBERED = 10_000
_BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """One bin of the reliability curve."""

    low: float
    high: float
    n: int
    predicted: float
    observed: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """A judge's breach probabilities against labels."""

    n: int
    brier: float
    """Mean squared error; 0 at best, 0.25 for a coin."""
    bins: tuple[Bin, ...]


def calibration(probabilities: Sequence[float], breaches: Sequence[bool]) -> Calibration:
    """Reliability curve over ten equal bins, and the Brier score."""
    pairs = list(zip(probabilities, breaches, strict=True))
    brier = sum((p - b) ** 2 for p, b in pairs) / len(pairs) if pairs else 0.0
    bins = []
    for index in range(_BINS):
        inside = [(p, b) for p, b in pairs if min(int(p * _BINS), _BINS - 1) == index]
        if inside:
            mean = sum(p for p, _ in inside) / len(inside)
            share = sum(b for _, b in inside) / len(inside)
            bins.append(Bin(index / _BINS, (index + 1) / _BINS, len(inside), mean, share))
    return Calibration(len(pairs), brier, tuple(bins))


class JudgeMonitor:
    """Watches the members of ensembles as they give verdicts. Thread-safe, bounded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._verdicts: Latest[str, tuple[Verdict, ...]] = Latest(_REMEMBERED)

    def record(self, exchange_id: str, verdicts: Sequence[Verdict]) -> None:
        """Verdicts of several judges on the same exchange."""
        decided = sorted((v for v in verdicts if v.outcome is not Outcome.UNDECIDED), key=lambda v: v.judge)
        with self._lock:
            for first, second in combinations(decided, 2):
                PAIRS.labels(first.judge, second.judge, str(first.outcome is second.outcome).lower()).inc()
            self._verdicts[exchange_id] = tuple(verdicts)

    def calibrate(self, labels: Iterable[tuple[str, bool, Verdict | None]]) -> None:
        """Measure every judge against people's verdicts: exchange, whether it is a breach, what the judge had said.

        Members of an ensemble are measured where their own verdicts are remembered. Takes the place of what was
        measured before; the gauges follow.
        """
        known: dict[str, list[tuple[float, bool]]] = defaultdict(list)
        with self._lock:
            for exchange_id, breach, judged in labels:
                for verdict in (*self._verdicts.get(exchange_id, ()), *([judged] if judged else ())):
                    if verdict.breach_probability is not None:
                        known[verdict.judge].append((verdict.breach_probability, breach))
        for judge, each in known.items():
            _publish(judge, calibration(*zip(*each, strict=True)))


MONITOR = JudgeMonitor()
"""The one of this process, as its metrics are."""


def _publish(judge: str, measured: Calibration) -> None:
    LABELS.labels(judge).set(measured.n)
    BRIER.labels(judge).set(measured.brier)
    for each in measured.bins:
        RELIABILITY.labels(judge, f"{each.low:.1f}-{each.high:.1f}").set(each.observed)
