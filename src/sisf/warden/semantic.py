"""The semantic engine: all prototypes in one matrix product, all probes in another.

`score` is the one definition of a semantic policy's score; layers compute the same for many policies at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sisf.embedding.base import Vectors
from sisf.errors import PolicyError
from sisf.policy import Policy, Probe, Prototypes
from sisf.text.ngrams import FEATURES

Floats = NDArray[np.float32]
Ints = NDArray[np.intp]
Lexical = Sequence[Mapping[str, float]]
"""The lexical features (`sisf.text.ngrams`) of each window."""

YOUNG = 64
"""Layers smaller than this take the next policies in."""
_TIER = 8
"""Layers of like size that may stand side by side before they are merged into one."""


def score(condition: Prototypes | Probe, embeddings: Vectors, lexical: Lexical) -> Floats:
    """The score of one policy for each window, to be held against its threshold.

    `embeddings` has shape `(n, dimensions)`, `lexical` n entries (read for probes only).
    """
    if isinstance(condition, Prototypes):
        best: Floats = (embeddings @ unpacked(condition.vectors, condition.dimensions).T).max(axis=1)
        return best
    ngrams = condition.ngrams
    words = [sum(value * ngrams[gram] for gram, value in f.items() if gram in ngrams) for f in lexical]
    scores: Floats = embeddings @ unpacked(condition.weights, condition.dimensions)[0]
    return scores + np.array(words, np.float32) + np.float32(condition.bias)


def unpacked(packed: bytes, dimensions: int) -> Floats:
    """Row-major little-endian float32 as a matrix. Raises `PolicyError` when the bytes make none."""
    values = np.frombuffer(packed, "<f4")
    if values.size == 0 or values.size % dimensions:
        raise PolicyError(f"{values.size} numbers do not make vectors of {dimensions}")
    return values.reshape(-1, dimensions)


def check(policy: Policy, embedder: str, dimensions: int) -> None:
    """Raises `PolicyError` for a policy of another embedder, size or feature definition."""
    condition = policy.condition
    if not isinstance(condition, Prototypes | Probe):
        return
    if condition.embedder != embedder or condition.dimensions != dimensions:
        raise PolicyError(
            f"policy {policy.id}: made for embedder `{condition.embedder}` ({condition.dimensions}), but `{embedder}` "
            f"({dimensions}) is in use: rebuild it, or configure its embedder"
        )
    try:
        if isinstance(condition, Prototypes):
            unpacked(condition.vectors, dimensions)
        elif len(unpacked(condition.weights, dimensions)) != 1:
            raise PolicyError("a probe has one vector of weights")
    except (PolicyError, ValueError) as error:
        raise PolicyError(f"policy {policy.id}: {error}") from None
    if isinstance(condition, Probe) and condition.features != FEATURES:
        raise PolicyError(f"policy {policy.id}: made with features `{condition.features}`, not `{FEATURES}`")


@dataclass(frozen=True, slots=True)
class Hit:
    """One policy of a layer that recognises a text."""

    slot: int
    score: float
    threshold: float
    window: int
    """The window with the highest score."""


@dataclass(frozen=True, slots=True)
class _PrototypeMatrix:
    """Vectors of some prototype policies, one row each."""

    rows: Floats
    slots: Ints
    thresholds: Floats

    def search(self, embeddings: Vectors) -> list[Hit]:
        scores = self.rows @ embeddings.T  # rows first: with one window this reads the matrix once, in order
        best = scores.max(axis=1)
        hits: dict[int, Hit] = {}
        for row in np.flatnonzero(best >= self.thresholds):
            slot = int(self.slots[row])
            if slot not in hits or best[row] > hits[slot].score:
                hits[slot] = Hit(slot, float(best[row]), float(self.thresholds[row]), int(scores[row].argmax()))
        return list(hits.values())


@dataclass(frozen=True, slots=True)
class _ProbeMatrix:
    """Weights of some probes, and their n-grams as one sparse matrix with a row for each n-gram."""

    weights: Floats
    biases: Floats
    thresholds: Floats
    slots: Ints
    vocabulary: Mapping[str, int]
    bounds: Ints
    columns: Ints
    values: Floats

    def search(self, embeddings: Vectors, lexical: Lexical) -> list[Hit]:
        scores = embeddings @ self.weights.T + self.biases
        for row, features in enumerate(lexical):
            self._add_lexical(scores[row], features)
        best = scores.max(axis=0)
        return [
            Hit(int(self.slots[i]), float(best[i]), float(self.thresholds[i]), int(scores[:, i].argmax()))
            for i in np.flatnonzero(best >= self.thresholds)
        ]

    def _add_lexical(self, scores: Floats, features: Mapping[str, float]) -> None:
        vocabulary, bounds = self.vocabulary, self.bounds
        for gram, value in features.items():
            row = vocabulary.get(gram)
            if row is not None:  # an n-gram stands once in a probe: no index repeats
                start, end = bounds[row], bounds[row + 1]
                scores[self.columns[start:end]] += np.float32(value) * self.values[start:end]


@dataclass(frozen=True, slots=True)
class SemanticLayer:
    """Immutable matrices over some semantic policies."""

    conditions: Mapping[str, Prototypes | Probe]
    """By policy id; a policy's place in this mapping is its slot."""
    ids: tuple[str, ...]
    prototypes: _PrototypeMatrix | None
    probes: _ProbeMatrix | None

    @classmethod
    def compile(cls, conditions: Mapping[str, Prototypes | Probe]) -> "SemanticLayer":
        """Stack the vectors of policies that `check` let pass."""
        numbered = list(enumerate(conditions.values()))
        prototypes = [(slot, c) for slot, c in numbered if isinstance(c, Prototypes)]
        probes = [(slot, c) for slot, c in numbered if isinstance(c, Probe)]
        return cls(
            dict(conditions),
            tuple(conditions),
            _prototype_matrix(prototypes) if prototypes else None,
            _probe_matrix(probes) if probes else None,
        )

    def search(self, embeddings: Vectors, lexical: Lexical) -> list[Hit]:
        """The policies whose best window reaches their threshold."""
        hits = self.prototypes.search(embeddings) if self.prototypes else []
        return hits + self.probes.search(embeddings, lexical) if self.probes else hits


