"""How judges do while they work: agreement with each other, drift over time, calibration against people's verdicts."""

import math
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import Counter as Metric
from prometheus_client import Gauge

from sisf.verdict import Outcome, Verdict

PAIRS = Metric(
    "sisf_judge_pairs", "Exchanges that two judges decided, by whether they agreed.", ["first", "second", "agreed"]
)
DRIFT = Gauge(
    "sisf_judge_drift", "Breach share of a judge's latest verdicts minus that of its earlier ones.", ["judge"]
)
BRIER = Gauge(
    "sisf_judge_brier", "Mean squared error of a judge's breach probability against people's labels.", ["judge"]
)

_REMEMBERED = 10_000
_BINS = 10


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two judges on the exchanges that both decided."""

    n: int
    agreed: int
    kappa: float
    """Cohen's kappa: agreement beyond chance, 1 at best."""


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
    """Watches verdicts as they are given. Thread-safe, bounded."""

    def __init__(self, recent: int = 200) -> None:
        self._lock = threading.Lock()
        self._votes: Counter[tuple[str, str, Outcome, Outcome]] = Counter()
        self._recent: dict[str, deque[bool]] = {}
        self._recent_size = recent
        self._earlier: Counter[tuple[str, bool]] = Counter()
        self._verdicts: OrderedDict[str, tuple[Verdict, ...]] = OrderedDict()
        self._labelled: dict[str, list[tuple[float, bool]]] = {}

    def record(self, exchange_id: str, verdicts: Sequence[Verdict]) -> None:
        """Verdicts of several judges (or of one) on the same exchange."""
        decided = sorted((v for v in verdicts if v.outcome is not Outcome.UNDECIDED), key=lambda v: v.judge)
        with self._lock:
            for i, first in enumerate(decided):
                self._drift(first)
                for second in decided[i + 1 :]:
                    self._votes[first.judge, second.judge, first.outcome, second.outcome] += 1
                    PAIRS.labels(first.judge, second.judge, str(first.outcome is second.outcome).lower()).inc()
            self._verdicts[exchange_id] = tuple(verdicts)
            while len(self._verdicts) > _REMEMBERED:
                self._verdicts.popitem(last=False)

    def label(self, exchange_id: str, outcome: Outcome) -> None:
        """A person's verdict: it becomes the label that the remembered verdicts are measured against."""
        with self._lock:
            for verdict in self._verdicts.get(exchange_id, ()):
                if verdict.breach_probability is None or outcome is Outcome.UNDECIDED:
                    continue
                known = self._labelled.setdefault(verdict.judge, [])
                known.append((verdict.breach_probability, outcome is Outcome.BREACH))
                BRIER.labels(verdict.judge).set(calibration(*zip(*known, strict=True)).brier)

    def agreements(self) -> Mapping[tuple[str, str], Agreement]:
        """By pair of judges, names in order."""
        with self._lock:
            votes = dict(self._votes)
        pairs = {(first, second) for first, second, _, _ in votes}
        return {pair: _agreement({k[2:]: n for k, n in votes.items() if k[:2] == pair}) for pair in sorted(pairs)}

    def drift(self) -> Mapping[str, float]:
        """By judge: the breach share of its latest verdicts minus that of those before; 0 until there are both."""
        with self._lock:
            return {judge: self._shift(judge) for judge in self._recent}

    def calibrations(self) -> Mapping[str, Calibration]:
        """By judge, as far as people labelled."""
        with self._lock:
            return {j: calibration([p for p, _ in known], [b for _, b in known]) for j, known in self._labelled.items()}

    def _drift(self, verdict: Verdict) -> None:
        latest = self._recent.setdefault(verdict.judge, deque())
        latest.append(verdict.is_breach)
        if len(latest) > self._recent_size:
            self._earlier[verdict.judge, latest.popleft()] += 1
        DRIFT.labels(verdict.judge).set(self._shift(verdict.judge))

    def _shift(self, judge: str) -> float:
        latest = self._recent[judge]
        breaches, others = self._earlier[judge, True], self._earlier[judge, False]
        if not latest or breaches + others == 0:
            return 0.0
        return sum(latest) / len(latest) - breaches / (breaches + others)


def _agreement(votes: Mapping[tuple[Outcome, ...], int]) -> Agreement:
    n = sum(votes.values())
    agreed = sum(count for (first, second), count in votes.items() if first is second)
    chance = 0.0
    for outcome in (Outcome.BREACH, Outcome.SAFE):
        first = sum(count for key, count in votes.items() if key[0] is outcome) / n
        second = sum(count for key, count in votes.items() if key[1] is outcome) / n
        chance += first * second
    kappa = 1.0 if math.isclose(chance, 1.0) else (agreed / n - chance) / (1.0 - chance)
    return Agreement(n, agreed, kappa)
