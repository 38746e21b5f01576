"""A text classifier of three parts that err differently: words, the direction of the embedding, and its neighbours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sisf.adjudicator.local.wordmodel import Array, WordModel, terms
from sisf.embedding.base import Vectors

_KERNEL_SHARE = 3.0
"""Brings the kernel's margins to the scale of the linear part's log-odds."""


@dataclass(frozen=True)
class TextModel:
    """Logistic regression over (embedding ⊕ word 1–2-gram TF-IDF), averaged with a support vector machine with a radial
    kernel over the embedding. Scores are log-odds; positive is the class learned for.
    """

    words: WordModel
    """The words' part of the regression, and its bias."""
    direction: Array
    """Weights of the embedding, shape `(dimensions,)`."""
    supports: Array
    """Shape `(supports, dimensions)`, unit rows."""
    support_weights: Array
    support_bias: float
    gamma: float

    def scores(self, texts: Sequence[str], vectors: Vectors) -> Array:
        """Log-odds, shape `(len(texts),)`; `vectors` are the texts' embeddings."""
        linear = vectors @ self.direction + np.array([self.words.score(text) for text in texts])
        squared = 2.0 - 2.0 * (vectors @ self.supports.T)
        kernel = np.exp(-self.gamma * np.maximum(squared, 0.0)) @ self.support_weights + self.support_bias
        return np.asarray((linear + _KERNEL_SHARE * kernel) / 2.0, dtype=np.float32)

    def arrays(self) -> dict[str, Any]:
        """All of it as arrays of plain types, for `numpy.savez`."""
        return {
            **self.words.arrays(),
            "direction": self.direction,
            "supports": self.supports.astype(np.float16),
            "support_weights": self.support_weights,
            "numbers": np.array([self.support_bias, self.gamma]),
        }

    @classmethod
    def of(cls, arrays: Mapping[str, Any]) -> "TextModel":
        """The inverse of `arrays`."""
        support_bias, gamma = (float(number) for number in arrays["numbers"])
        return cls(
            words=WordModel.of(arrays),
            direction=arrays["direction"],
            supports=arrays["supports"].astype(np.float32),
            support_weights=arrays["support_weights"],
            support_bias=support_bias,
            gamma=gamma,
        )


def fit_text_model(
    texts: Sequence[str],
    vectors: Vectors,
    labels: NDArray[np.bool_],
    weights: NDArray[np.float64],
) -> TextModel:
    """Learn from labelled texts. Regularisation was chosen on the shipped corpus by grouped cross-validation."""
    from scipy import sparse
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC

    vectoriser = TfidfVectorizer(analyzer=terms, sublinear_tf=True)
    counts = vectoriser.fit_transform(texts)
    linear = LogisticRegression(C=10.0, max_iter=3000, random_state=0)
    linear.fit(sparse.hstack([sparse.csr_matrix(vectors), counts]).tocsr(), labels, sample_weight=weights)
    kernel = SVC(C=3.0, gamma=1.0)
    kernel.fit(vectors, labels, sample_weight=weights)
    dimensions = vectors.shape[1]
    return TextModel(
        words=WordModel(
            words=tuple(vectoriser.get_feature_names_out()),
            idf=vectoriser.idf_.astype(np.float32),
            weights=linear.coef_[0, dimensions:].astype(np.float32),
            bias=float(linear.intercept_[0]),
        ),
        direction=linear.coef_[0, :dimensions].astype(np.float32),
        supports=vectors[kernel.support_].astype(np.float32),
        support_weights=kernel.dual_coef_[0].astype(np.float32),
        support_bias=float(kernel.intercept_[0]),
        gamma=1.0,
    )
