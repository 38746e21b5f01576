"""The semantic engine: all prototypes and probes in one matrix product."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sisf.embedding import landmarks
from sisf.embedding.base import Embedder, Vectors
from sisf.errors import PolicyError, quoted
from sisf.policy import Policy, Probe, Prototypes
from sisf.text.ngrams import FEATURES
from sisf.warden.length import asked_of_guess
from sisf.warden.lexical import Postings, hashed
from sisf.warden.merge_schedule import due

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Places = NDArray[np.intp]
Lexical = Sequence[Mapping[str, float]]
"""The lexical features (`sisf.text.ngrams`) of each window."""

_SPARE = 1.5
"""A full table is copied into one this much larger."""
_YOUNG_POSTINGS = 16_384
"""The youngest table of n-grams takes new probes in up to this size: that takes a millisecond."""
PROBE_CAUTION, _COSINE_CAUTION = 1.25, 0.02
"""Steps in the scores of probes (log-odds) and prototypes (cosine) by which more is asked of what may well be wrong."""
_MEANS_AT_ONCE = 256
"""As many as processors have at hand: memory that is new to a process costs more than what is reckoned in it."""
_LARGEST_POSTINGS = 1 << 24
_FEW_TABLES = 3
"""Young tables that may stand side by side: each costs some five microseconds a window."""


def window_scores(embeddings: Vectors, vectors: Floats, biases: Floats | float) -> Floats:
    """What each window scores for each row of `vectors`, of shape `(windows, rows)`, its words left out.

    A prototype's score is the cosine. A probe's is `embedding · weights + bias`, and what its n-grams weigh in the
    window comes on top (`lexical.Postings.add`). A policy recognises a text when one window's score for one of its
    rows reaches the threshold.
    """
    if len(embeddings) == 1:  # reads the matrix once, in order
        scores: Floats = (vectors @ embeddings[0])[None]
    else:
        scores = embeddings @ vectors.T
    scores += np.float32(biases) if isinstance(biases, float) else biases
    return scores


def rows_of(condition: Prototypes | Probe, width: int = 0) -> tuple[Floats, float, float]:
    """A condition as rows of a matrix of `width` columns at least, with its bias and the steps in its scores by which
    caution is counted."""
    if isinstance(condition, Prototypes):
        rows, bias = unpacked(condition.vectors, condition.dimensions), 0.0
    else:
        rows, bias = unpacked(condition.weights, condition.dimensions), condition.bias
    missing = width - rows.shape[1]
    return np.pad(rows, ((0, 0), (0, missing))) if missing > 0 else rows, bias, caution_of(condition)


def caution_of(condition: Prototypes | Probe) -> float:
    """The step in which distances of scores from a threshold are held against those of other conditions."""
    return PROBE_CAUTION if isinstance(condition, Probe) else _COSINE_CAUTION


def unpacked(packed: bytes, dimensions: int) -> Floats:
    """Row-major little-endian float32 as a matrix. Raises `PolicyError` when the bytes make none."""
    values = np.frombuffer(packed, "<f4")
    if values.size == 0 or values.size % dimensions:
        raise PolicyError(f"{values.size} numbers do not make vectors of {dimensions}")
    return values.reshape(-1, dimensions)


def check(policy: Policy, embedder: Embedder) -> None:
    """Raises `PolicyError` for a policy of another embedder, size or feature definition."""
    condition, dimensions = policy.condition, embedder.dimensions
    if not isinstance(condition, Prototypes | Probe):
        return
    fitting = (dimensions, dimensions + landmarks.count()) if isinstance(condition, Probe) else (dimensions,)
    if condition.embedder != embedder.id or condition.dimensions not in fitting:
        raise PolicyError(
            f"policy {policy.id}: made for embedder {quoted(condition.embedder)} ({condition.dimensions}), but "
            f"{quoted(embedder.id)} ({dimensions}) is in use: `sisf serve` moves it when it starts, `sisf policy "
            "rebuild` at once"
        )
    try:
        if isinstance(condition, Prototypes):
            unpacked(condition.vectors, condition.dimensions)
        elif len(unpacked(condition.weights, condition.dimensions)) != 1:
            raise PolicyError("a probe has one vector of weights")
    except (PolicyError, ValueError) as error:
        raise PolicyError(f"policy {policy.id}: {error}") from None
    expected = features_of(condition.dimensions > dimensions)
    if isinstance(condition, Probe) and condition.features != expected:
        raise PolicyError(
            f"policy {policy.id}: made with features {quoted(condition.features)}, not {quoted(expected)}"
        )


def features_of(wide: bool) -> str:
    """What probes weigh besides the embedding: words and, if they are `wide`, nearness to landmarks."""
    return f"{FEATURES}+{landmarks.name()}" if wide else FEATURES


@dataclass(frozen=True, slots=True)
class Hit:
    """One policy that recognises a text, or comes near to it."""

    number: int
    """The policy's number in the index."""
    score: float
    threshold: float
    window: int
    """The window with the highest score."""

    @property
    def reached(self) -> bool:
        """Whether it recognises the text; else it only came near."""
        return self.score >= self.threshold


