"""A bank of texts whose features are computed once, so that a policy is tried on thousands of them in milliseconds."""

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
import re2
from numpy.typing import NDArray

from sisf.embedding.base import Embedder, Vectors
from sisf.embedding.windows import inspected_windows
from sisf.policy import Pattern, Policy, Probe, Prototypes, Substitution
from sisf.text.ngrams import ngram_features

Mask = NDArray[np.bool_]
Scores = NDArray[np.float32]


class TextBank:
    """Texts, their windows' embeddings and an inverted index of their n-grams.

    Grows only: `extend` adds texts. A text's score is the highest of its windows' scores, as in the Warden.
    """

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        self.texts: list[str] = []
        self._seen: set[str] = set()
        self._embeddings: Vectors = np.zeros((0, embedder.dimensions), np.float32)
        self._owner: list[int] = []
        self._postings: dict[str, tuple[list[int], list[float]]] = {}

    def __len__(self) -> int:
        return len(self.texts)

    def extend(self, texts: Sequence[str]) -> None:
        """Add texts that are not there yet. Embeds them: some milliseconds each."""
        fresh = [t for t in dict.fromkeys(texts) if t not in self._seen]
        if not fresh:
            return
        windows: list[str] = []
        for text in fresh:
            for window in inspected_windows(self.embedder, text):
                row = len(self._owner)
                self._owner.append(len(self.texts))
                windows.append(window.text)
                for gram, value in ngram_features(window.text).items():
                    rows, values = self._postings.setdefault(gram, ([], []))
                    rows.append(row)
                    values.append(value)
            self.texts.append(text)
            self._seen.add(text)
        self._embeddings = np.vstack([self._embeddings, self.embedder.embed(windows)])

    @property
    def embeddings(self) -> Vectors:
        """One row per window."""
        return self._embeddings

    def pooled(self, window_scores: Scores) -> Scores:
        """The highest score of each text's windows."""
        result = np.full(len(self.texts), -np.inf, np.float32)
        np.maximum.at(result, np.asarray(self._owner, np.intp), window_scores)
        return result

    def lexical(self, weights: Mapping[str, float]) -> Scores:
        """The lexical part of a probe's score, per window."""
        result = np.zeros(len(self._owner), np.float32)
        found = [(self._postings[gram], weight) for gram, weight in weights.items() if gram in self._postings]
        if found:
            rows = np.fromiter(chain.from_iterable(p[0] for p, _ in found), np.intp)
            values = np.fromiter(chain.from_iterable((v * w for v in p[1]) for p, w in found), np.float32)
            np.add.at(result, rows, values)
        return result

    def matches(self, policy: Policy) -> Mask:
        """Which texts the policy recognises."""
        condition = policy.condition
        if isinstance(condition, Pattern | Substitution):
            return self.searched(condition)
        mask: Mask = self.scores(condition) >= condition.threshold
        return mask & ~self._spared(condition.exceptions, mask)

    def scores(self, condition: Prototypes | Probe) -> Scores:
        """What each text scores."""
        if isinstance(condition, Prototypes):
            vectors = np.frombuffer(condition.vectors, "<f4").reshape(-1, condition.dimensions)
            return self.pooled((self._embeddings @ vectors.T).max(axis=1))
        weights = np.frombuffer(condition.weights, "<f4")
        return self.pooled(self._embeddings @ weights + self.lexical(condition.ngrams) + np.float32(condition.bias))

    def searched(self, condition: Pattern | Substitution, start: int = 0) -> Mask:
        """In which texts, from the one numbered `start` on, a pattern is found."""
        compiled = re2.compile(condition.pattern)
        texts = self.texts[start:]
        mask = np.fromiter((compiled.search(text) is not None for text in texts), np.bool_, len(texts))
        exceptions = condition.exceptions if isinstance(condition, Pattern) else ()
        return mask & ~self._spared(exceptions, mask, start)

    def _spared(self, exceptions: Sequence[str], mask: Mask, start: int = 0) -> Mask:
        spared = np.zeros(len(mask), np.bool_)
        compiled = [re2.compile(exception) for exception in exceptions]
        for index in np.flatnonzero(mask) if compiled else ():
            spared[index] = any(e.search(self.texts[start + index]) for e in compiled)
        return spared
