"""Training rows: windows of texts with their embeddings and lexical features, for as many texts as are known.

Rows are only added. Columns of the lexical features are settled once, before the first breach: the n-grams of the
corpus' harmful requests and those that two benign texts hold. What one text alone says could only be memorised, and no
word becomes a reason because whoever breached the model chose it.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy import sparse

from sisf.embedding import landmarks
from sisf.embedding.base import Embedder
from sisf.embedding.minilm import heads_of
from sisf.embedding.windows import inspected_windows
from sisf.synthesis.logistic import Floats
from sisf.taxonomy import Hazard
from sisf.text.ngrams import ORDER, ngram_features

Ints = NDArray[np.intp]
_NONE, _SEVERAL = -1, -2
_Row = tuple[Ints, float]
"""The n-grams of one window as numbers, and the value that each has."""
HAZARDS = tuple(Hazard)
_DIGITS = 4
_READING = np.float32(0.2)
"""What the readings of the heads (log-odds) are multiplied by: the larger, the more the encoder's word weighs."""


class Origin(IntEnum):
    """What a row speaks for."""

    REFERENCE = 0
    """Ordinary honest traffic: trained on and calibrated on."""
    LESSON = 1
    """A benign near miss of the shipped corpus: trained on, but harder than any traffic, so not calibrated on."""
    WORLD = 2
    """A harmful request of the shipped corpus: what is known of harm before the first breach."""
    BREACH = 3


class _Words:
    """Which n-grams are columns."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._owners: list[int] = []
        """The benign text that holds each n-gram; `_SEVERAL` for those that will be columns."""
        self._settled = False

    def read(self, window: Mapping[str, float], origin: Origin, owner: int) -> _Row:
        """The n-grams of a window of the text numbered `owner`; once columns are settled, those that have one."""
        known = self._numbers
        if not self._settled:
            for gram in window:
                number = known.setdefault(gram, len(known))
                if number == len(self._owners):
                    self._owners.append(_NONE)
                if origin is Origin.WORLD:
                    self._owners[number] = _SEVERAL
                elif origin < Origin.WORLD:
                    self._owners[number] = owner if self._owners[number] in {_NONE, owner} else _SEVERAL
        numbers = np.fromiter((known[gram] for gram in window if gram in known), np.intp)
        return numbers, next(iter(window.values()), 0.0)

    def settle(self) -> Ints:
        """From now on the n-grams' numbers are columns. Returns the column of each former number, or `_NONE`."""
        places = np.full(len(self._numbers), _NONE)
        kept = {gram: number for gram, number in self._numbers.items() if self._owners[number] == _SEVERAL}
        places[list(kept.values())] = np.arange(len(kept))
        self._numbers = {gram: column for column, gram in enumerate(kept)}
        self._settled = True
        return places

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


def _grown(array: Floats, rows: int) -> Floats:
    """An array with so many rows, those that it has not yet of zeros."""
    grown = np.zeros((rows, array.shape[1]), np.float32)
    grown[: len(array)] = array
    return grown


