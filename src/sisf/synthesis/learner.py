"""Learns the probe of one direction and hazard: again after every breach of it, in a fraction of a second.

What words weigh is fitted once, before any breach. After each breach the embedding's weights are fitted again, to: the
breaches of the hazard (heavy), what the corpus knows of harm (light, of this hazard twice as much), the benign
reference, and the corpus' benign near misses. Over the solution lies the encoder's reading of the hazard, which keeps
the probe to what it is named for. The threshold is where benign reference texts that the fitted model had not seen (k
folds) are nearly all below it, and never lower than what any known benign text scores; half-way to the breaches where
nothing else that is known is brought to bear. Orders and
other speech have a threshold each, since traffic of one kind says little about the other.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator
from threadpoolctl import threadpool_limits

from sisf.policy import Probe
from sisf.synthesis.logistic import Floats, Linear, Problem, fit, refit
from sisf.synthesis.training_rows import HAZARDS, Ints, Origin, TrainingRows
from sisf.taxonomy import Hazard
from sisf.text.ngrams import ORDER
from sisf.warden.semantic import features_of

_MAX_NGRAMS = 1_600
_LONGEST_NGRAM = 32
"""Longer ones are rare, and would take the place of several others in a probe of at most 64 kB."""
_MARGIN = 0.02
_DIGITS = 4
_ROUNDS = 3
_PASSES = 50
_PASSES_AGAIN = 10
"""Passes over all rows before the first breach, and over those that pull after each."""
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

    ridge: float = 1.0
    breach_weight: float = 200.0
    world_weight: float = 0.3
    own_weight: float = 0.6
    """Of harmful requests of the probe's own hazard; `world_weight` is that of all others."""
    scope: float = 0.2
    """What the encoder's reading of the hazard weighs: the larger, the less a probe reaches beyond its hazard."""
    lesson_weight: float = 3.0
    tail: float = 8e-3
    """Share of honest texts that may score above the thresholds of all probes of the direction together, in models that
    never saw them: in equal parts for each hazard of which something was learned (docs/adr/0740)."""
    folds: int = 3


@dataclass(frozen=True, slots=True)
class Model:
    """What the embedding weighs, what nearness to each landmark does, and what the words do, by column; few of these
    weigh anything."""

    embedded: Linear
    near: Floats
    lexical: Floats


