"""What is known of harm before any breach: how surely it is read in a text, and which hazard it is.

It decides how much one breach may teach, never whether a text is blocked.
"""

from collections.abc import Sequence

import numpy as np

from sisf.adjudicator.base import LOCAL
from sisf.embedding.delta import Heads
from sisf.synthesis.learner import Base
from sisf.synthesis.logistic import Floats
from sisf.synthesis.training_rows import HAZARDS, Origin, TrainingRows
from sisf.taxonomy import Hazard
from sisf.verdict import Breach, Verdict

_SURE, _CERTAIN = 0.97, 0.995
"""Share of benign reference texts that read less harmful than a text of which the prior is sure, or certain."""
_ORDINARY, _SHORT = 0.9, 200
"""An ordinary request reads no more harmful than this share of the benign reference texts, and has at most so many
characters: so much is said in the same words by several people."""
_ANSWERED = 0.9
"""Probability of a breach from which a verdict of the local judge stands on the answer, too."""
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
        unseen = base.unseen()
        levels = _ORDINARY, _SURE, _CERTAIN
        self._levels = {q: float(np.quantile(unseen, q)) if len(unseen) else np.nan for q in levels}
        """What benign reference texts score in fits that never saw them, at these quantiles."""
        self._scores: dict[str, float] = {}
        self._filed: dict[str, Hazard] = {}

    def sure(self, text: str, verdict: Verdict) -> bool:
        """Whether a text that was added to the rows reads harmful beyond nearly every benign reference text.

        More is asked where the local judge calls it a breach by the request alone: it reads requests with the same
        encoder, so that both are wrong about the same ones.
        """
        return self._score(text) >= self._levels[_CERTAIN if _by_request(verdict) else _SURE]

    def ordinary(self, text: str) -> bool:
        """Whether a text that was added to the rows is short, and reads less harmful than a tenth of benign ones."""
        return len(text) <= _SHORT and self._score(text) < self._levels[_ORDINARY]

    def _score(self, text: str) -> float:
        if text not in self._scores:
            self._scores[text] = float(self._base.scores(self._rows.rows_of(text)).max(initial=-np.inf))
        return self._scores[text]

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


def _by_request(verdict: Verdict) -> bool:
    """Whether only the local judge says so, and only because a request that it reads as harmful was not refused."""
    probability = verdict.breach_probability
    return verdict.judge.startswith(LOCAL) and probability is not None and probability < _ANSWERED


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
