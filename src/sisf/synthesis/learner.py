"""Learns the probe of one direction and hazard: again after every breach of it, in a fraction of a second.

What is learned from: the breaches of the hazard (heavy), what the corpus knows of harm (light, of this hazard twice as
much), the benign reference, and the corpus' benign near misses. Over the solution lies the encoder's reading of the
hazard, which keeps the probe to what it is named for. The threshold is where benign reference texts that the fitted
model had not seen (k folds) are nearly all below it, and never lower than what any known benign text scores. Orders and
other speech have a threshold each, since traffic of one kind says little about the other.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from sisf.policy import Probe
from sisf.synthesis.logistic import Floats, Linear, Problem, fit, refit
from sisf.synthesis.training_rows import HAZARDS, Ints, Origin, TrainingRows
from sisf.taxonomy import Hazard
from sisf.text.ngrams import ORDER

_MAX_NGRAMS = 1_600
_LONGEST_NGRAM = 32
"""Longer ones are rare, and would take the place of several others in a probe of at most 64 kB."""
_MARGIN = 0.02
_DIGITS = 4
_ROUNDS = 3
_FIRST = 50
"""Passes over all rows when a probe is learned for the first time."""
_STRESS, _MAX_STRESS = 4.0, 64.0
_TAIL = 0.01
"""The share of the texts from which the tail of their scores is read."""
_SPARED = 0.98
"""Share of the corpus' honest near misses that stay below every threshold: where the benign reference is of one mould,
all else would lie above what it says."""
_FEWEST = 1_000
"""Benign texts of one kind of speech from which their own threshold is read; with fewer, all texts set one."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a probe is learned. The figures behind the defaults: docs/synthesis.md."""

    ridge: float = 0.3
    breach_weight: float = 100.0
    world_weight: float = 0.3
    own_weight: float = 0.6
    """Of harmful requests of the probe's own hazard; `world_weight` is that of all others."""
    scope: float = 0.2
    """What the encoder's reading of the hazard weighs: the larger, the less a probe reaches beyond its hazard."""
    lesson_weight: float = 3.0
    tail: float = 1.5e-3
    """Share of honest texts that may score above the threshold of one probe in a model that never saw them."""
    folds: int = 3