class ProbeLearner:
    """Keeps the last solutions of one direction and hazard. Used by one thread at a time."""

    def __init__(self, rows: TrainingRows, hazard: Hazard, recipe: Recipe, base: "Base", *, seed: int = 0) -> None:
        self.rows = rows
        self.hazard = hazard
        self._base = base
        self._recipe = recipe
        self._seed = seed
        self._solutions: dict[int, Linear] = {}
        self._emphasis: dict[int, float] = {}
        """Factors on the weights of benign rows that scored too high."""

    def learn(
        self, breaches: Mapping[str, float], examples: Sequence[str], *, world: bool, hazards: int
    ) -> Probe | None:
        """Fit on all rows.

        `breaches` maps each breaching text of this hazard to its share of a breach's weight; `world` says whether what
        the corpus knows of the hazard is brought to bear; `hazards` is of how many, this one included, something was
        learned. None where no benign text is known: nothing could be calibrated.
        """
        tail = self._recipe.tail / hazards
        with threadpool_limits(1, "blas"):  # small products: on several threads they only wait for each other
            return self._learned(breaches, examples, tail, world=world)

    def _learned(
        self, breaches: Mapping[str, float], examples: Sequence[str], tail: float, *, world: bool
    ) -> Probe | None:
        rows, recipe = self.rows, self._recipe
        weights = self._weights(breaches, world)
        benign = rows.origins == Origin.REFERENCE
        if not benign.any():
            return None
        unseen = self._unseen(benign, weights, tail)
        limits = np.where(rows.orders, unseen[0], unseen[1])
        model = self._fit(recipe.folds, weights)
        scores = self._scores(model, recipe.folds)
        for _ in range(_ROUNDS):
            offending = benign & (scores > limits - _MARGIN)
            if not offending.any():
                break
            self._stress(np.flatnonzero(offending))
            model = self._fit(recipe.folds, self._weights(breaches, world))
            scores = self._scores(model, recipe.folds)
        thresholds = self._thresholds(scores, benign, unseen)
        if not world:
            thresholds = self._half_way(scores, thresholds, breaches)
        return self._probe(model, thresholds, examples)

    def _unseen(self, benign: NDArray[np.bool_], weights: Floats, tail: float) -> tuple[float, float]:
        """What benign orders, and other benign texts, score in models that never saw them, where `tail` of them score
        higher."""
        rows, recipe = self.rows, self._recipe
        folds = _folds(rows, recipe.folds, self._seed)

        def scores(fold: int) -> Floats:
            return self._scores(self._fit(fold, np.where(folds == fold, np.float32(0), weights)), fold)

        held_out = _held_out(folds, recipe.folds, scores)
        return _by_speech(rows, benign, lambda wanted: tail_quantile(_per_text(held_out, rows.owners, wanted), tail))

    def _stress(self, rows: Ints) -> None:
        """Let benign rows that score too high weigh more, now and later: one odd text must not lift the threshold."""
        for row in rows.tolist():
            self._emphasis[row] = min(_STRESS * self._emphasis.get(row, 1.0), _MAX_STRESS)

    def _fit(self, key: int, weights: Floats) -> Linear:
        """What the embedding weighs over these weights, with the scope of the hazard laid over it."""
        rows, recipe = self.rows, self._recipe
        problem = Problem(rows.dense, self._base.spoken(key), _harmful(rows), weights, recipe.ridge)
        start = self._solutions.get(key) or self._base.solution(key).embedded
        model = self._solutions[key] = refit(problem, start, passes=_PASSES_AGAIN)
        return Linear(model.weights + rows.scope(self.hazard, recipe.scope), model.bias)

    def _scores(self, model: Linear, key: int) -> Floats:
        return model.scores(self.rows.dense) + self._base.spoken(key)

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

    def _thresholds(
        self, scores: Floats, benign: NDArray[np.bool_], unseen: tuple[float, float]
    ) -> tuple[float, float]:
        """Where orders, and other texts, are recognised."""
        seen = _by_speech(self.rows, benign, lambda wanted: float(scores[wanted].max(initial=-np.inf)))
        lessons = scores[self.rows.origins == Origin.LESSON]
        taught = float(np.quantile(lessons, _SPARED)) if len(lessons) else -np.inf
        order, other = (max(s + _MARGIN, u, taught) for s, u in zip(seen, unseen, strict=True))
        return order, other

    def _half_way(
        self, scores: Floats, thresholds: tuple[float, float], breaches: Iterable[str]
    ) -> tuple[float, float]:
        """Thresholds no nearer to honest texts than to the breaches.

        What was fitted to breaches alone tells them from the honest texts that are known, by whatever these have in
        common: just above these it would stop everything that is unlike them, files and logs first.
        """
        reached = [float(scores[self.rows.rows_of(text)].max(initial=-np.inf)) for text in breaches]
        lowest = min(reached, default=-np.inf)
        order, other = (max(t, (t + lowest) / 2) for t in thresholds)
        return order, other

    def _probe(self, model: Linear, thresholds: tuple[float, float], examples: Sequence[str]) -> Probe:
        rows = self.rows
        folded, offset = rows.folded(model.weights)
        weights = np.concatenate([folded, self._base.near])
        order, other = thresholds
        # One threshold for all: what orders need more, or less, is a weight of being an order.
        ngrams = {ORDER: other - order, **self._base.ngrams}
        embedder = rows.embedder
        return Probe(
            embedder.id,
            len(weights),
            weights.astype("<f4").tobytes(),
            ngrams,
            model.bias + offset,
            other,
            features=features_of(wide=True),
            examples=tuple(examples),
        )


