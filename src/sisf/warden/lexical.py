"""The n-grams of many probes as one sorted table: what a text's words weigh for all of them takes microseconds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Hashes = NDArray[np.int64]


def hashed(ngrams: Iterable[str], count: int) -> Hashes:
    """N-grams as 64-bit numbers, valid in this process alone.

    Python's own hash is keyed with a secret at the start of the process, so nobody can choose n-grams that collide; by
    chance, ten million n-grams do with a probability of 3 in a million.
    """
    return np.fromiter(map(hash, ngrams), np.int64, count)


@dataclass(frozen=True, slots=True)
class Postings:
    """For each n-gram (rising by hash) a run of rows and what the n-gram weighs in each. Immutable."""

    grams: Hashes
    bounds: Ints
    """Where each n-gram's run begins, and behind the last one the end."""
    rows: Ints
    weights: Floats

    @classmethod
    def of(cls, probes: Mapping[int, Mapping[str, float]]) -> "Postings":
        """The table of some probes, by row."""
        grams = [hashed(ngrams, len(ngrams)) for ngrams in probes.values()]
        weights = [np.fromiter(ngrams.values(), np.float32, len(ngrams)) for ngrams in probes.values()]
        rows = np.repeat(np.fromiter(probes, np.int32, len(probes)), [len(g) for g in grams])
        return cls._sorted(np.concatenate(grams), rows.astype(np.int32), np.concatenate(weights))

    @classmethod
    def merged(cls, tables: Sequence["Postings"], rows: Ints) -> "Postings":
        """Several tables as one, each row under the number that `rows` gives it; -1 drops it."""
        grams = np.concatenate([np.repeat(t.grams, np.diff(t.bounds)) for t in tables])
        renamed = rows[np.concatenate([t.rows for t in tables])]
        weights = np.concatenate([t.weights for t in tables])
        kept = renamed >= 0
        return cls._sorted(grams[kept], renamed[kept], weights[kept])

    @classmethod
    def _sorted(cls, grams: Hashes, rows: Ints, weights: Floats) -> "Postings":
        order = np.argsort(grams, kind="stable")
        grams = grams[order]
        first = np.ones(len(grams), np.bool_)
        np.not_equal(grams[1:], grams[:-1], out=first[1:])
        starts = np.flatnonzero(first)
        bounds = np.append(starts, len(grams)).astype(np.int32)
        return cls(grams[starts], bounds, rows[order], weights[order])

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, scores: Floats, grams: Hashes, values: Floats) -> None:
        """Add to each row's score what the n-grams of a text, with their values, weigh for it."""
        places, hits = self._places(grams)
        if not len(hits):
            return
        places = places[hits]
        starts = self.bounds[places]
        counts = self.bounds[places + 1] - starts
        ends = counts.cumsum()
        runs = (starts - ends + counts).repeat(counts)
        runs += np.arange(len(runs))
        np.add.at(scores, self.rows.take(runs), self.weights.take(runs) * values[hits].repeat(counts))

    def spread(self, weights: Floats, grams: Hashes) -> None:
        """Add to `weights[i, row]` what the i-th n-gram weighs for each row."""
        places, hits = self._places(grams)
        for index in hits.tolist():
            run = slice(self.bounds[places[index]], self.bounds[places[index] + 1])
            weights[index, self.rows[run]] += self.weights[run]

    def _places(self, grams: Hashes) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Where each n-gram stands in the table if it is there, and which of them are."""
        if not len(self.grams):
            return np.zeros(0, np.intp), np.zeros(0, np.intp)
        places = self.grams[:-1].searchsorted(grams)  # never behind the last one
        return places, (self.grams[places] == grams).nonzero()[0]