def _prototype_matrix(policies: Sequence[tuple[int, Prototypes]]) -> _PrototypeMatrix:
    rows = [unpacked(c.vectors, c.dimensions) for _, c in policies]
    counts = [len(r) for r in rows]
    return _PrototypeMatrix(
        np.ascontiguousarray(np.vstack(rows), np.float32),
        np.repeat([slot for slot, _ in policies], counts).astype(np.intp),
        np.repeat([c.threshold for _, c in policies], counts).astype(np.float32),
    )


def _probe_matrix(policies: Sequence[tuple[int, Probe]]) -> _ProbeMatrix:
    vocabulary: dict[str, int] = {}
    grams = [vocabulary.setdefault(gram, len(vocabulary)) for _, c in policies for gram in c.ngrams]
    counts = [len(c.ngrams) for _, c in policies]
    values = np.fromiter((w for _, c in policies for w in c.ngrams.values()), np.float32, len(grams))
    owners = np.repeat(np.arange(len(policies), dtype=np.intp), counts)
    order = np.argsort(np.asarray(grams, np.intp), kind="stable")
    bounds = np.zeros(len(vocabulary) + 1, np.intp)
    np.cumsum(np.bincount(np.asarray(grams, np.intp), minlength=len(vocabulary)), out=bounds[1:])
    return _ProbeMatrix(
        np.vstack([unpacked(c.weights, c.dimensions) for _, c in policies]),
        np.array([c.bias for _, c in policies], np.float32),
        np.array([c.threshold for _, c in policies], np.float32),
        np.array([slot for slot, _ in policies], np.intp),
        vocabulary,
        bounds,
        owners[order],
        values[order],
    )


def update(layers: Sequence[SemanticLayer], wanted: Mapping[str, Prototypes | Probe]) -> tuple[SemanticLayer, ...]:
    """Layers for the wanted policies that reuse what is stacked. A layer may keep policies that retired, up to half."""
    kept: list[SemanticLayer] = []
    held: set[str] = set()
    for layer in layers:
        living = [i for i, c in layer.conditions.items() if i in wanted and _same(wanted[i], c)]
        if living and len(living) * 2 >= len(layer.ids):
            kept.append(layer)
            held.update(living)
    fresh = {i: c for i, c in wanted.items() if i not in held}
    if fresh and kept and len(kept[-1].ids) + len(fresh) <= YOUNG:
        young = kept.pop()
        fresh = {i: c for i, c in young.conditions.items() if i in held and i in wanted} | fresh
    return (*kept, SemanticLayer.compile(fresh)) if fresh else tuple(kept)


def _same(one: Prototypes | Probe, other: Prototypes | Probe) -> bool:
    return one is other or one == other


def fragmented(layers: Sequence[SemanticLayer]) -> bool:
    """Whether merging would save products."""
    return len(_small(layers)) > _TIER


def merged(layers: Sequence[SemanticLayer], wanted: Mapping[str, Prototypes | Probe]) -> tuple[SemanticLayer, ...]:
    """The same policies with the smallest layers made one. For the background."""
    small = _small(layers)
    rest = [layer for layer in layers if not any(layer is s for s in small)]
    alive = {i: c for layer in small for i, c in layer.conditions.items() if i in wanted and _same(wanted[i], c)}
    return (*rest, SemanticLayer.compile(alive)) if alive else tuple(rest)


def _small(layers: Sequence[SemanticLayer]) -> list[SemanticLayer]:
    """The layers of the lowest tier that is full, else of the lowest tier."""
    limit = YOUNG
    while True:
        found = [layer for layer in layers if len(layer.ids) <= limit]
        if len(found) > _TIER or len(found) == len(layers):
            return found
        limit *= _TIER
