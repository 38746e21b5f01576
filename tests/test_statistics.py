"""Intervals against published values and against their definition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sisf.statistics import bootstrap, clopper_pearson, rate, rolling_share, t_interval

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