class _Table:
    """Rows that are only ever appended: engines of later revisions share it and see more of it."""

    def __init__(self, dimensions: int, capacity: int) -> None:
        self.vectors = np.empty((capacity, dimensions), np.float32)
        self.biases = np.zeros(capacity, np.float32)
        self.thresholds = np.empty(capacity, np.float32)
        self.cautions = np.empty(capacity, np.float32)
        self.numbers = np.empty(capacity, np.int32)
        self.used = 0

    def append(self, vectors: Floats, bias: float, caution: float, threshold: float, number: int) -> None:
        """Write behind what is used."""
        part = slice(self.used, self.used + len(vectors))
        self.vectors[part], self.biases[part], self.cautions[part] = vectors, bias, caution
        self.thresholds[part], self.numbers[part] = threshold, number
        self.used = part.stop

    @property
    def width(self) -> int:
        """Columns of `vectors`."""
        return self.vectors.shape[1]

    def copied(self, count: int, capacity: int, width: int) -> "_Table":
        """A table of its own with the first rows, with room for so many and for so many columns."""
        table = _Table(width, capacity)
        table.vectors[:count, self.width :] = 0
        table.vectors[:count, : self.width] = self.vectors[:count]
        for name in ("biases", "cautions", "thresholds", "numbers"):
            getattr(table, name)[:count] = getattr(self, name)[:count]
        table.used = count
        return table


def lengths(vectors: Floats) -> Floats:
    """The length of each vector; of none as little as may divide."""
    found: Floats = np.maximum(np.sqrt(np.einsum("sd,sd->s", vectors, vectors)), 1e-12)
    return found


def running_sums(values: Floats) -> Floats:
    """The sums of the first 0, 1, 2, … rows."""
    sums = np.zeros((len(values) + 1, values.shape[1]), np.float32)
    np.cumsum(values, axis=0, out=sums[1:])
    return sums


