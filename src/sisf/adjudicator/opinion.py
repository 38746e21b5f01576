"""What the local judge makes of a request's words alone: a second opinion for those who write policies."""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from sisf.embedding.base import Embedder

if TYPE_CHECKING:
    from sisf.adjudicator.local.model import LocalModel

HarmOpinion = Callable[[str], float]
"""Log-odds that a request seeks harm."""


def local_opinion(embedder: Embedder) -> HarmOpinion:
    """The local judge's reading of a request; its models are loaded, or fitted once, when first asked."""

    @cache
    def model() -> "LocalModel":
        from sisf.adjudicator.local.fitting import shipped_model

        return shipped_model(embedder)

    return lambda text: float(model().request.scores([text], embedder.embed([text]))[0])
