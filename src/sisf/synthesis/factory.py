"""Builds the synthesiser that the settings name."""

import os
from collections.abc import Mapping

from sisf.embedding.base import Embedder
from sisf.llm.base import ChatModel
from sisf.settings import Synthesis
from sisf.synthesis.base import PolicyGate, PolicySynthesisModule, Reference
from sisf.synthesis.gate import Gate
from sisf.synthesis.local import LocalSynthesiser


def create_synthesiser(
    settings: Synthesis,
    embedder: Embedder,
    gate: PolicyGate,
    *,
    reference: Reference | None = None,
    lessons: Embedder | None = None,
    model: ChatModel | None = None,
    environment: Mapping[str, str] = os.environ,
) -> PolicySynthesisModule:
    """The synthesiser of `settings.synthesiser`; `auto` is `llm` when a key for it is there, else `local`.

    `lessons` embeds what ships and the `reference`, and may keep their vectors; `model` replaces the chat model (tests,
    experiments).
    """
    from sisf.adjudicator.factory import has_access

    local = LocalSynthesiser(
        embedder, seed=settings.seed, learn_answers=settings.answers, reference=reference, lessons=lessons
    )
    automatic = settings.synthesiser == "auto" and (model is not None or has_access(settings.llm, environment))
    if settings.synthesiser != "llm" and not automatic:
        return local
    from sisf.adjudicator.opinion import local_opinion
    from sisf.llm.client import OpenAIChatModel
    from sisf.synthesis.llm import LlmSynthesiser

    return LlmSynthesiser(
        model or OpenAIChatModel(settings.llm),
        embedder,
        gate,
        local,
        opinion=local_opinion(embedder),
        variants=gate.variants if isinstance(gate, Gate) else None,
    )