class ProbeLearner:
    """Keeps the last solutions of one direction and hazard. Used by one thread at a time."""

    def __init__(
        self, rows: TrainingRows, hazard: Hazard, recipe: Recipe, base: "Base | None" = None, *, seed: int = 0
    ) -> None:
        self.rows = rows
        self._base = base
        self.hazard = hazard
        self._recipe = recipe
        self._seed = seed
        self._solutions: dict[int, Linear] = {}
        self._emphasis: dict[int, float] = {}
        """Factors on the weights of benign rows that scored too high."""

    def learn(self, breaches: Mapping[str, float], examples: Sequence[str], *, world: bool) -> Probe | None:
        """Fit on all rows.

        `breaches` maps each breaching text of this hazard to its share of a breach's weight; `world` says whether what
        the corpus knows of the hazard is brought to bear. None where no benign text is known: nothing could be
        calibrated.
        """
        with threadpool_limits(1, "blas"):  # small products: on several threads they only wait for each other
            return self._learned(breaches, examples, world=world)

    def _learned(self, breaches: Mapping[str, float], examples: Sequence[str], *, world: bool) -> Probe | None:
        rows, recipe = self.rows, self._recipe
        weights = self._weights(breaches, world)
        benign = rows.origins == Origin.REFERENCE
        if not benign.any():
            return None
        unseen = self._unseen(benign, weights)
        model = self._fit(recipe.folds, weights)
        for _ in range(_ROUNDS):
            limits = np.where(rows.orders, unseen[0], unseen[1])
            offending = benign & (model.scores(rows.dense, rows.features) > limits - _MARGIN)
            if not offending.any():
                break
            self._stress(np.flatnonzero(offending))
            model = self._fit(recipe.folds, self._weights(breaches, world))
        return self._probe(model, benign, unseen, examples)

    def _unseen(self, benign: NDArray[np.bool_], weights: Floats) -> tuple[float, float]:
        """What benign orders, and other benign texts, score in models that never saw them, at the quantile."""
        rows, recipe = self.rows, self._recipe
        folds = _folds(rows, recipe.folds, self._seed)
        held_out = _held_out(
            rows, folds, recipe.folds, lambda fold: self._fit(fold, np.where(folds == fold, np.float32(0), weights))
        )
        return _by_speech(
            rows, benign, lambda wanted: tail_quantile(_per_text(held_out, rows.owners, wanted), recipe.tail)
        )

    def _stress(self, rows: Ints) -> None:
        """Let benign rows that score too high weigh more, now and later: one odd text must not lift the threshold."""
        for row in rows.tolist():
            self._emphasis[row] = min(_STRESS * self._emphasis.get(row, 1.0), _MAX_STRESS)

    def _fit(self, key: int, weights: Floats) -> Linear:
        """The solution over these weights, with the scope of the hazard laid over it."""
        problem = problem_of(self.rows, weights, self._recipe)
        known = self._solutions.get(key)
        if known is None and self._base is not None:
            known = self._base.solution(key)
        model = refit(problem, known.widened(problem.features.shape[1])) if known else fit(problem, passes=_FIRST)
        self._solutions[key] = model
        return self.rows.scoped(model, self.hazard, self._recipe.scope)

    def _weights(self, breaches: Mapping[str, float], world: bool) -> Floats:
        recipe, rows = self._recipe, self.rows
        weights = _known_weights(rows, recipe, world)
        if world:
            own = rows.hazards == HAZARDS.index(self.hazard)
            weights[(rows.origins == Origin.WORLD) & own] = recipe.own_weight
        for row, factor in self._emphasis.items():
            weights[row] *= factor
        for text, share in breaches.items():
            places = rows.rows_of(text)
            # A text that the reference holds as benign stays benign, whoever sends it.
            harmful = places[rows.origins[places] >= Origin.WORLD]
            weights[harmful] = recipe.breach_weight * share / max(len(places), 1)
        return weights

    def _probe(
        self, model: Linear, benign: NDArray[np.bool_], unseen: tuple[float, float], examples: Sequence[str]
    ) -> Probe:
        rows = self.rows
        columns = rows.columns
        short = np.fromiter((len(gram) <= _LONGEST_NGRAM for gram in columns), np.bool_, len(columns))
        kept = np.argsort(-np.abs(np.where(short, model.lexical, 0)), kind="stable")[:_MAX_NGRAMS]
        pruned = np.zeros_like(model.lexical)
        pruned[kept] = np.round(model.lexical[kept], _DIGITS)
        scores = Linear(model.dense, pruned, model.bias).scores(rows.dense, rows.features)
        seen = _by_speech(rows, benign, lambda wanted: float(scores[wanted].max(initial=-np.inf)))
        lessons = scores[rows.origins == Origin.LESSON]
        taught = float(np.quantile(lessons, _SPARED)) if len(lessons) else -np.inf
        order, other = (max(s + _MARGIN, u, taught) for s, u in zip(seen, unseen, strict=True))
        dense, offset = rows.folded(model.dense)
        # One threshold for all: what orders need more, or less, is a weight of being an order.
        ngrams = {ORDER: other - order} | {columns[i]: float(pruned[i]) for i in kept.tolist() if pruned[i]}
        embedder = rows.embedder
        return Probe(
            embedder.id,
            embedder.dimensions,
            dense.astype("<f4").tobytes(),
            ngrams,
            model.bias + offset,
            other,
            examples=tuple(examples),
        )


