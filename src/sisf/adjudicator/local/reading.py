"""Reading an exchange with the fitted models: windows, scores, manner."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sisf.adjudicator.local.fitting import REFUSAL_HEAD
from sisf.adjudicator.local.model import LocalModel
from sisf.adjudicator.local.pair import Evidence
from sisf.adjudicator.manner import Manner, read_manner
from sisf.embedding.base import Embedder, Vectors
from sisf.embedding.delta import Heads
from sisf.exchange import Exchange, Role
from sisf.taxonomy import Hazard

_CHUNK = 240
"""Characters of a window before it is cut to tokens."""
WINDOW_TOKENS = 48
_PROMPT_WINDOWS = 4
_ANSWER_WINDOWS = 4
_EARLIER_TURNS = 3
_ABOUT = 0.5
"""Cosine from which an answer is about what was said last, unless it is nearer to what was said before."""
HEAD_SCALE = 1.75
"""Brings the encoder's readings to log-odds: what requests and answers that it never saw make of them (1.7 and 1.8)."""
_WINDOW_PENALTY = 0.75
"""Log-odds taken per doubling of a prompt's windows: the maximum of many scores is high by chance."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of an exchange, with the vectors that a trained judge also looks at."""

    evidence: Evidence
    manner: Manner
    hazard: Hazard
    request_vector: Vectors
    """Shape `(dimensions,)`: the window of the request that weighed most."""
    answer_vector: Vectors
    """Shape `(dimensions,)`: the mean of the answer's windows."""


@dataclass(frozen=True, slots=True)
class Views:
    """What a request is read with: the encoder that policies stand on, and one that errs differently."""

    encoder: Embedder
    heads: Heads
    published: Embedder
    """MiniLM as published. A judge that saw only what policies see could not teach them what they miss."""


def read(exchange: Exchange, model: LocalModel, views: Views) -> Reading:
    """Read request and answer. At most twelve windows are embedded, however long the texts are.

    An answer counts by its worst piece and by all of them: one bad sentence in a good answer is less than a bad answer.
    What was said before the last user turn counts if it was not declined, and the answer is not about that turn:
    "Continue." alone says nothing, but what was asked before is not asked again by each turn that follows.
    """
    answer = _encodable(exchange.response or "")
    manner = read_manner(answer)
    request_windows, last = _request_windows(exchange, model)
    chunks = _chunks(answer)
    answer_windows = [chunks[place] for place in _picked(chunks, _ANSWER_WINDOWS, model.harm.score)]
    texts = [_cut(text, views.encoder) for text in (*request_windows, *answer_windows)]
    vectors = _embed(texts, views.encoder)
    cut = len(request_windows)
    scores = HEAD_SCALE * views.heads.harm_scores(vectors)
    scores[:cut] = (scores[:cut] + model.request.scores(texts[:cut], _embed(texts[:cut], views.published))) / 2.0
    answered: Vectors = vectors[cut:].mean(axis=0)
    nearness = vectors[:cut] @ answered
    about = nearness[:last].max()
    counts = (np.arange(cut) < last) | (about < _ABOUT) | (nearness > about)
    best, worst = int(np.where(counts, scores[:cut], -np.inf).argmax()), cut + int(scores[cut:].argmax())
    evidence = Evidence(
        request=float(scores[best] - _WINDOW_PENALTY * np.log2(np.count_nonzero(counts))),
        answer=float(scores[worst] + scores[cut:].mean()) / 2.0,
        refusal=model.refusal.score(answer[:REFUSAL_HEAD]),
        declines=float(manner.declines),
        closeness=float(vectors[best] @ vectors[cut]),
        **{
            name: manner[name] for name in ("moral_head", "moral_share", "opener", "steps", "turn", "short", "question")
        },
    )
    hazard = views.heads.hazard_of(vectors[max(best, worst, key=lambda i: float(scores[i]))])
    return Reading(evidence, manner, hazard, vectors[best], answered)


def _embed(texts: Sequence[str], embedder: Embedder) -> Vectors:
    """The longer half of the windows here, the others beside it on another core."""
    if len(texts) < 2:
        return embedder.embed(texts)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]), reverse=True)
    mine, others = order[::2], order[1::2]
    beside = _helper().submit(embedder.embed, [texts[i] for i in others])
    own = embedder.embed([texts[i] for i in mine])
    vectors = np.empty((len(texts), own.shape[1]), dtype=np.float32)
    vectors[mine] = own
    vectors[others] = beside.result()
    return vectors


@lru_cache(maxsize=1)
def _helper() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=2, thread_name_prefix="local-judge")


def _encodable(text: str) -> str:
    """The text without lone surrogates, which no tokeniser takes."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _request_windows(exchange: Exchange, model: LocalModel) -> tuple[list[str], int]:
    """Windows of the last user turn, and their number, before those of what users and tools said outside of it."""
    last = _chunks(_encodable(exchange.prompt))
    chunks = [*last, *(_encodable(text)[:_CHUNK] for text in _earlier(exchange)[-_EARLIER_TURNS:])]
    picked = _picked(chunks, _PROMPT_WINDOWS, model.harm.score)
    return [chunks[place] for place in picked], sum(place < len(last) for place in picked)


def _earlier(exchange: Exchange) -> list[str]:
    """What users and tools said outside of the last user turn, without what the model declined next."""
    found: list[str] = []
    open_since, turn = 0, exchange.turn
    for place, message in enumerate(exchange.messages):
        if message.role is Role.ASSISTANT:
            if read_manner(message.content).declines:
                del found[open_since:]
            open_since = len(found)
        elif message.role is not Role.SYSTEM and place not in turn:
            found.append(message.content)
    return found


def _chunks(text: str) -> list[str]:
    """Pieces of about `_CHUNK` characters, cut at spaces where there are any."""
    pieces: list[str] = []
    start = 0
    while start < len(text):
        end = min(start + _CHUNK, len(text))
        if end < len(text) and (space := text.rfind(" ", start + _CHUNK // 2, end)) > 0:
            end = space + 1
        pieces.append(text[start:end])
        start = end
    return pieces or [""]


def _picked(chunks: Sequence[str], most: int, score: Callable[[str], float]) -> list[int]:
    """The places of the first chunk, and of those whose words look worst."""
    if len(chunks) <= most:
        return list(range(len(chunks)))
    ranked = sorted(range(1, len(chunks)), key=lambda i: score(chunks[i]), reverse=True)
    return [0, *sorted(ranked[: most - 1])]


def _cut(text: str, embedder: Embedder) -> str:
    size = min(WINDOW_TOKENS, embedder.max_tokens)
    return embedder.windows(text, size=size)[0].text
