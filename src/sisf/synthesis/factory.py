"""Builds the synthesiser that the settings name."""

from sisf.embedding.base import Embedder
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
) -> PolicySynthesisModule:
    """The synthesiser of `settings.synthesiser`; `auto` is `llm` when a key for it is there, else `local`.

    `lessons` embeds what ships and the `reference`, and may keep their vectors.
    """
    from sisf.adjudicator.factory import has_access

    local = LocalSynthesiser(
        embedder, seed=settings.seed, learn_answers=settings.answers, reference=reference, lessons=lessons
    )
    automatic = settings.synthesiser == "auto" and has_access(settings.llm)
    if settings.synthesiser != "llm" and not automatic:
        return local
    from sisf.adjudicator.opinion import local_opinion
    from sisf.llm.client import OpenAIChatModel
    from sisf.synthesis.llm import LlmSynthesiser

    return LlmSynthesiser(
        OpenAIChatModel(settings.llm),
        embedder,
        gate,
        local,
        opinion=local_opinion(embedder),
        variants=gate.variants if isinstance(gate, Gate) else None,
    )
