"""The regression against scikit-learn's, and a refit against a fit from nothing."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from sisf.synthesis.logistic import Linear, Problem, fit, refit

ROWS, WIDTH, RIDGE = 400, 12, 0.3


def problem(seed: int, *, offset: float = 0.0) -> Problem:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(ROWS, WIDTH)).astype(np.float32)
    labels = features @ rng.normal(size=WIDTH) + rng.normal(size=ROWS) > 0.5
    weights = rng.uniform(0.1, 3.0, ROWS).astype(np.float32)
    return Problem(features, np.full(ROWS, offset, np.float32), labels, weights, RIDGE)


@pytest.mark.parametrize("seed", range(5))
def test_it_finds_what_scikit_learn_finds(seed: int) -> None:
    posed = problem(seed)
    ours = fit(posed, passes=500)
    theirs = LogisticRegression(C=1 / RIDGE, tol=1e-8, max_iter=5_000)
    theirs.fit(posed.features, posed.labels, sample_weight=posed.weights)
    assert np.allclose(ours.weights, theirs.coef_[0], atol=0.02)
    assert ours.bias == pytest.approx(float(theirs.intercept_[0]), abs=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_a_refit_ends_where_a_fit_does(seed: int) -> None:
    posed = problem(seed)
    start = fit(problem(seed + 100), passes=500)
    again, fresh = refit(posed, start, passes=500), fit(posed, passes=500)
    assert np.allclose(again.weights, fresh.weights, atol=0.05)


def test_what_is_added_to_every_score_is_not_learned_again() -> None:
    plain, raised = fit(problem(0), passes=500), fit(problem(0, offset=2.0), passes=500)
    assert raised.bias == pytest.approx(plain.bias - 2.0, abs=0.02)
    assert np.allclose(raised.weights, plain.weights, atol=0.02)


def test_the_same_problem_gives_the_same_solution() -> None:
    once, again = fit(problem(1), passes=50), fit(problem(1), passes=50)
    assert isinstance(once, Linear)
    assert np.array_equal(once.weights, again.weights)
