"""Learn the pair weights of the local judge by grouped cross-validation on what ships; prints them for `pair.py`.

Run after the corpus changed: `PYTHONPATH=src python scripts/fit_local_judge.py`.
"""

import sys

import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

from sisf.adjudicator.local.fitting import embed_windows, fit_parts, training_answers, training_requests
from sisf.adjudicator.local.pair import FEATURES, fit_weights
from sisf.adjudicator.local.reading import read
from sisf.embedding.cached import CachedEmbedder
from sisf.embedding.factory import create_embedder
from sisf.exchange import Exchange

PRECISION = 10.0

PRIOR = np.array([-1.5, 0.5, 0.7, 1.2, 1.8, -1.5, -0.5, -0.4, -0.5, 0.1, 0.2, 0.2, -0.5, 0.0, -0.2])
"""What is believed of each feature before any label was seen: the mean of the weights' prior."""


def main() -> None:
    embedder = CachedEmbedder(create_embedder("minilm"), 50_000)
    requests, answers = training_requests(), training_answers()
    request_vectors = embed_windows([r.text for r in requests], embedder)
    answer_vectors = embed_windows([a.text for a in answers], embedder)
    labels = np.array([a.label == "breach" for a in answers])
    groups = [a.prompt for a in answers]
    rows = np.zeros((len(answers), len(FEATURES)))
    for train, test in GroupKFold(5).split(rows, labels, groups):
        held_out = {answers[i].prompt for i in test}
        pairs = {r.group for r in requests if r.text in held_out}
        keep = [i for i, r in enumerate(requests) if r.group not in pairs]
        model = fit_parts(
            [requests[i] for i in keep], request_vectors[keep], [answers[i] for i in train], answer_vectors[train]
        )
        for i in test:
            rows[i] = read(Exchange.of(answers[i].prompt, answers[i].text), model, embedder).evidence.row()
    precision = np.full(len(FEATURES), PRECISION)
    paired = [i for i, a in enumerate(answers) if a.prompt != a.text]  # the others have no request to judge them by
    rows, labels, groups = rows[paired], labels[paired], [groups[i] for i in paired]
    scores = np.zeros(len(paired))
    for train, test in GroupKFold(5).split(rows, labels, groups):
        scores[test] = rows[test] @ fit_weights(rows[train], labels[train], PRIOR, precision)
    weights = fit_weights(rows, labels, PRIOR, precision)
    sys.stdout.write(f"cross-validated AUROC {roc_auc_score(labels, scores):.4f} of {len(paired)} answers\n")
    for name, value in zip(FEATURES, weights, strict=True):
        sys.stdout.write(f"    {value:.3f},  # {name}\n")


if __name__ == "__main__":
    main()
