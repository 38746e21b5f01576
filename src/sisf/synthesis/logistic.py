"""Weighted logistic regression by L-BFGS, with a warm start.

A policy is learned again after every breach, and the solution moves little each time: started from the last one, a
handful of passes over the rows that pull at it is enough.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Matrix = Floats | Any
"""An array, or a `scipy.sparse.linalg.LinearOperator` (which has no types)."""

_MEMORY = 8
_GRADIENT_TOLERANCE = 2e-3
_RELATIVE_TOLERANCE = 1e-6
_PULL = 0.02
"""Rows that pull less (the slope of their loss, at most their weight) are held at what they pull when refitting."""
_TURNS = 4
_FEW = 5
"""So many rows may wake without another turn."""


@dataclass(frozen=True, slots=True)
class Linear:
    """`features @ weights + bias`: log-odds."""

    weights: Floats
    bias: float

    def scores(self, features: Matrix) -> Floats:
        """One score per row."""
        result: Floats = features @ self.weights + np.float32(self.bias)
        return result


@dataclass(frozen=True, slots=True)
class Problem:
    """What to fit: `features` `(n, d)`, labels and weights.

    `offsets` are added to the score of each row whatever the model. The penalty is `ridge / 2 · |w|²`; the bias is not
    penalised.
    """

    features: Matrix
    offsets: Floats
    labels: NDArray[np.bool_]
    weights: Floats
    ridge: float

    def slopes(self, model: Linear) -> Floats:
        """The derivative of the loss of each row by its score."""
        sign = np.where(self.labels, np.float32(1), np.float32(-1))
        margin = (model.scores(self.features) + self.offsets) * sign
        slope: Floats = -sign * self.weights / (1 + np.exp(np.clip(margin, -60, 60)))
        return slope


def fit(problem: Problem, *, passes: int) -> Linear:
    """Minimise the weighted log loss with its penalty over all rows. Deterministic."""
    width = problem.features.shape[1]
    return _minimised(problem, Linear(np.zeros(width, np.float32), 0.0), np.zeros(width + 1), passes)


def refit(problem: Problem, start: Linear, *, passes: int) -> Linear:
    """Minimise again from a solution of nearly the same problem, over the rows of its array that pull at it.

    Rows whose pull is small (most of the benign ones) rest: they keep the pull that they have. Rows that the solution
    wakes are taken in, and it is minimised again.
    """
    awake = problem.labels & (problem.weights > 0)
    model = start
    for turn in range(_TURNS):
        slopes = problem.slopes(model)
        pulling = np.abs(slopes) > _PULL
        if turn and np.count_nonzero(pulling & ~awake) <= _FEW:
            break
        awake |= pulling
        rest = np.where(awake, np.float32(0), slopes)
        pull = np.append(problem.features.T @ rest, rest.sum())
        model = _minimised(_part(problem, awake), model, pull, passes)
    return model


def _part(problem: Problem, rows: NDArray[np.bool_]) -> Problem:
    return replace(
        problem,
        features=problem.features[rows],
        offsets=problem.offsets[rows],
        labels=problem.labels[rows],
        weights=problem.weights[rows],
    )


def _minimised(problem: Problem, start: Linear, constant: Doubles, passes: int) -> Linear:
    """Minimise over all rows; `constant` is added to the gradient."""
    features, offsets, weights, ridge = problem.features, problem.offsets, problem.weights, problem.ridge
    transposed = features.T
    sign = np.where(problem.labels, np.float32(1), np.float32(-1))

    def objective(point: Doubles) -> tuple[float, Doubles]:
        model = Linear(point[:-1].astype(np.float32), float(point[-1]))
        margin = (model.scores(features) + offsets) * sign
        tail = np.exp(-np.abs(margin))
        loss = np.log1p(tail) + np.maximum(-margin, 0)
        slope = (-sign * weights * np.where(margin > 0, tail, np.float32(1)) / (1 + tail)).astype(np.float32)
        gradient = np.append(transposed @ slope + ridge * point[:-1], slope.sum()) + constant
        penalty = 0.5 * ridge * float(point[:-1] @ point[:-1])
        return float(weights @ loss) + penalty + float(constant @ point), gradient

    first = np.append(start.weights, start.bias).astype(np.float64)
    options = {"maxiter": passes, "gtol": _GRADIENT_TOLERANCE, "ftol": _RELATIVE_TOLERANCE, "maxcor": _MEMORY}
    found = minimize(objective, first, jac=True, method="L-BFGS-B", options=options).x
    return Linear(found[:-1].astype(np.float32), float(found[-1]))
