"""Builds the synthesiser that the settings name."""

from sisf.embedding.base import Embedder
from sisf.errors import ConfigurationError
from sisf.settings import Synthesis
from sisf.synthesis.base import PolicySynthesisModule
from sisf.synthesis.local import LocalSynthesiser


def create_synthesiser(settings: Synthesis, embedder: Embedder) -> PolicySynthesisModule:
    """The synthesiser of `settings.synthesiser`; `auto` is `local`."""
    if settings.synthesiser == "llm":
        raise ConfigurationError("synthesis.synthesiser: `llm` is not built in yet; use `local`")
    return LocalSynthesiser(embedder, seed=settings.seed)
