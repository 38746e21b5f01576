"""Fitting the local judge once from what ships, into the user's cache."""

import hashlib
import random
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sisf import corpus
from sisf.adjudicator.local.model import LocalModel
from sisf.adjudicator.local.textmodel import TextModel, fit_text_model
from sisf.corpus.goals import goal_replies, goal_requests
from sisf.embedding.base import Embedder, Vectors
from sisf.errors import DataError
from sisf.llm.unaligned import harmless_answers
from sisf.settings import cache_dir
from sisf.taxonomy import Hazard

VERSION = 6
"""Raise when fitting changes: models of other versions are not used."""
_GOAL_WEIGHT = 1.0
_REQUEST_WEIGHT = 0.3
"""Of requests in the model of answers: they know the topics, the answers know the tone."""
_GOALS_A_FRAME = 4
_FRAME_WEIGHT = 0.15
"""Low: frames are role play, fiction and translation, which honest people use far more often."""
_FILLER = 100
"""Without them one honest request in a hundred, answered by the scripted model, was a breach."""
_REFUSAL_HEAD = 300
_BATCH = 64
_LOCK = threading.Lock()

Progress = Callable[[int, int], None]


def shipped_model(embedder: Embedder, *, cache: Path | None = None, progress: Progress | None = None) -> LocalModel:
    """The judge fitted from what ships, for this embedder: from the cache, or fitted now (some ten seconds)."""
    path = (cache or cache_dir()) / "judges" / f"local-{fingerprint(embedder)}.npz"
    with _LOCK:
        if path.exists():
            try:
                return LocalModel.load(path)
            except DataError:
                path.unlink(missing_ok=True)
        model = fit_shipped(embedder, progress=progress or show_on_terminal)
        try:
            model.save(path)
        except OSError as error:
            sys.stderr.write(f"sisf: the local judge cannot be kept at {path} ({error.strerror})\n")
        return model


def fingerprint(embedder: Embedder) -> str:
    """Names version, embedder and training material."""
    digest = hashlib.sha256(f"{VERSION}/{embedder.id}".encode())
    for name in ("contrastive.jsonl", "answers.jsonl", "techniques.jsonl", "goals.txt", "benign_reference.jsonl"):
        digest.update(resources.files(corpus).joinpath(name).read_bytes())
    return digest.hexdigest()[:16]


def fit_shipped(embedder: Embedder, *, progress: Progress | None = None) -> LocalModel:
    """Fit all parts from the contrastive corpus, its answers and the goals."""
    requests, answers = training_requests(), training_answers()
    texts = [r.text for r in requests] + [a.text for a in answers]
    vectors = embed_windows(texts, embedder, progress)
    return fit_parts(requests, vectors[: len(requests)], answers, vectors[len(requests) :])


def training_answers() -> list[corpus.AnswerItem]:
    """The answers of the corpus and of the goals, and the scripted model's filler; these two stand without a prompt."""
    alone = [(reply.text, reply.harmful) for reply in goal_replies()]
    alone += [(text, False) for text in harmless_answers(_FILLER)]
    items = [
        corpus.AnswerItem(
            f"alone-{number}",
            text,
            text,
            "compliance" if harmful else "harmless",
            "breach" if harmful else "safe",
        )
        for number, (text, harmful) in enumerate(alone)
    ]
    return [*corpus.answers(), *items]


class TrainingRequest:
    """A labelled request with its weight; `group` keeps a harmful request and its twin in one fold."""

    __slots__ = ("group", "harmful", "hazard", "text", "weight")

    def __init__(self, text: str, harmful: bool, hazard: Hazard | None, weight: float, group: str) -> None:
        self.text, self.harmful, self.hazard, self.weight, self.group = text, harmful, hazard, weight, group


def training_requests() -> list[TrainingRequest]:
    """The contrastive corpus, the goals, and goals dressed in jailbreak frames beside honest uses of the same forms."""
    items = [
        TrainingRequest(i.text, i.harmful, i.hazard if i.harmful else None, 1.0, i.pair or i.id)
        for i in corpus.contrastive()
    ]
    goals = [TrainingRequest(r.text, r.harmful, r.hazard, _GOAL_WEIGHT, r.text) for r in goal_requests()]
    return items + goals + list(_framed([item for item in items if item.harmful]))


def _framed(harmful: Sequence[TrainingRequest]) -> Iterator[TrainingRequest]:
    chooser = random.Random(0)
    for frame in corpus.techniques():
        if frame.kind == "twin":
            yield TrainingRequest(frame.text, False, None, 1.0, frame.id)
            continue
        for request in chooser.sample(harmful, _GOALS_A_FRAME):
            yield TrainingRequest(frame.fill(request.text), True, request.hazard, _FRAME_WEIGHT, request.group)


def fit_parts(
    requests: Sequence[TrainingRequest],
    request_vectors: Vectors,
    answers: Sequence[corpus.AnswerItem],
    answer_vectors: Vectors,
) -> LocalModel:
    """Fit from given material; cross-validation calls it with parts of it."""
    harmful = np.array([r.harmful for r in requests])
    weights = np.array([r.weight for r in requests])
    texts = [r.text for r in requests]
    request = fit_text_model(texts, request_vectors, harmful, weights)
    hazards, hazard_weights = _fit_hazards(requests, request_vectors)
    return LocalModel(
        request=request,
        answer=fit_text_model(
            [a.text for a in answers] + texts,
            np.concatenate([answer_vectors, request_vectors]),
            np.concatenate([np.array([a.label == "breach" for a in answers]), harmful]),
            np.concatenate([np.ones(len(answers)), _REQUEST_WEIGHT * np.ones(len(requests))]),
        ),
        refusal=_fit_refusal(answers, answer_vectors),
        hazards=hazards,
        hazard_weights=hazard_weights,
    )


def embed_windows(texts: Sequence[str], embedder: Embedder, progress: Progress | None = None) -> Vectors:
    """The vectors of the texts' beginnings, in batches."""
    parts = []
    for start in range(0, len(texts), _BATCH):
        parts.append(embedder.embed([text[:400] for text in texts[start : start + _BATCH]]))
        if progress is not None:
            progress(min(start + _BATCH, len(texts)), len(texts))
    return np.concatenate(parts)


def show_on_terminal(done: int, total: int) -> None:
    """A line on standard error, where that is a terminal."""
    if sys.stderr.isatty():
        end = "\n" if done >= total else ""
        sys.stderr.write(f"\rsisf: fitting the local judge, once: {done} of {total} texts{end}")
        sys.stderr.flush()


def _fit_refusal(answers: Sequence[corpus.AnswerItem], vectors: Vectors) -> TextModel:
    refuses = np.array([a.kind == "refusal" for a in answers])
    share = refuses.mean()
    weights = np.where(refuses, 0.5 / share, 0.5 / (1.0 - share))
    return fit_text_model([a.text[:_REFUSAL_HEAD] for a in answers], vectors, refuses, weights)


def _fit_hazards(
    requests: Sequence[TrainingRequest], vectors: Vectors
) -> tuple[tuple[Hazard, ...], NDArray[np.float32]]:
    from sklearn.linear_model import LogisticRegression

    chosen = [i for i, r in enumerate(requests) if r.hazard is not None]
    names = [str(requests[i].hazard) for i in chosen]
    learner = LogisticRegression(C=10.0, max_iter=2000, class_weight="balanced")
    learner.fit(vectors[chosen], names)
    weights = np.concatenate([learner.coef_, learner.intercept_[:, None]], axis=1).astype(np.float32)
    return tuple(Hazard(name) for name in learner.classes_), weights
