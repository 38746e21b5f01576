"""Policies without a language model: a linear probe, learned again from all breaches each time one gets through."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sisf import corpus
from sisf.embedding.base import Embedder
from sisf.policy import Action, Direction, Policy, Probe, Provenance, Status
from sisf.synthesis.base import Knowledge
from sisf.text.ngrams import ngram_features
from sisf.verdict import Breach

_MAX_NGRAMS = 2_000
_QUANTILE = 0.9995
_FOLDS = 2
_MARGIN = 0.05
"""Over the highest benign score: what is lost by keeping only the strongest n-grams stays below it."""
_BREACH_WEIGHT = 5.0
_INVERSE_REGULARISATION = 10.0
_SHOWN = 5


class LocalSynthesiser:
    """One probe over (embedding ⊕ word 1–2-grams): breaches against benign prompts and the corpus' benign twins."""

    name = "local"

    def __init__(self, embedder: Embedder, *, seed: int = 0) -> None:
        self._embedder = embedder
        self._seed = seed
        self._features: dict[str, tuple[NDArray[np.float32], Mapping[str, float]]] = {}
        self._twins = [item.text for item in corpus.contrastive() if item.kind not in {"harmful", "definition"}]

    def synthesise(self, breach: Breach, knowledge: Knowledge) -> Sequence[Policy]:
        """One probe that replaces the one before it."""
        benign = [*dict.fromkeys([*knowledge.benign_prompts(), *self._twins])]
        harmful = [*dict.fromkeys(b.exchange.prompt for b in knowledge.breaches())]
        vocabulary = self._vocabulary([*benign, *harmful], harmful)
        positive, negative = self._matrix(harmful, vocabulary), self._matrix(benign, vocabulary)
        folds = np.random.default_rng(self._seed).integers(0, _FOLDS, len(benign))
        held_out = np.zeros(len(benign))
        for fold in range(_FOLDS):
            weights, bias = _fit(positive, negative[folds != fold])
            held_out[folds == fold] = negative[folds == fold] @ weights + bias
        weights, bias = _fit(positive, negative)
        # Both bounds: what unseen benign texts score (held out), and what the known ones do (the gate allows none).
        threshold = max(np.quantile(held_out, _QUANTILE), float(np.max(negative @ weights + bias)) + _MARGIN)
        dimensions = self._embedder.dimensions
        grams = np.array(list(vocabulary))
        lexical = weights[dimensions:]
        kept = np.argsort(-np.abs(lexical))[:_MAX_NGRAMS]
        probe = Probe(
            self._embedder.id,
            dimensions,
            weights[:dimensions].astype("<f4").tobytes(),
            {str(grams[i]): round(float(lexical[i]), 4) for i in kept if lexical[i]},
            float(bias),
            float(threshold),
            examples=tuple(harmful[-_SHOWN:]),
        )
        replaced = [
            p.id
            for p in knowledge.policies()
            if p.provenance.synthesiser == self.name and p.status in {Status.ACTIVE, Status.SHADOW}
        ]
        strongest = ", ".join(f"“{grams[i]}”" for i in np.argsort(-lexical)[:_SHOWN])
        return [
            Policy(
                probe,
                Action.BLOCK,
                Direction.PROMPT,
                f"Requests like the {len(harmful)} that breached the model; strongest words: {strongest}",
                hazard=breach.verdict.hazard,
                technique=breach.verdict.technique,
                provenance=Provenance((breach.id,), self.name, supersedes=tuple(replaced)),
            )
        ]

    def _vocabulary(self, texts: Sequence[str], harmful: Sequence[str]) -> dict[str, int]:
        self._featurise(texts)
        counts = Counter(gram for text in texts for gram in self._features[text][1])
        wanted = {gram for text in harmful for gram in self._features[text][1]}
        return {g: i for i, g in enumerate(sorted(g for g, n in counts.items() if n > 1 or g in wanted))}

    def _featurise(self, texts: Sequence[str]) -> None:
        for text in texts:
            if text not in self._features:
                head = self._embedder.windows(text)[0].text
                self._features[text] = (self._embedder.embed([head])[0], ngram_features(head))

    def _matrix(self, texts: Sequence[str], vocabulary: Mapping[str, int]) -> sparse.csr_matrix:
        rows, columns, values = [], [], []
        for row, text in enumerate(texts):
            for gram, value in self._features[text][1].items():
                column = vocabulary.get(gram)
                if column is not None:
                    rows.append(row)
                    columns.append(column)
                    values.append(value)
        lexical = sparse.csr_matrix((values, (rows, columns)), shape=(len(texts), len(vocabulary)))
        dense = np.vstack([self._features[t][0] for t in texts])
        return sparse.hstack([sparse.csr_matrix(dense), lexical]).tocsr()


def _fit(positive: sparse.csr_matrix, negative: sparse.csr_matrix) -> tuple[NDArray[np.float64], float]:
    """Logistic regression; returns weights and bias."""
    from sklearn.linear_model import LogisticRegression

    rows = sparse.vstack([positive, negative]).tocsr()
    labels = np.r_[np.ones(positive.shape[0]), np.zeros(negative.shape[0])]
    weights = np.where(labels > 0, _BREACH_WEIGHT, 1.0)
    model = LogisticRegression(C=_INVERSE_REGULARISATION, solver="liblinear", tol=1e-2)
    model.fit(rows, labels, sample_weight=weights)
    return model.coef_[0], float(model.intercept_[0])