class Base:
    """What is fitted before any breach, once for all hazards: where each learner starts from.

    What words weigh is settled here. After a breach only the embedding's weights move: whoever breached the model has
    no say in which words are a reason.
    """

    def __init__(self, rows: TrainingRows, recipe: Recipe, *, seed: int = 0) -> None:
        self._rows = rows
        self._recipe = recipe
        self._seed = seed
        self._solutions: dict[int, Model] = {}
        self._spoken: dict[int, Floats] = {}

    def prepare(self) -> None:
        """Fit now what else is fitted when it is first asked for."""
        for key in range(self._recipe.folds + 1):
            self.spoken(key)

    def solution(self, key: int) -> Model:
        """The fit without the benign texts of fold `key`; with all of them for the key that is no fold."""
        if key not in self._solutions:
            weights = _known_weights(self._rows, self._recipe, world=True)
            weights = np.where(self._folds() == key, np.float32(0), weights)
            with threadpool_limits(1, "blas"):
                self._solutions[key] = _joint(self._rows, weights, self._recipe.ridge)
        return self._solutions[key]

    def spoken(self, key: int) -> Floats:
        """What the words of each row, and its nearness to landmarks, weigh in that fit."""
        known, features = self._spoken.get(key, np.zeros(0, np.float32)), self._rows.features
        if len(known) < features.shape[0]:
            model = self.solution(key)
            # In double precision: the same, however many rows are read at once.
            near = self._rows.near[len(known) :].astype(np.float64) @ model.near
            fresh = features[len(known) :] @ model.lexical + near.astype(np.float32)
            known = self._spoken[key] = np.concatenate([known, fresh])
        return known

    @property
    def near(self) -> Floats:
        """What nearness to each landmark weighs, in the fit with all benign texts."""
        return self.solution(self._recipe.folds).near

    @cached_property
    def ngrams(self) -> Mapping[str, float]:
        """What the words weigh, in the fit with all benign texts."""
        return self._rows.named(self.solution(self._recipe.folds).lexical)

    def scores(self, rows: Ints) -> Floats:
        """What the fit with all benign texts says of some rows."""
        key = self._recipe.folds
        return self.solution(key).embedded.scores(self._rows.dense[rows]) + self.spoken(key)[rows]

    def unseen(self) -> Floats:
        """What each benign reference text scores in a fit that never saw it: the highest of its windows."""
        folds = self._folds()
        held_out = _held_out(
            folds,
            self._recipe.folds,
            lambda fold: self.solution(fold).embedded.scores(self._rows.dense) + self.spoken(fold),
        )
        return _per_text(held_out, self._rows.owners, folds >= 0)

    def _folds(self) -> NDArray[np.int64]:
        return _folds(self._rows, self._recipe.folds, self._seed)


def _joint(rows: TrainingRows, weights: Floats, ridge: float) -> Model:
    """The fit of embedding, landmarks and words together, over the rows that have a weight."""
    kept = weights > 0
    dense, features = np.hstack([rows.dense[kept], rows.near[kept]]), rows.features[kept]
    transposed, width = features.T.tocsr(), dense.shape[1]
    both = LinearOperator(
        (len(dense), width + features.shape[1]),
        matvec=lambda point: dense @ point[:width] + features @ point[width:],
        rmatvec=lambda slopes: np.concatenate([slopes @ dense, transposed @ slopes]),
        dtype=np.float32,
    )
    silent = np.zeros(len(dense), np.float32)
    found = fit(Problem(both, silent, _harmful(rows)[kept], weights[kept], ridge), passes=_PASSES)
    embedded, near = np.split(found.weights[:width], [rows.dense.shape[1]])
    return Model(Linear(embedded, found.bias), near, _pruned(rows.columns, found.weights[width:]))


def _pruned(columns: Sequence[str], lexical: Floats) -> Floats:
    """Without what would make a probe too large."""
    short = np.fromiter((len(gram) <= _LONGEST_NGRAM for gram in columns), np.bool_, len(columns))
    kept = np.argsort(-np.abs(np.where(short, lexical, 0)), kind="stable")[:_MAX_NGRAMS]
    pruned = np.zeros_like(lexical)
    pruned[kept] = np.round(lexical[kept], _DIGITS)
    return pruned


def _harmful(rows: TrainingRows) -> NDArray[np.bool_]:
    harmful: NDArray[np.bool_] = rows.origins >= Origin.WORLD
    return harmful


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


def _held_out(folds: NDArray[np.int64], count: int, scores_of: Callable[[int], Floats]) -> Floats:
    """What each row scores in the model of its fold, which never saw it; minus infinity for rows of no fold."""
    held_out = np.full(len(folds), -np.inf, np.float32)
    for fold in range(count):
        held_out[folds == fold] = scores_of(fold)[folds == fold]
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
