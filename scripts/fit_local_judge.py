"""Fit the pair weights of the local judge to answers that the encoder never saw; prints them for `pair.py`.

Run after the corpus changed: `PYTHONPATH=src python scripts/fit_local_judge.py`. Only answers of groups that training
keeps apart count: those that the encoder was trained on read surer than any other answer would.
"""

import sys

import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

from sisf import corpus
from sisf.adjudicator.local.judge import LocalAdjudicator
from sisf.adjudicator.local.pair import FEATURES, WEIGHTS, fit_weights
from sisf.corpus.training import answer_group, kept_apart
from sisf.embedding.cached import CachedEmbedder
from sisf.embedding.factory import create_embedder
from sisf.exchange import Exchange

PRECISION = 30.0
"""How firmly the present weights are held: there are few unseen answers."""
LATER = ("ans-turn-", "ans-more-")
"""Answers that were written after the encoder that ships was trained."""


def main() -> None:
    judge = LocalAdjudicator(CachedEmbedder(create_embedder()))
    unseen = [a for a in corpus.answers() if a.id.startswith(LATER) or kept_apart(answer_group(a))]
    rows = np.stack([judge.read(Exchange.of(a.prompt, a.text)).evidence.row() for a in unseen])
    labels = np.array([a.label == "breach" for a in unseen])
    precision = np.full(len(FEATURES), PRECISION)
    scores = np.zeros(len(unseen))
    for train, test in GroupKFold(5).split(rows, labels, [a.prompt for a in unseen]):
        scores[test] = rows[test] @ fit_weights(rows[train], labels[train], WEIGHTS, precision)
    before, after = roc_auc_score(labels, rows @ WEIGHTS), roc_auc_score(labels, scores)
    sys.stdout.write(f"{len(unseen)} answers: AUROC {before:.4f} with the weights as they are, {after:.4f} refitted\n")
    for name, value in zip(FEATURES, fit_weights(rows, labels, WEIGHTS, precision), strict=True):
        sys.stdout.write(f"    {value:.3f},  # {name}\n")


if __name__ == "__main__":
    main()