@dataclass(frozen=True, slots=True)
class SemanticEngine:
    """Every prototype and the weights of every probe as rows of one matrix; the probes' n-grams in a few tables.

    Immutable. A later engine shares all that it has in common with the one that it came from.
    """

    table: _Table
    count: int
    """Rows of the table that are this engine's."""
    postings: tuple[Postings, ...] = ()
    """Oldest and largest first."""
    embedder: Embedder | None = None
    """Whose landmarks the columns beyond its dimensions stand for; None where no probe weighs any."""

    @classmethod
    def empty(cls, dimensions: int) -> "SemanticEngine":
        """Without policies."""
        return cls(_Table(dimensions, 0), 0)

    def followed_by(self, policies: Mapping[int, Policy], embedder: Embedder) -> "SemanticEngine":
        """With more policies, by their number in the index. Called under the lock that guards activation."""
        found = {n: p.condition for n, p in policies.items() if isinstance(p.condition, Prototypes | Probe)}
        if not found:
            return self
        width = max(self.table.width, *(c.dimensions for c in found.values()))
        rows = {n: rows_of(c, width) for n, c in found.items()}
        table = self._with_room(sum(len(vectors) for vectors, _, _ in rows.values()), width)
        probes: dict[int, Mapping[str, float]] = {}
        for number, condition in found.items():
            if isinstance(condition, Probe):
                probes[table.used] = condition.ngrams
            table.append(*rows[number], condition.threshold, number)
        wide = embedder if width > embedder.dimensions else None
        return SemanticEngine(table, table.used, _with_probes(self.postings, probes), wide)

    def _with_room(self, rows: int, width: int) -> _Table:
        """The table itself when it has room behind our rows, else a copy that has."""
        needed = self.count + rows
        if self.table.used == self.count and needed <= len(self.table.numbers) and width == self.table.width:
            return self.table
        spare = int(_SPARE * self.count) if self.count else 0
        return self.table.copied(self.count, max(needed, spare), width)

    def _seen(self, embeddings: Vectors) -> Floats:
        """What the rows weigh of each vector: the vector and, where a probe asks for it, its nearness to landmarks."""
        if self.embedder is None:
            return embeddings
        return landmarks.with_nearness(embeddings, landmarks.landmarks_of(self.embedder))

    @property
    def fragmented(self) -> bool:
        """Whether `merged` would make the search cheaper."""
        return _due(self.postings) > 0

    def merged(self) -> "SemanticEngine":
        """The same with fewer tables of n-grams. For the background."""
        count = len(self.postings) - _due(self.postings)
        if count == len(self.postings):
            return self
        one = Postings.merged(self.postings[count:], np.arange(self.count, dtype=np.int32))
        return replace(self, postings=(*self.postings[:count], one))

    def search(
        self,
        embeddings: Vectors,
        lexical: Lexical,
        applies: NDArray[np.bool_],
        asked: Floats | None = None,
        near: float = 0.0,
        *,
        guessed: NDArray[np.bool_] | None = None,
    ) -> list[Hit]:
        """The policies among those that apply (by number) whose best window reaches their threshold, or comes as near
        to it as `near` steps of the policy's caution.

        `asked` says of each window how far above it must be, in such steps; `guessed`, whether it is a guess.
        Linear in windows × rows: a few hundred windows at once keep the scores within some megabytes.
        """
        table, count = self.table, self.count
        scores = window_scores(self._seen(embeddings), table.vectors[:count], table.biases[:count])
        if self.postings:
            for row, features in zip(scores, lexical, strict=True):
                self._add_lexical(row, features)
        if asked is not None:
            scores -= np.outer(asked, table.cautions[:count])
        if guessed is not None:
            scores -= np.outer(guessed, self.probes * asked_of_guess(table.thresholds[:count]))
        best: Floats = scores[0] if len(scores) == 1 else scores.max(axis=0)
        reached = np.flatnonzero(best >= table.thresholds[:count] - near * table.cautions[:count])
        if not reached.size:
            return []
        return self._hits(reached[applies[table.numbers[reached]]], scores, best)

    def above(self, embeddings: Vectors, lexical: Floats, applies: NDArray[np.bool_]) -> Floats:
        """For each window and each row how far it is above the threshold (below: negative); where the policy does not
        apply, infinitely far below.

        In steps of each policy's caution: so prototypes and probes can be held against each other.
        `lexical` is what the words of each window weigh for each row, of shape `(n, count)`.
        """
        table, count = self.table, self.count
        scores = window_scores(self._seen(embeddings), table.vectors[:count], table.biases[:count])
        return self._above(scores, lexical, applies)

    def above_of_means(
        self, states: Floats, first: Places, last: Places, lexical: Floats, applies: NDArray[np.bool_]
    ) -> Floats:
        """The same for the means of many runs of tokens, each brought to length 1: those from `first` up to `last`.

        What weighs a mean weighs the sum of its tokens, but for its length: so each token is weighed once, and the
        weights are summed along with the states.
        """
        vectors, dimensions = self.table.vectors[: self.count], states.shape[1]
        beside, marks = dimensions + self.count, None
        if self.embedder is not None:
            marks = landmarks.landmarks_of(self.embedder)
        rows = [vectors[:, :dimensions]] if marks is None else [vectors[:, :dimensions], marks]
        sums = running_sums(np.hstack([states, *(states @ each.T for each in rows)]))
        scores = np.empty((len(first), self.count), np.float32)
        for start in range(0, len(first), _MEANS_AT_ONCE):
            part = slice(start, start + _MEANS_AT_ONCE)
            means = sums[last[part]]
            means -= sums[first[part]]
            means[:, dimensions:] /= lengths(means[:, :dimensions])[:, None]
            scores[part] = means[:, dimensions:beside]
            if marks is not None:
                scores[part] += landmarks.near(means[:, beside:]) @ vectors[:, dimensions:].T
        scores += self.table.biases[: self.count]
        return self._above(scores, lexical, applies)

    def _above(self, scores: Floats, lexical: Floats, applies: NDArray[np.bool_]) -> Floats:
        """Scores as steps above the thresholds; `scores` is written over."""
        table, count = self.table, self.count
        scores -= table.thresholds[:count]
        scores += lexical
        scores /= table.cautions[:count]
        scores[:, ~applies[table.numbers[:count]]] = -np.inf
        return scores

    def lexical(self, windows: Lexical) -> Floats:
        """What the words of each window weigh for each row, of shape `(n, count)`."""
        weights = np.zeros((len(windows), self.count), np.float32)
        if self.postings:
            for row, features in zip(weights, windows, strict=True):
                self._add_lexical(row, features)
        return weights

    @property
    def probes(self) -> NDArray[np.bool_]:
        """Which rows are those of probes."""
        found: NDArray[np.bool_] = self.table.cautions[: self.count] == np.float32(PROBE_CAUTION)
        return found

    def weights(self, ngrams: Sequence[str]) -> Floats:
        """What each n-gram weighs for each row, of shape `(len(ngrams), count)`."""
        weights = np.zeros((len(ngrams), self.count), np.float32)
        grams = hashed(ngrams, len(ngrams))
        for postings in self.postings:
            postings.spread(weights, grams)
        return weights

    def _hits(self, rows: NDArray[np.intp], scores: Floats, best: Floats) -> list[Hit]:
        """One hit for each policy: a policy may have several rows."""
        hits: dict[int, Hit] = {}
        for row in rows.tolist():
            number, score = int(self.table.numbers[row]), float(best[row])
            if number not in hits or score > hits[number].score:
                window = int(scores[:, row].argmax())
                hits[number] = Hit(number, score, float(self.table.thresholds[row]), window)
        return list(hits.values())

    def _add_lexical(self, scores: Floats, features: Mapping[str, float]) -> None:
        grams = hashed(features, len(features))
        values = np.fromiter(features.values(), np.float32, len(features))
        for postings in self.postings:
            postings.add(scores, grams, values)


def _with_probes(postings: tuple[Postings, ...], probes: Mapping[int, Mapping[str, float]]) -> tuple[Postings, ...]:
    """New n-grams go into the youngest table while that is small, else into one of their own."""
    if not any(probes.values()):
        return postings
    fresh = Postings.of(probes)
    if postings and len(postings[-1]) + len(fresh) <= _YOUNG_POSTINGS:
        rows = np.arange(max(probes) + 1, dtype=np.int32)
        return (*postings[:-1], Postings.merged((postings[-1], fresh), rows))
    return (*postings, fresh)


def _due(postings: Sequence[Postings]) -> int:
    return due([len(table) for table in postings], _LARGEST_POSTINGS, _FEW_TABLES)