class TrainingRows:
    """The rows of one direction. Used by one thread at a time."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        self.heads = heads_of(embedder.id)
        self._words = _Words()
        self._unread: list[_Row] = []
        """Rows that are not yet in `features`."""
        self._texts: dict[str, Ints] = {}
        self._owners: list[int] = []
        self._origins: list[int] = []
        self._orders: list[bool] = []
        self._hazards: list[int] = []
        self._arrays: dict[str, NDArray[Any]] = {}
        """What the lists hold, for as long as they do not grow."""
        width = embedder.dimensions + (len(self.heads.hazards) + 1 if self.heads else 0)
        self._dense: Floats = np.zeros((0, width), np.float32)
        """With room for rows to come."""
        self._near: Floats = np.zeros((0, landmarks.count()), np.float32)
        self._features: sparse.csr_matrix | None = None

    def __len__(self) -> int:
        return len(self._origins)

    @property
    def origins(self) -> NDArray[np.int8]:
        """The `Origin` of each row."""
        return self._array("origins", self._origins, np.int8)

    @property
    def hazards(self) -> NDArray[np.int8]:
        """The hazard of each harmful row, as its place in `HAZARDS`; -1 for honest rows."""
        return self._array("hazards", self._hazards, np.int8)

    @property
    def orders(self) -> NDArray[np.bool_]:
        """Whether each row begins with an order. No column: for which of them a probe is, is no weight to learn."""
        return self._array("orders", self._orders, np.bool_)

    @property
    def owners(self) -> Ints:
        """The number of the text that each row is a window of."""
        return self._array("owners", self._owners, np.intp)

    def _array(self, name: str, values: Sequence[int], kind: DTypeLike) -> NDArray[Any]:
        known = self._arrays.get(name)
        if known is None or len(known) != len(values):
            known = self._arrays[name] = np.asarray(values, kind)
        return known

    @property
    def columns(self) -> list[str]:
        """The n-gram of each column."""
        return list(self._words)

    def named(self, lexical: Floats) -> dict[str, float]:
        """The n-grams that have a weight, from weights by column."""
        columns = self.columns
        return {columns[place]: float(lexical[place]) for place in np.flatnonzero(lexical).tolist()}

    def rows_of(self, text: str) -> Ints:
        """The rows of a text that was added; none for one that was not."""
        return self._texts.get(text, np.zeros(0, np.intp))

    def known(self, hazard: Hazard) -> int:
        """How many rows of the corpus' harmful requests are of this hazard."""
        return int(np.count_nonzero((self.origins == Origin.WORLD) & (self.hazards == HAZARDS.index(hazard))))

    def add(
        self,
        texts: Sequence[str],
        origin: Origin,
        embedder: Embedder | None = None,
        hazards: Mapping[str, Hazard] = MappingProxyType({}),
    ) -> None:
        """Add the texts that are not there yet, harmful ones with their hazard.

        Embeds them, milliseconds each, with `embedder` if it is given.
        """
        fresh = [text for text in dict.fromkeys(texts) if text not in self._texts]
        windows = [[w.text for w in inspected_windows(self.embedder, text)] for text in fresh]
        if any(windows):  # before anything is noted: it may fail
            self._embed([window for found in windows for window in found], embedder or self.embedder)
        for text, found in zip(fresh, windows, strict=True):
            hazard = HAZARDS.index(hazards[text]) if text in hazards else _NONE
            for window in found:
                self._append(window, origin, hazard, len(self._texts))
            self._texts[text] = np.arange(len(self) - len(found), len(self))

    def _append(self, window: str, origin: Origin, hazard: int, owner: int) -> None:
        features = ngram_features(window)
        self._orders.append(features.pop(ORDER, None) is not None)
        self._unread.append(self._words.read(features, origin, owner))
        self._hazards.append(hazard)
        self._owners.append(owner)
        self._origins.append(origin)

    def _embed(self, windows: Sequence[str], embedder: Embedder) -> None:
        """Write the rows of `dense` that come next."""
        vectors = embedder.embed(windows)
        first, end = len(self), len(self) + len(windows)
        if end > len(self._dense):
            rows = max(end, len(self._dense) * 5 // 4)
            self._dense, self._near = (_grown(array[:first], rows) for array in (self._dense, self._near))
        self._dense[first:end] = self._with_readings(vectors)
        # In double precision and rounded: the same to the bit, however many texts are embedded at once.
        exact = landmarks.nearness(vectors.astype(np.float64), landmarks.landmarks_of(embedder))
        self._near[first:end] = np.round(exact, _DIGITS)

    @property
    def dense(self) -> Floats:
        """The embedding of each row and, where the embedder has heads, what they read in it: shape `(rows, width)`.

        The readings are linear in the embedding: a weight on one is the same as a direction that costs little.
        """
        return self._dense[: len(self)]

    @property
    def near(self) -> Floats:
        """How near each row is to each landmark: shape `(rows, landmarks)`."""
        return self._near[: len(self)]

    def _with_readings(self, vectors: Floats) -> Floats:
        if self.heads is None:
            return vectors
        result: Floats = np.hstack([vectors, _READING * self.heads.readings(vectors)])
        return result

    def scope(self, hazard: Hazard, weight: float) -> Floats:
        """Weights of `dense` that raise scores where the heads read this hazard, and lower all others."""
        scope = np.zeros(self.dense.shape[1], np.float32)
        heads = self.heads
        if heads is not None and hazard in heads.hazards:
            first = self.embedder.dimensions + 1
            scope[first:] = -weight / (_READING * len(heads.hazards))
            scope[first + heads.hazards.index(hazard)] += weight / _READING
        return scope

    def folded(self, weights: Floats) -> tuple[Floats, float]:
        """Weights of `dense` as weights of the embedding alone, and what they add to the bias."""
        width = self.embedder.dimensions
        if self.heads is None:
            return weights, 0.0
        directions, offsets = self.heads.directions()
        own, read = weights[:width], _READING * weights[width:]
        result: Floats = (own + read @ directions).astype(np.float32)
        return result, float(read @ offsets)

    @property
    def features(self) -> sparse.csr_matrix:
        """Shape `(rows, columns)`. The first call settles the columns."""
        if self._features is None:
            places = self._words.settle()
            found = [(places[numbers], value) for numbers, value in self._unread]
            self._unread = [(columns[columns != _NONE], value) for columns, value in found]
            self._features = sparse.csr_matrix((0, len(self._words)), dtype=np.float32)
        if self._unread:
            self._features = sparse.vstack([self._features, self._matrix(self._unread)], format="csr")
            self._unread = []
        return self._features

    def _matrix(self, rows: Sequence[_Row]) -> sparse.csr_matrix:
        lengths = [len(columns) for columns, _ in rows]
        values = np.repeat(np.asarray([value for _, value in rows], np.float32), lengths)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        shape = (len(rows), len(self._words))
        return sparse.csr_matrix((values, np.concatenate([c for c, _ in rows]), starts), shape=shape, dtype=np.float32)
