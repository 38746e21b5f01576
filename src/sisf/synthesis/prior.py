"""What is known of harm before any breach: how surely it is read in a text, and which hazard it is.

It decides how much one breach may teach, never whether a text is blocked.
"""

from collections.abc import Sequence

import numpy as np

from sisf.embedding.delta import Heads
from sisf.synthesis.learner import Base
from sisf.synthesis.logistic import Floats
from sisf.synthesis.training_rows import HAZARDS, Origin, TrainingRows
from sisf.taxonomy import Hazard
from sisf.verdict import Breach

_SURE = 0.97
"""Share of benign reference texts that read less harmful than a text of which the prior is sure."""
_ALIKE = 0.6
"""Cosine from which two breaches speak for each other."""
_RIDGE = 10.0


class Prior:
    """What was fitted to the corpus and the benign reference before any breach, and the hazards of the heads.

    The heads are the embedder's, or ones fitted to the corpus' vectors where it has none.
    """

    def __init__(self, rows: TrainingRows, base: Base) -> None:
        self._rows = rows
        self._base = base
        self._heads = rows.heads or _fitted(rows)
        self._level = self._calibrated()
        self._sure: dict[str, bool] = {}
        self._filed: dict[str, Hazard] = {}

    def sure(self, text: str) -> bool:
        """Whether a text that was added to the rows reads harmful beyond nearly every benign reference text."""
        if text not in self._sure:
            self._sure[text] = float(self._base.scores(self._rows.rows_of(text)).max(initial=-np.inf)) >= self._level
        return self._sure[text]

    def backed(self, texts: Sequence[str]) -> set[str]:
        """Those for which another one of them speaks: two breaches about nearly the same are no accident."""
        vectors = [self._vectors(text) for text in texts]
        owners = np.repeat(np.arange(len(texts)), [len(v) for v in vectors])
        if len(set(owners.tolist())) < 2:
            return set()
        stacked = np.concatenate(vectors)
        alike = (stacked @ stacked.T >= _ALIKE) & (owners[:, None] != owners[None, :])
        return {texts[number] for number in owners[alike.any(axis=1)].tolist()}

    def hazard(self, breach: Breach, text: str) -> Hazard:
        """The hazard that a breach is filed under."""
        if breach.id not in self._filed:
            self._filed[breach.id] = filed_under(breach, self._vectors(text), self._heads)
        return self._filed[breach.id]

    def _vectors(self, text: str) -> Floats:
        return self._rows.dense[self._rows.rows_of(text), : self._rows.embedder.dimensions]

    def _calibrated(self) -> float:
        """What a benign reference text scores in a fit that never saw it, at the quantile."""
        unseen = self._base.unseen()
        return float(np.quantile(unseen, _SURE)) if len(unseen) else np.inf


def filed_under(breach: Breach, vectors: Floats, heads: Heads | None) -> Hazard:
    """The judge's hazard, or the one the encoder reads in the most harmful window where the judge names none."""
    if breach.verdict.hazard is not Hazard.OTHER or heads is None or not len(vectors):
        return breach.verdict.hazard
    return heads.hazard_of(vectors[int(heads.harm_scores(vectors).argmax())])


def _fitted(rows: TrainingRows) -> Heads:
    """Linear heads over the vectors of an embedder that was not trained for this."""
    from sklearn.linear_model import LogisticRegression

    vectors, origins = rows.dense, rows.origins
    known = (origins == Origin.WORLD) | (origins == Origin.LESSON)
    harm = LogisticRegression(C=_RIDGE, max_iter=200).fit(vectors[known], origins[known] == Origin.WORLD)
    named = origins == Origin.WORLD
    hazard = LogisticRegression(C=_RIDGE, max_iter=200, class_weight="balanced")
    hazard.fit(vectors[named], rows.hazards[named])
    return Heads(
        harm.coef_[0].astype(np.float32),
        float(harm.intercept_[0]),
        tuple(HAZARDS[int(number)] for number in hazard.classes_),
        hazard.coef_.astype(np.float32),
        hazard.intercept_.astype(np.float32),
    )
