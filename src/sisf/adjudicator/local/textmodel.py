"""A text classifier of three parts that err differently: words, the direction of the embedding, and its neighbours."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sisf.embedding.base import Vectors

Array = NDArray[np.float32]
_WORD = re.compile(r"[^\W\d_]+")
_MOST_WORDS = 400
"""Words of one window that count; windows are shorter than this in any language with spaces."""


@dataclass(frozen=True)
class TextModel:
    """Logistic regression over (embedding ⊕ word 1–2-gram TF-IDF), averaged with a support vector machine with a radial
    kernel over the embedding. Scores are log-odds after `scale` and `shift`; positive is the class learned for.
    """

    words: tuple[str, ...]
    word_idf: Array
    word_weights: Array
    direction: Array
    """Weights of the embedding, shape `(dimensions,)`."""
    bias: float
    supports: Array
    """Shape `(supports, dimensions)`, unit rows."""
    support_weights: Array
    support_bias: float
    gamma: float
    scale: float = 1.0
    shift: float = 0.0
    _index: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", {word: i for i, word in enumerate(self.words)})

    def scores(self, texts: Sequence[str], vectors: Vectors) -> Array:
        """Log-odds, shape `(len(texts),)`; `vectors` are the texts' embeddings."""
        linear = vectors @ self.direction + self.bias + np.array([self.word_score(text) for text in texts])
        squared = 2.0 - 2.0 * (vectors @ self.supports.T)
        kernel = np.exp(-self.gamma * np.maximum(squared, 0.0)) @ self.support_weights + self.support_bias
        combined = (linear + KERNEL_SHARE * kernel) / 2.0
        return np.asarray(self.scale * combined + self.shift, dtype=np.float32)

    def word_score(self, text: str) -> float:
        """The words' part alone: microseconds, so that a long text can be searched for the windows that matter."""
        counts = Counter(i for term in terms(text) if (i := self._index.get(term)) is not None)
        if not counts:
            return 0.0
        columns = np.fromiter(counts, dtype=np.int64)
        weights = (1.0 + np.log(np.fromiter(counts.values(), dtype=np.float64))) * self.word_idf[columns]
        return float(weights @ self.word_weights[columns] / math.sqrt(float(weights @ weights)))

    def arrays(self) -> dict[str, Any]:
        """All of it as arrays of plain types, for `numpy.savez`."""
        return {
            "words": np.array(self.words),
            "word_idf": self.word_idf,
            "word_weights": self.word_weights,
            "direction": self.direction,
            "supports": self.supports.astype(np.float16),
            "support_weights": self.support_weights,
            "numbers": np.array([self.bias, self.support_bias, self.gamma, self.scale, self.shift]),
        }

    @classmethod
    def of(cls, arrays: Mapping[str, Any]) -> "TextModel":
        """The inverse of `arrays`."""
        bias, support_bias, gamma, scale, shift = (float(number) for number in arrays["numbers"])
        return cls(
            words=tuple(str(word) for word in arrays["words"]),
            word_idf=arrays["word_idf"],
            word_weights=arrays["word_weights"],
            direction=arrays["direction"],
            bias=bias,
            supports=arrays["supports"].astype(np.float32),
            support_weights=arrays["support_weights"],
            support_bias=support_bias,
            gamma=gamma,
            scale=scale,
            shift=shift,
        )


KERNEL_SHARE = 3.0
"""Brings the kernel's margins to the scale of the linear part's log-odds."""


def terms(text: str) -> list[str]:
    """Words and pairs of neighbouring words, in lower case; digits and punctuation carry style, not harm."""
    words = _WORD.findall(text.lower())[:_MOST_WORDS]
    return words + [f"{first} {second}" for first, second in pairwise(words)]


def fit_text_model(
    texts: Sequence[str],
    vectors: Vectors,
    labels: NDArray[np.bool_],
    weights: NDArray[np.float64],
    *,
    seed: int = 0,
) -> TextModel:
    """Learn from labelled texts. Regularisation was chosen on the shipped corpus by grouped cross-validation."""
    from scipy import sparse
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC

    vectoriser = TfidfVectorizer(analyzer=terms, sublinear_tf=True)
    counts = vectoriser.fit_transform(texts)
    linear = LogisticRegression(C=10.0, max_iter=3000, random_state=seed)
    linear.fit(sparse.hstack([sparse.csr_matrix(vectors), counts]).tocsr(), labels, sample_weight=weights)
    kernel = SVC(C=3.0, gamma=1.0)
    kernel.fit(vectors, labels, sample_weight=weights)
    dimensions = vectors.shape[1]
    return TextModel(
        words=tuple(vectoriser.get_feature_names_out()),
        word_idf=vectoriser.idf_.astype(np.float32),
        word_weights=linear.coef_[0, dimensions:].astype(np.float32),
        direction=linear.coef_[0, :dimensions].astype(np.float32),
        bias=float(linear.intercept_[0]),
        supports=vectors[kernel.support_].astype(np.float32),
        support_weights=kernel.dual_coef_[0].astype(np.float32),
        support_bias=float(kernel.intercept_[0]),
        gamma=1.0,
    )
