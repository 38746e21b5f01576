"""Learns the probe of one direction and kind of speech: again after every breach, in a fraction of a second.

What is learned from: the breaches (heavy), what the corpus knows to be harmful (light), the benign reference, and the
corpus' benign near misses. The threshold is where benign reference texts that the fitted model had not seen (k folds)
are nearly all below it, and never lower than what any known benign text scores.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sisf.policy import Probe
from sisf.synthesis.logistic import Floats, Linear, Problem, fit, refit
from sisf.synthesis.speech import Speech
from sisf.synthesis.training_rows import Ints, Origin, TrainingRows
from sisf.text.ngrams import ORDER

_MAX_NGRAMS = 1_600
_LONGEST_NGRAM = 32
"""Longer ones are rare, and would take the place of several others in a probe of at most 64 kB."""
_MARGIN = 0.02
_LOWEST = -3.0
"""No threshold is lower. One or two breaches of a kind stand so far from the benign texts known that a quantile of
these alone would let a probe block whatever resembles the breaches a little."""
_DIGITS = 4
_ROUNDS = 3
_STRESS, _MAX_STRESS = 4.0, 64.0
_OUT_OF_SCOPE = 50.0
"""By how much a text of the other kind of speech is moved below every threshold."""
_LARGEST_TAIL = 0.01
"""Of the texts that a probe is for, at most this share may lie above its threshold in a model that never saw them."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a probe is learned. The figures behind the defaults: docs/synthesis.md."""

    ridge: float = 0.3
    breach_weight: float = 100.0
    world_weight: float = 0.3
    lesson_weight: float = 3.0
    world_from: int = 3
    """Breaches of a kind of speech before which what the corpus knows of harm is not brought to bear: one breach that
    may be an accident must not give rise to a broad policy."""
    quantile: float = 0.999
    """Share of benign reference texts that must score below the threshold in a model that never saw them."""
    folds: int = 3


@dataclass(frozen=True, slots=True)
class Learned:
    """A probe and what explains it."""

    probe: Probe
    strongest: Sequence[str]
    """The n-grams that speak loudest for a breach."""


