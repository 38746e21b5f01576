"""Fitting the local judge once from what ships, into the user's cache."""

import hashlib
import random
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from importlib import resources
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from sisf import corpus, moving_line
from sisf.adjudicator.local.model import LocalModel
from sisf.adjudicator.local.textmodel import fit_text_model
from sisf.adjudicator.local.wordmodel import WordModel, fit_word_model
from sisf.corpus.goals import goal_replies, goal_requests
from sisf.embedding.base import Embedder, Vectors
from sisf.errors import DataError
from sisf.files import one_process_if_possible
from sisf.llm.unaligned import harmless_answers
from sisf.settings import cache_dir

VERSION = 8
"""Raise when fitting changes: models of other versions are not used."""
_REQUEST_WEIGHT = 0.3
"""Of requests beside answers: they know the topics, the answers know the tone."""
_GOALS_A_FRAME = 4
_FRAME_WEIGHT = 0.15
"""Low: frames are role play, fiction and translation, which honest people use far more often."""
_FILLER = 100
"""Without them one honest request in a hundred, answered by the scripted model, was a breach."""
REFUSAL_HEAD = 300
"""Characters of an answer in which its words say whether it refuses."""
_BEGINNING = 400
"""Characters of a request that are embedded to learn from it."""
_BATCH = 64
_LOCK = threading.Lock()

Progress = Callable[[int, int], None]


def shipped_model(published: Embedder, *, cache: Path | None = None) -> LocalModel:
    """The judge fitted from what ships, over this embedder: from the cache, or fitted now (half a minute) by one
    process."""
    path = (cache or cache_dir()) / "judges" / f"local-{fingerprint(published)}.npz"
    with _LOCK, one_process_if_possible(path.with_suffix(".lock")):
        if path.exists():
            try:
                return LocalModel.load(path)
            except DataError:
                path.unlink(missing_ok=True)
        model = fit_shipped(published, show_on_terminal)
        try:
            model.save(path)
        except OSError as error:
            sys.stderr.write(f"sisf: the local judge cannot be kept at {path} ({error.strerror})\n")
        return model


def fingerprint(published: Embedder) -> str:
    """Names version, embedder and training material."""
    digest = hashlib.sha256(f"{VERSION}/{published.id}".encode())
    for name in ("contrastive.jsonl", "answers.jsonl", "techniques.jsonl", "goals.txt"):
        digest.update(resources.files(corpus).joinpath(name).read_bytes())
    return digest.hexdigest()[:16]


def fit_shipped(published: Embedder, progress: Progress) -> LocalModel:
    """Fit all parts from the contrastive corpus, its answers and the goals."""
    requests, answers = _requests(), training_answers()
    asked = [text for text, _, _ in requests]
    harmful = np.array([harmful for _, harmful, _ in requests])
    weights = np.array([weight for _, _, weight in requests])
    vectors = embed_beginnings(asked, published, progress)
    with threadpool_limits(1, "blas"):  # small products: on several threads they only wait for each other
        return LocalModel(
            request=fit_text_model(asked, vectors, harmful, weights),
            harm=fit_word_model(
                [a.text for a in answers] + asked,
                np.concatenate([np.array([a.label == "breach" for a in answers]), harmful]),
                np.concatenate([np.ones(len(answers)), _REQUEST_WEIGHT * weights]),
            ),
            refusal=_fit_refusal(answers),
        )


def embed_beginnings(texts: Sequence[str], embedder: Embedder, progress: Progress) -> Vectors:
    """The vectors of the texts' beginnings, in batches."""
    parts = []
    for start in range(0, len(texts), _BATCH):
        parts.append(embedder.embed([text[:_BEGINNING] for text in texts[start : start + _BATCH]]))
        progress(min(start + _BATCH, len(texts)), len(texts))
    return np.concatenate(parts)


def show_on_terminal(done: int, total: int) -> None:
    """A line on standard error, where that is a terminal."""
    moving_line.show(f"sisf: fitting the local judge, once: {done} of {total} texts", last=done >= total)


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


def _requests() -> list[tuple[str, bool, float]]:
    """Text, whether it is harmful, weight: the contrastive corpus, the goals, and goals dressed in jailbreak frames
    beside honest uses of the same forms."""
    items = [(item.text, item.harmful, 1.0) for item in corpus.contrastive()]
    goals = [(request.text, request.harmful, 1.0) for request in goal_requests()]
    return items + goals + list(_framed([text for text, harmful, _ in items if harmful]))


def _framed(harmful: Sequence[str]) -> Iterator[tuple[str, bool, float]]:
    chooser = random.Random(0)
    for frame in corpus.techniques():
        if frame.kind == "twin":
            yield frame.text, False, 1.0
            continue
        for text in chooser.sample(harmful, _GOALS_A_FRAME):
            yield frame.fill(text), True, _FRAME_WEIGHT


def _fit_refusal(answers: Sequence[corpus.AnswerItem]) -> WordModel:
    refuses = np.array([a.kind == "refusal" for a in answers])
    share = refuses.mean()
    weights = np.where(refuses, 0.5 / share, 0.5 / (1.0 - share))
    return fit_word_model([a.text[:REFUSAL_HEAD] for a in answers], refuses, weights)
