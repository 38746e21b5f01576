"""What the harm-aware encoder makes of a request's words alone: a second opinion for those who write policies."""

from collections.abc import Callable
from functools import cache

from sisf.adjudicator.local.reading import HEAD_SCALE
from sisf.embedding.base import Embedder
from sisf.embedding.delta import Heads, shipped_heads
from sisf.embedding.factory import create_embedder
from sisf.embedding.minilm import heads_of

HarmOpinion = Callable[[str], float]
"""Log-odds that a request seeks harm."""


def local_opinion(embedder: Embedder) -> HarmOpinion:
    """The encoder's reading of a request. Where the embedder has no heads the packaged encoder is asked instead."""

    @cache
    def reader() -> tuple[Embedder, Heads]:
        if (heads := heads_of(embedder.id)) is not None:
            return embedder, heads
        return create_embedder("harm-aware"), shipped_heads()

    def opinion(text: str) -> float:
        encoder, heads = reader()
        return HEAD_SCALE * float(heads.harm_scores(encoder.embed([text]))[0])

    return opinion