class ProbeLearner:
    """Keeps the last solutions of one direction and kind of speech. Used by one thread at a time."""

    def __init__(self, rows: TrainingRows, speech: Speech, recipe: Recipe, *, seed: int = 0) -> None:
        self.rows = rows
        self.speech = speech
        self._recipe = recipe
        self._seed = seed
        self._solutions: dict[int, Linear] = {}
        self._emphasis: dict[int, float] = {}
        """Factors on the weights of benign rows that scored too high."""

    def learn(self, breaches: Mapping[str, float], examples: Sequence[str]) -> Learned | None:
        """Fit on all rows of this kind of speech.

        `breaches` maps each breaching text to its share of a breach's weight. None where no benign text of this kind is
        known: nothing could be calibrated.
        """
        rows, recipe = self.rows, self._recipe
        spoken = self._spoken()
        weights = self._weights(spoken, breaches)
        benign = rows.origins == Origin.REFERENCE
        if not (benign & spoken).any():
            return None
        texts = len(_beginnings(rows.owners[benign]))
        unseen = self._unseen(benign & spoken, texts, weights)
        model = self._fit(recipe.folds, weights)
        for _ in range(_ROUNDS):
            offending = benign & spoken & (model.scores(rows.embeddings, rows.features) > unseen - _MARGIN)
            if not offending.any():
                break
            self._stress(np.flatnonzero(offending))
            model = self._fit(recipe.folds, self._weights(spoken, breaches))
        return self._probe(model, benign & spoken, unseen, examples)

    def of_this_kind(self, texts: Mapping[str, float]) -> Mapping[str, float]:
        """Those of the added texts of which a part is of this kind of speech."""
        spoken = self._spoken()
        return {text: share for text, share in texts.items() if spoken[self.rows.rows_of(text)].any()}

    def _spoken(self) -> NDArray[np.bool_]:
        """The rows of this kind of speech."""
        orders = self.rows.orders
        match self.speech:
            case Speech.ORDERS:
                return orders
            case Speech.OTHERS:
                return ~orders
            case _:
                return np.ones_like(orders)

    def _unseen(self, benign: NDArray[np.bool_], total: int, weights: Floats) -> float:
        """What benign texts of this kind score in models that never saw them, at the quantile of all `total` texts."""
        rows, recipe = self.rows, self._recipe
        folds = self._folds(benign)
        held_out = np.full(len(rows), -np.inf, np.float32)
        for fold in range(recipe.folds):
            model = self._fit(fold, np.where(folds == fold, np.float32(0), weights))
            scores = model.scores(rows.embeddings, rows.features)
            held_out[folds == fold] = scores[folds == fold]
        best = _per_text(held_out, rows.owners, benign)
        tail = (1 - recipe.quantile) * total / len(best)
        return float(np.quantile(best, 1 - min(tail, _LARGEST_TAIL)))

    def _stress(self, rows: Ints) -> None:
        """Let benign rows that score too high weigh more, now and later: one odd text must not lift the threshold."""
        for row in rows.tolist():
            self._emphasis[row] = min(_STRESS * self._emphasis.get(row, 1.0), _MAX_STRESS)

    def _fit(self, key: int, weights: Floats) -> Linear:
        rows = self.rows
        labels = rows.origins >= Origin.WORLD
        problem = Problem(rows.embeddings, rows.features, rows.transposed, labels, weights, self._recipe.ridge)
        known = self._solutions.get(key)
        model = refit(problem, known.widened(rows.features.shape[1])) if known else fit(problem)
        self._solutions[key] = model
        return model

    def _weights(self, spoken: NDArray[np.bool_], breaches: Mapping[str, float]) -> Floats:
        recipe, origins = self._recipe, self.rows.origins
        table = np.zeros(len(Origin), np.float32)
        table[Origin.REFERENCE] = 1.0
        table[Origin.LESSON] = recipe.lesson_weight
        table[Origin.WORLD] = recipe.world_weight if len(breaches) >= recipe.world_from else 0
        weights: Floats = table[origins]
        for row, factor in self._emphasis.items():
            weights[row] *= factor
        for text, share in breaches.items():
            rows = self.rows.rows_of(text)
            # A text that the reference holds as benign stays benign, whoever sends it.
            harmful = rows[origins[rows] >= Origin.WORLD]
            weights[harmful] = recipe.breach_weight * share / max(len(rows), 1)
        weights[~spoken] = 0
        return weights

    def _folds(self, benign: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The fold of each row; all windows of a text share one, and what is not calibrated on has none."""
        owners = self.rows.owners
        drawn = np.random.default_rng(self._seed).integers(0, self._recipe.folds, int(owners.max()) + 1)
        folds: NDArray[np.int64] = np.where(benign, drawn[owners], -1)
        return folds

    def _probe(self, model: Linear, benign: NDArray[np.bool_], unseen: float, examples: Sequence[str]) -> Learned:
        rows = self.rows
        columns = rows.columns
        short = np.fromiter((len(gram) <= _LONGEST_NGRAM for gram in columns), np.bool_, len(columns))
        kept = np.argsort(-np.abs(np.where(short, model.lexical, 0)), kind="stable")[:_MAX_NGRAMS]
        pruned = np.zeros_like(model.lexical)
        pruned[kept] = np.round(model.lexical[kept], _DIGITS)
        scores = Linear(model.dense, pruned, model.bias).scores(rows.embeddings, rows.features)
        seen = float(_per_text(scores, rows.owners, benign).max(initial=-np.inf))
        embedder = rows.embedder
        ngrams = {columns[i]: float(pruned[i]) for i in kept.tolist() if pruned[i]}
        bias = model.bias
        if self.speech is Speech.ORDERS:
            ngrams, bias = {ORDER: _OUT_OF_SCOPE, **ngrams}, bias - _OUT_OF_SCOPE
        elif self.speech is Speech.OTHERS:
            ngrams = {ORDER: -_OUT_OF_SCOPE, **ngrams}
        probe = Probe(
            embedder.id,
            embedder.dimensions,
            model.dense.astype("<f4").tobytes(),
            ngrams,
            bias,
            max(seen + _MARGIN, unseen, _LOWEST),
            examples=tuple(examples),
        )
        loudest = np.argsort(-model.lexical, kind="stable")[:_MAX_NGRAMS]
        return Learned(probe, [columns[i] for i in loudest.tolist() if model.lexical[i] > 0])


def _per_text(scores: Floats, owners: Ints, wanted: NDArray[np.bool_]) -> Floats:
    """The highest score among the windows of each text that is wanted."""
    beginnings = _beginnings(owners[wanted])
    best: Floats = np.maximum.reduceat(scores[wanted], beginnings) if len(beginnings) else np.zeros(0, np.float32)
    return best


def _beginnings(owners: Ints) -> Ints:
    """The first row of each text: rows of one text stand together, and texts are numbered as they come."""
    return np.flatnonzero(np.diff(owners, prepend=-1))
