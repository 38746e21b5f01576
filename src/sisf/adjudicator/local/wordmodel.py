"""A text classifier over words alone: microseconds a text, so that a long one can be searched for what matters."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
_WORD = re.compile(r"[^\W\d_]+")
_MOST_WORDS = 400
"""Words of one text that count; windows are shorter than this in any language with spaces."""


@dataclass(frozen=True)
class WordModel:
    """Logistic regression over word 1–2-gram TF-IDF. Scores are log-odds; positive is the class learned for."""

    words: tuple[str, ...]
    idf: Array
    weights: Array
    bias: float
    _index: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", {word: i for i, word in enumerate(self.words)})

    def score(self, text: str) -> float:
        """The log-odds of one text."""
        counts = Counter(i for term in terms(text) if (i := self._index.get(term)) is not None)
        if not counts:
            return self.bias
        columns = np.fromiter(counts, dtype=np.int64)
        weights = (1.0 + np.log(np.fromiter(counts.values(), dtype=np.float64))) * self.idf[columns]
        return self.bias + float(weights @ self.weights[columns] / math.sqrt(float(weights @ weights)))

    def arrays(self) -> dict[str, Any]:
        """All of it as arrays of plain types, for `numpy.savez`."""
        return {"words": np.array(self.words), "idf": self.idf, "weights": self.weights, "bias": np.array([self.bias])}

    @classmethod
    def of(cls, arrays: Mapping[str, Any]) -> "WordModel":
        """The inverse of `arrays`."""
        words = tuple(str(word) for word in arrays["words"])
        return cls(words, arrays["idf"], arrays["weights"], float(arrays["bias"][0]))


def terms(text: str) -> list[str]:
    """Words and pairs of neighbouring words, in lower case; digits and punctuation carry style, not harm."""
    words = _WORD.findall(text.lower())[:_MOST_WORDS]
    return words + [f"{first} {second}" for first, second in pairwise(words)]


def fit_word_model(texts: Sequence[str], labels: NDArray[np.bool_], weights: NDArray[np.float64]) -> WordModel:
    """Learn from labelled texts. Regularisation was chosen on the shipped corpus by grouped cross-validation."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    vectoriser = TfidfVectorizer(analyzer=terms, sublinear_tf=True)
    counts = vectoriser.fit_transform(texts)
    linear = LogisticRegression(C=10.0, max_iter=3000, random_state=0)
    linear.fit(counts, labels, sample_weight=weights)
    return WordModel(
        words=tuple(vectoriser.get_feature_names_out()),
        idf=vectoriser.idf_.astype(np.float32),
        weights=linear.coef_[0].astype(np.float32),
        bias=float(linear.intercept_[0]),
    )
