"""Training rows: windows of texts with their embeddings and lexical features, for as many texts as are known.

Rows are only added. Columns are the n-grams of the corpus' harmful requests and those that two benign texts hold: what
one text alone says could only be memorised, and no word becomes a reason because whoever breached the model chose it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy import sparse

from sisf.embedding.base import Embedder
from sisf.embedding.minilm import heads_of
from sisf.embedding.windows import inspected_windows
from sisf.synthesis.logistic import Floats, Linear
from sisf.taxonomy import Hazard
from sisf.text.ngrams import ORDER, ngram_features

Ints = NDArray[np.intp]
_NONE, _SEVERAL = -1, -2
HAZARDS = tuple(Hazard)
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


@dataclass(frozen=True, slots=True)
class Row:
    """One window: its n-grams as numbers and the value that each has."""

    grams: Ints
    value: np.float32


class TrainingRows:
    """The rows of one direction. Used by one thread at a time."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        self.heads = heads_of(embedder.id)
        self._numbers: dict[str, int] = {}
        """Every n-gram seen."""
        self._names: list[str] = []
        self._holders: list[list[int]] = []
        """The rows that hold each n-gram."""
        self._benign_owner: list[int] = []
        """The benign text that holds each n-gram, or `_NONE`, or `_SEVERAL`."""
        self._column: dict[int, int] = {}
        """The column of each n-gram that has one."""
        self._rows: list[Row] = []
        self._texts: dict[str, Ints] = {}
        self._owners: list[int] = []
        self._origins: list[int] = []
        self._orders: list[bool] = []
        self._hazards: list[int] = []
        self._arrays: dict[str, NDArray[Any]] = {}
        """What the lists hold, for as long as they do not grow."""
        self._embeddings: list[Floats] = []
        width = embedder.dimensions + (len(self.heads.hazards) + 1 if self.heads else 0)
        self._stacked: Floats = np.zeros((0, width), np.float32)
        self._features: sparse.csr_matrix = sparse.csr_matrix((0, 0), dtype=np.float32)
        self._transposed: sparse.csr_matrix | None = None

    def __len__(self) -> int:
        return len(self._rows)

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
        return [self._names[gram] for gram in self._column]

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
        windows: list[str] = []
        for text in fresh:
            first = len(self._rows)
            number = len(self._texts)
            hazard = HAZARDS.index(hazards[text]) if text in hazards else _NONE
            for window in inspected_windows(self.embedder, text):
                self._append(window.text, origin, number)
                self._hazards.append(hazard)
                windows.append(window.text)
            self._texts[text] = np.arange(first, len(self._rows))
        if windows:
            self._embeddings.append((embedder or self.embedder).embed(windows))

    def _append(self, window: str, origin: Origin, owner: int) -> None:
        row = len(self._rows)
        features = ngram_features(window)
        self._orders.append(features.pop(ORDER, None) is not None)
        spoken = sorted(features)
        if origin is Origin.BREACH:
            # What nothing else has said cannot weigh, and whoever floods the loop must not fill the memory with it.
            spoken = [gram for gram in spoken if gram in self._numbers]
        grams = np.fromiter((self._number(gram) for gram in spoken), np.intp, len(spoken))
        for gram in grams.tolist():
            self._holders[gram].append(row)
            if origin < Origin.WORLD and self._benign_owner[gram] != owner:
                self._benign_owner[gram] = owner if self._benign_owner[gram] == _NONE else _SEVERAL
        self._rows.append(Row(grams, np.float32(next(iter(features.values()), 0.0))))
        self._owners.append(owner)
        self._origins.append(origin)

    def _number(self, gram: str) -> int:
        number = self._numbers.setdefault(gram, len(self._names))
        if number == len(self._names):
            self._names.append(gram)
            self._holders.append([])
            self._benign_owner.append(_NONE)
        return number

    @property
    def dense(self) -> Floats:
        """The embedding of each row and, where the embedder has heads, what they read in it: shape `(rows, width)`.

        The readings are linear in the embedding: a weight on one is the same as a direction that costs little.
        """
        if self._embeddings:
            self._stacked = np.vstack([self._stacked, *map(self._with_readings, self._embeddings)])
            self._embeddings = []
        return self._stacked

    def _with_readings(self, vectors: Floats) -> Floats:
        if self.heads is None:
            return vectors
        result: Floats = np.hstack([vectors, _READING * self.heads.readings(vectors)])
        return result

    def scoped(self, model: Linear, hazard: Hazard, weight: float) -> Linear:
        """A model of harm in general, raised where the heads read this hazard and lowered where they read others."""
        heads = self.heads
        if heads is None or hazard not in heads.hazards:
            return model
        first = self.embedder.dimensions + 1
        dense = model.dense.copy()
        dense[first:] -= weight / (_READING * len(heads.hazards))
        dense[first + heads.hazards.index(hazard)] += weight / _READING
        return Linear(dense, model.lexical, model.bias)

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
        """Shape `(rows, columns)`. Columns keep their places; new ones come after them."""
        done, width = self._features.shape
        if done == len(self._rows):
            return self._features
        for row in range(done, len(self._rows)):
            world = self._origins[row] == Origin.WORLD
            for gram in self._rows[row].grams.tolist():
                if gram not in self._column and (world or self._benign_owner[gram] == _SEVERAL):
                    self._column[gram] = len(self._column)
        added = self._matrix(range(done, len(self._rows)))
        known = self._features
        if len(self._column) > width and done:
            known = sparse.hstack([known, self._late_columns(done, width)], format="csr")
        self._features = sparse.vstack([known, added], format="csr") if done else added
        self._transposed = None
        return self._features

    @property
    def transposed(self) -> sparse.csr_matrix:
        """The transpose of `features`."""
        features = self.features
        if self._transposed is None:
            self._transposed = features.T.tocsr()
        return self._transposed

    def _matrix(self, rows: range) -> sparse.csr_matrix:
        indices: list[int] = []
        values: list[np.float32] = []
        starts = [0]
        for row in rows:
            found = [self._column[gram] for gram in self._rows[row].grams.tolist() if gram in self._column]
            indices += found
            values += [self._rows[row].value] * len(found)
            starts.append(len(indices))
        shape = (len(rows), len(self._column))
        return sparse.csr_matrix((np.asarray(values, np.float32), indices, starts), shape=shape, dtype=np.float32)

    def _late_columns(self, done: int, width: int) -> sparse.csr_matrix:
        """The part of new columns that lies in old rows."""
        late = [(column - width, gram) for gram, column in self._column.items() if column >= width]
        entries = [(row, column) for column, gram in late for row in self._holders[gram] if row < done]
        rows = [row for row, _ in entries]
        values = np.asarray([self._rows[row].value for row in rows], np.float32)
        shape = (done, len(late))
        return sparse.csr_matrix((values, (rows, [column for _, column in entries])), shape=shape, dtype=np.float32)
