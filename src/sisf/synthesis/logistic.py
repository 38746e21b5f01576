"""Weighted logistic regression over dense and sparse features together, with a warm start.

A policy is learned again after every breach, and the solution moves little each time: started from the last one,
L-BFGS needs a handful of passes over the data where a solver that starts cold needs dozens.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import minimize

Floats = NDArray[np.float32]

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
    """`dense @ embedding + lexical @ features + bias`."""

    dense: Floats
    lexical: Floats
    bias: float

    def scores(self, embeddings: Floats, features: sparse.csr_matrix) -> Floats:
        """One score (log-odds, before any threshold) per row."""
        result: Floats = embeddings @ self.dense + features @ self.lexical + np.float32(self.bias)
        return result

    def widened(self, columns: int) -> "Linear":
        """The same model over more lexical columns, the new ones without weight."""
        missing = columns - len(self.lexical)
        return Linear(self.dense, np.pad(self.lexical, (0, missing)), self.bias) if missing else self


@dataclass(frozen=True, slots=True)
class Problem:
    """What to fit: `embeddings` `(n, d)`, `features` `(n, v)` with its transpose in CSR form, labels and weights.

    Rows of weight 0 have no influence. The penalty is `ridge / 2 · |w|²`; the bias is not penalised.
    """

    embeddings: Floats
    features: sparse.csr_matrix
    transposed: sparse.csr_matrix
    labels: NDArray[np.bool_]
    weights: Floats
    ridge: float

    def slopes(self, model: Linear) -> Floats:
        """The derivative of the loss of each row by its score."""
        sign = np.where(self.labels, np.float32(1), np.float32(-1))
        margin = model.scores(self.embeddings, self.features) * sign
        slope: Floats = -sign * self.weights / (1 + np.exp(np.clip(margin, -60, 60)))
        return slope


def fit(problem: Problem, start: Linear | None = None, *, passes: int = 80) -> Linear:
    """Minimise the weighted log loss with its penalty, over all rows that have a weight. Deterministic.

    From `start` where one is given: it may be far from the solution.
    """
    width, columns = problem.embeddings.shape[1], problem.features.shape[1]
    first = start or Linear(np.zeros(width, np.float32), np.zeros(columns, np.float32), 0.0)
    return _over(problem, first, np.zeros_like(problem.weights), problem.weights > 0, passes)


def refit(problem: Problem, start: Linear, *, passes: int = 25) -> Linear:
    """Minimise again from a solution of nearly the same problem, over the rows that pull at it.

    Rows whose pull is small (most of the benign ones) rest: they keep the pull that they have, and the n-grams that
    only they hold keep their weights. Rows that the solution wakes are taken in, and it is minimised again.
    """
    awake = problem.labels & (problem.weights > 0)
    model = start
    for turn in range(_TURNS):
        slopes = problem.slopes(model)
        pulling = np.abs(slopes) > _PULL
        if turn and np.count_nonzero(pulling & ~awake) <= _FEW:
            break
        awake |= pulling
        model = _over(problem, model, slopes, awake, passes)
    return model


def _over(problem: Problem, start: Linear, slopes: Floats, rows: NDArray[np.bool_], passes: int) -> Linear:
    """Minimise over some rows; the others keep the slope that they have at `start`, given in `slopes`."""
    features = problem.features[rows]
    columns = np.flatnonzero(np.bincount(features.indices, minlength=features.shape[1]))
    features = features[:, columns]
    inner = Problem(
        problem.embeddings[rows],
        features,
        features.T.tocsr(),
        problem.labels[rows],
        problem.weights[rows],
        problem.ridge,
    )
    rest = np.where(rows, np.float32(0), slopes)
    constant = np.concatenate([rest @ problem.embeddings, (problem.transposed @ rest)[columns], [rest.sum()]])
    found = _minimised(inner, Linear(start.dense, start.lexical[columns], start.bias), constant, passes)
    lexical = start.lexical.copy()
    lexical[columns] = found.lexical
    return Linear(found.dense, lexical, found.bias)


def _minimised(problem: Problem, start: Linear, constant: NDArray[np.float64], passes: int) -> Linear:
    """L-BFGS over the weights scaled so that the penalty is |w|²/2. `constant` is added to the gradient."""
    embeddings, features, transposed, weights = (
        problem.embeddings,
        problem.features,
        problem.transposed,
        problem.weights,
    )
    width = embeddings.shape[1]
    sign = np.where(problem.labels, np.float32(1), np.float32(-1))
    scale = np.float32(1.0 / np.sqrt(problem.ridge))
    pull = constant * np.concatenate([np.full(len(constant) - 1, scale), [1.0]])

    def objective(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        model = point.astype(np.float32)
        dense, lexical = model[:width] * scale, model[width:-1] * scale
        margin = (embeddings @ dense + features @ lexical + model[-1]) * sign
        tail = np.exp(-np.abs(margin))
        loss = np.log1p(tail) + np.maximum(-margin, 0)
        slope = (-sign * weights * np.where(margin > 0, tail, np.float32(1)) / (1 + tail)).astype(np.float32)
        gradient = pull.copy()
        gradient[:width] += slope @ embeddings * scale + point[:width]
        gradient[width:-1] += transposed @ slope * scale + point[width:-1]
        gradient[-1] += slope.sum()
        return float(weights @ loss) + 0.5 * float(point[:-1] @ point[:-1]) + float(pull @ point), gradient

    first = np.concatenate([start.dense / scale, start.lexical / scale, [start.bias]]).astype(np.float64)
    options = {"maxiter": passes, "gtol": _GRADIENT_TOLERANCE, "ftol": _RELATIVE_TOLERANCE, "maxcor": _MEMORY}
    found = minimize(objective, first, jac=True, method="L-BFGS-B", options=options).x
    return Linear(
        (found[:width] * scale).astype(np.float32), (found[width:-1] * scale).astype(np.float32), float(found[-1])
    )