class Base:
    """What is fitted before any breach, once for all hazards: where each learner starts from."""

    def __init__(self, rows: TrainingRows, recipe: Recipe, *, seed: int = 0) -> None:
        self._rows = rows
        self._recipe = recipe
        self._seed = seed
        self._solutions: dict[int, Linear] = {}

    def solution(self, key: int) -> Linear:
        """The fit without the benign texts of fold `key`; with all of them for the key that is no fold."""
        if key not in self._solutions:
            weights = _known_weights(self._rows, self._recipe, world=True)
            weights = np.where(self._folds() == key, np.float32(0), weights)
            with threadpool_limits(1, "blas"):
                self._solutions[key] = fit(problem_of(self._rows, weights, self._recipe), passes=_FIRST)
        return self._solutions[key]

    def scores(self, rows: Ints) -> Floats:
        """What the fit with all benign texts says of some rows."""
        return self._wide(self._recipe.folds).scores(self._rows.dense[rows], self._rows.features[rows])

    def unseen(self) -> Floats:
        """What each benign reference text scores in a fit that never saw it: the highest of its windows."""
        folds = self._folds()
        held_out = _held_out(self._rows, folds, self._recipe.folds, self._wide)
        return _per_text(held_out, self._rows.owners, folds >= 0)

    def _wide(self, key: int) -> Linear:
        """A solution over all columns that there are by now."""
        return self.solution(key).widened(self._rows.features.shape[1])

    def _folds(self) -> NDArray[np.int64]:
        return _folds(self._rows, self._recipe.folds, self._seed)


def problem_of(rows: TrainingRows, weights: Floats, recipe: Recipe) -> Problem:
    """Harm against honest text, over these weights."""
    return Problem(rows.dense, rows.features, rows.transposed, rows.origins >= Origin.WORLD, weights, recipe.ridge)


def _known_weights(rows: TrainingRows, recipe: Recipe, world: bool) -> Floats:
    """The weights of all rows but breaches."""
    table = np.zeros(len(Origin), np.float32)
    table[Origin.REFERENCE] = 1.0
    table[Origin.LESSON] = recipe.lesson_weight
    table[Origin.WORLD] = recipe.world_weight if world else 0.0
    weights: Floats = table[rows.origins]
    return weights


def _folds(rows: TrainingRows, count: int, seed: int) -> NDArray[np.int64]:
    """The fold of each row; all windows of a text share one, and what is not calibrated on has none."""
    drawn = np.random.default_rng(seed).integers(0, count, int(rows.owners.max()) + 1)
    folds: NDArray[np.int64] = np.where(rows.origins == Origin.REFERENCE, drawn[rows.owners], -1)
    return folds


def _held_out(rows: TrainingRows, folds: NDArray[np.int64], count: int, model_of: Callable[[int], Linear]) -> Floats:
    """What each row scores in the model of its fold, which never saw it; minus infinity for rows of no fold."""
    held_out = np.full(len(rows), -np.inf, np.float32)
    for fold in range(count):
        scores = model_of(fold).scores(rows.dense, rows.features)
        held_out[folds == fold] = scores[folds == fold]
    return held_out


def _by_speech(
    rows: TrainingRows, benign: NDArray[np.bool_], measure: Callable[[NDArray[np.bool_]], float]
) -> tuple[float, float]:
    """A measure of the benign orders and of the other benign texts; of all of them where one kind is rare."""
    kinds = benign & rows.orders, benign & ~rows.orders
    if min(len(_beginnings(rows.owners[kind])) for kind in kinds) < _FEWEST:
        both = measure(benign)
        return both, both
    return measure(kinds[0]), measure(kinds[1])


def tail_quantile(scores: Floats, share: float) -> float:
    """The score that `share` of texts like these exceed.

    Above the highest hundredth the scores of honest texts fall off about exponentially: where the sample is too small
    to hold the quantile, that tail is continued.
    """
    level = float(np.quantile(scores, 1 - _TAIL))
    excess = scores[scores > level] - level
    return level + float(excess.mean() if len(excess) else 0.0) * math.log(_TAIL / share)


def _per_text(scores: Floats, owners: Ints, wanted: NDArray[np.bool_]) -> Floats:
    """The highest score among the windows of each text that is wanted."""
    beginnings = _beginnings(owners[wanted])
    best: Floats = np.maximum.reduceat(scores[wanted], beginnings) if len(beginnings) else np.zeros(0, np.float32)
    return best


def _beginnings(owners: Ints) -> Ints:
    """The first row of each text: rows of one text stand together, and texts are numbered as they come."""
    return np.flatnonzero(np.diff(owners, prepend=-1))
