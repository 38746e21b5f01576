"""Rates with honest intervals: exact for one sample of trials, t over repeated experiments, bootstrap for the rest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

CONFIDENCE = 0.95

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Rate:
    """A share in 0…1 over one or more trials."""

    mean: float
    ci95: Interval
    per_trial: tuple[float, ...]
    counts: tuple[int, ...]
    """Successes of each trial."""
    n: int
    """Attempts of each trial (the largest, where trials differ)."""

    def as_json(self) -> dict[str, Any]:
        """The form of `summary.json`."""
        return {
            "mean": self.mean,
            "ci95": list(self.ci95),
            "per_trial": list(self.per_trial),
            "counts": list(self.counts),
            "n": self.n,
        }


def clopper_pearson(successes: float, n: int, confidence: float = CONFIDENCE) -> Interval:
    """The exact binomial interval (Clopper and Pearson, 1934). `successes` may be a mean over trials on the same `n`.

    No attempts give (0, 1): nothing is known.
    """
    if n <= 0:
        return (0.0, 1.0)
    tail = (1 - confidence) / 2
    low = 0.0 if successes <= 0 else _beta_quantile(tail, successes, n - successes + 1)
    high = 1.0 if successes >= n else _beta_quantile(1 - tail, successes + 1, n - successes)
    return (low, high)


def upper_bound(successes: int, n: int) -> float:
    """One-sided Clopper–Pearson upper bound; 1 without any attempt."""
    return clopper_pearson(successes, n, 2 * CONFIDENCE - 1)[1]


def lower_bound(successes: int, n: int) -> float:
    """One-sided Clopper–Pearson lower bound; 0 without any attempt."""
    return clopper_pearson(successes, n, 2 * CONFIDENCE - 1)[0]


def beta_bounds(successes: int, failures: int, confidence: float = CONFIDENCE) -> Interval:
    """Lower and upper quantile (one-sided each) of a share after a uniform prior, given successes and failures."""
    a, b = 1 + successes, 1 + failures
    return (_beta_quantile(1 - confidence, a, b), _beta_quantile(confidence, a, b))


def _beta_quantile(share: float, a: float, b: float) -> float:
    return float(special.betaincinv(a, b, share))


def t_interval(values: Sequence[float]) -> Interval:
    """Student's interval of the mean of repeated trials, cut to 0…1. Needs two values; (0, 1) for fewer."""
    if len(values) < 2:
        return (0.0, 1.0)
    mean = float(np.mean(values))
    error = float(np.std(values, ddof=1)) / len(values) ** 0.5
    half = float(special.stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2)) * error
    return (max(0.0, mean - half), min(1.0, mean + half))


def rate(counts: Sequence[int], totals: Sequence[int]) -> Rate:
    """The mean share over trials.

    The interval is t over trials; where there is one trial, or all trials agree exactly (t would claim certainty), it
    is Clopper–Pearson on one trial's counts.
    """
    shares = tuple(k / n if n else 0.0 for k, n in zip(counts, totals, strict=True))
    mean = float(np.mean(shares)) if shares else 0.0
    largest = max(totals, default=0)
    certain = len(shares) < 2 or max(shares) == min(shares)
    interval = clopper_pearson(mean * largest, largest) if certain else t_interval(shares)
    return Rate(mean, interval, shares, tuple(counts), largest)


def bootstrap(
    sample: Sequence[float],
    statistic: Callable[[NDArray[np.float64]], float] = lambda x: float(np.mean(x)),
    *,
    seed: int = 0,
    resamples: int = 2000,
) -> Interval:
    """Percentile bootstrap interval of a statistic of one sample; a constant sample gives that constant twice."""
    values = np.asarray(sample, dtype=np.float64)
    if values.size == 0:
        return (0.0, 1.0)
    rng = np.random.default_rng(seed)
    drawn = [statistic(values[rng.integers(0, values.size, values.size)]) for _ in range(resamples)]
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(drawn, [tail, 100 - tail])
    return (float(low), float(high))


@dataclass(frozen=True, slots=True)
class McNemar:
    """The test of paired yes-or-no outcomes (McNemar, 1947), exact: each discordant pair is a coin."""

    first_only: int
    """Pairs in which only the first succeeded."""
    second_only: int
    p: float
    """Two-sided; 1 without a discordant pair."""


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> McNemar:
    """Compare two systems on the same samples. Raises `ValueError` where the lengths differ."""
    first_only = sum(a and not b for a, b in zip(first, second, strict=True))
    second_only = sum(b and not a for a, b in zip(first, second, strict=True))
    discordant, fewer = first_only + second_only, min(first_only, second_only)
    if not discordant:
        return McNemar(0, 0, 1.0)
    # Twice the lower tail of the binomial distribution with 1/2, which is symmetric.
    return McNemar(first_only, second_only, min(1.0, 2 * float(special.bdtr(fewer, discordant, 0.5))))


def bootstrap_difference(
    first: Sequence[Sequence[float]], second: Sequence[Sequence[float]], *, resamples: int = 5000
) -> Interval:
    """Percentile bootstrap interval of the mean of `second` minus `first`, where rows belong together.

    Each row holds the outcomes of one sample over its trials; samples are drawn, with all their trials, so that
    repeating the same samples claims no more evidence than there is. (-1, 1) without any sample.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} samples are no pairs")
    if not first:
        return (-1.0, 1.0)
    sums = np.array([[sum(a), len(a), sum(b), len(b)] for a, b in zip(first, second, strict=True)], np.float64)
    rng = np.random.default_rng(0)
    counts = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=resamples).astype(np.float64)
    drawn = counts @ sums
    differences = drawn[:, 2] / drawn[:, 3] - drawn[:, 0] / drawn[:, 1]
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(differences, [tail, 100 - tail])
    return (float(low), float(high))


def rolling_share(flags: Sequence[bool], window: int) -> list[float]:
    """Share of true flags among the last `window` at every position (fewer at the start)."""
    total = np.concatenate([[0], np.cumsum(np.asarray(flags, dtype=np.int64))])
    ends = np.arange(1, len(flags) + 1)
    starts = np.maximum(0, ends - window)
    return [float(x) for x in (total[ends] - total[starts]) / (ends - starts)]
