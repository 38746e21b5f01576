"""Intervals against published values and against their definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sisf.statistics import (
    bootstrap,
    bootstrap_difference,
    clopper_pearson,
    mcnemar,
    rate,
    rolling_share,
    t_interval,
)

pytestmark = pytest.mark.smoke


def test_clopper_pearson_against_known_values() -> None:
    # 237 of 520 is the paper's figure; 0 of n has the closed form 1 - (0.025)^(1/n).
    low, high = clopper_pearson(237, 520)
    assert (round(low, 4), round(high, 4)) == (0.4124, 0.4997)
    low, high = clopper_pearson(0, 520)
    assert low == 0.0
    assert high == pytest.approx(1 - 0.025 ** (1 / 520))
    assert clopper_pearson(10, 10)[1] == 1.0
    assert clopper_pearson(0, 0) == (0.0, 1.0)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_clopper_pearson_covers_and_agrees_with_scipy(case: tuple[int, int]) -> None:
    k, n = case
    low, high = clopper_pearson(k, n)
    assert 0 <= low <= k / n <= high <= 1
    exact = stats.binomtest(k, n).proportion_ci(0.95, "exact")
    assert low == pytest.approx(exact.low, abs=1e-9)
    assert high == pytest.approx(exact.high, abs=1e-9)


def test_t_interval_of_five_trials() -> None:
    values = [0.10, 0.12, 0.11, 0.13, 0.09]
    low, high = t_interval(values)
    assert (round(low, 5), round(high, 5)) == (0.09037, 0.12963)
    assert t_interval([0.5]) == (0.0, 1.0)


def test_trials_that_agree_do_not_claim_certainty() -> None:
    assert rate([0, 0, 0], [520] * 3).ci95 == clopper_pearson(0, 520)
    assert rate([5], [50]).ci95 == clopper_pearson(5, 50)
    spread = rate([50, 60], [520, 520])
    assert spread.ci95 == t_interval([50 / 520, 60 / 520])
    assert spread.as_json()["counts"] == [50, 60]


def test_bootstrap_covers_the_mean_and_repeats() -> None:
    sample = [0.0] * 80 + [1.0] * 20
    low, high = bootstrap(sample, seed=3)
    assert 0.1 < low < 0.2 < high < 0.3
    assert bootstrap(sample, seed=3) == (low, high)
    assert bootstrap([0.5] * 9) == (0.5, 0.5)


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 20))
def test_rolling_share_is_the_share_of_the_window(flags: list[bool], window: int) -> None:
    for i, share in enumerate(rolling_share(flags, window)):
        recent = flags[max(0, i + 1 - window) : i + 1]
        assert share == pytest.approx(sum(recent) / len(recent))


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 20))
def test_mcnemar_agrees_with_scipys_binomial_test(first_only: int, second_only: int, both: int) -> None:
    pairs = [(True, False)] * first_only + [(False, True)] * second_only + [(True, True)] * both
    found = mcnemar([a for a, _ in pairs], [b for _, b in pairs])
    assert (found.first_only, found.second_only) == (first_only, second_only)
    discordant = first_only + second_only
    expected = stats.binomtest(first_only, discordant).pvalue if discordant else 1.0
    assert found.p == pytest.approx(expected, abs=1e-12)


def test_mcnemar_against_a_published_example() -> None:
    # Agresti, Categorical Data Analysis (2nd ed., table 10.1): approval in two surveys, 150 and 86 changed their mind.
    found = mcnemar([True] * 150 + [False] * 86, [False] * 150 + [True] * 86)
    assert found.p == pytest.approx(3.7e-5, rel=0.1)


def test_a_planted_difference_is_found_and_a_planted_null_is_not() -> None:
    rng = np.random.default_rng(5)
    found, missed, covered = 0, 0, 0
    for _ in range(40):
        base = rng.random(300) < 0.2
        same, other = rng.random(300) < 0.2, rng.random(300) < 0.08
        found += mcnemar(base.tolist(), other.tolist()).p < 0.05
        missed += mcnemar(base.tolist(), same.tolist()).p >= 0.05
        low, high = bootstrap_difference([[float(x)] for x in base], [[float(x)] for x in other], resamples=500)
        covered += low <= -0.12 <= high
    assert found >= 36
    assert missed >= 36
    assert covered >= 34


def test_the_bootstrap_draws_samples_with_all_their_trials() -> None:
    # Ten trials that repeat one another are no more evidence than one.
    rng = np.random.default_rng(1)
    first, second = rng.random(100) < 0.5, rng.random(100) < 0.4
    once = bootstrap_difference([[float(x)] for x in first], [[float(x)] for x in second])
    often = bootstrap_difference([[float(x)] * 10 for x in first], [[float(x)] * 10 for x in second])
    assert once == pytest.approx(often)
    assert bootstrap_difference([], []) == (-1.0, 1.0)
    scipys = stats.bootstrap(
        (second.astype(float) - first.astype(float),), np.mean, method="percentile", n_resamples=5000, rng=2
    ).confidence_interval
    assert once == pytest.approx((scipys.low, scipys.high), abs=0.015)
