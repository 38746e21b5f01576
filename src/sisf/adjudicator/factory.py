"""Builds the judge that the settings name."""

import os
from collections.abc import Callable, Mapping

from sisf.adjudicator.base import Adjudicator
from sisf.adjudicator.cache import VerdictCache
from sisf.adjudicator.ensemble import EnsembleAdjudicator
from sisf.adjudicator.escalation import EscalatingAdjudicator
from sisf.adjudicator.guard_model import ClassifierAdjudicator, GuardModelClassifier, ModerationClassifier
from sisf.adjudicator.llm import LlmAdjudicator
from sisf.adjudicator.local.judge import LocalAdjudicator
from sisf.adjudicator.training import Versions
from sisf.breaker import Breaker
from sisf.embedding.base import Embedder
from sisf.embedding.factory import create_embedder
from sisf.embedding.minilm import heads_of
from sisf.errors import ConfigurationError
from sisf.llm.budget import CallGate
from sisf.llm.client import OpenAIChatModel
from sisf.settings import Adjudication, ModelEndpoint

Gating = Callable[[str], CallGate]
"""Makes what all calls of a model, by its name, pass through."""
_FAILURES, _SECONDS = 6, 15.0
"""After so many failed attempts in a row an endpoint is left alone for so long."""


def create_adjudicator(
    settings: Adjudication,
    *,
    embedder: Embedder | None = None,
    environment: Mapping[str, str] = os.environ,
    breakers: dict[str, Breaker] | None = None,
) -> Adjudicator:
    """The judge of `settings.judge` with its fallbacks behind it.

    The `local` judge reads with `embedder` if that is the harm-aware encoder, else with one that is made. Where
    `breakers` is given, an endpoint that keeps failing is left alone for some seconds, so that the next judge is asked
    at once; its breaker is put there, by the model's name.
    """

    def gate(model: str) -> CallGate:
        if breakers is None:
            return CallGate(settings.limits, model)
        breakers[model] = Breaker(_FAILURES, _SECONDS)
        return CallGate(settings.limits, model, breaker=breakers[model])

    builders: dict[str, Callable[[], Adjudicator]] = {
        "llm": lambda: _llm(settings, gate),
        "local": lambda: _local(settings, embedder),
        "guard-model": lambda: _guard(settings, gate),
        "moderation": lambda: _moderation(settings, gate),
        "ensemble": lambda: _ensemble(settings, [builders[name]() for name in settings.members]),
    }
    automatic = "llm" if has_access(settings.llm, environment) else "local"
    first = settings.judge if settings.judge != "auto" else automatic
    names = [first, *(name for name in settings.fallback if name != first)]
    judges = [builders[name]() for name in names]
    return judges[0] if len(judges) == 1 else EscalatingAdjudicator(judges)


def has_access(endpoint: ModelEndpoint, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether calling the endpoint can work: it has a key or an address, or the environment holds OpenAI's key."""
    return bool(endpoint.api_key.get_secret_value() or endpoint.base_url or environment.get("OPENAI_API_KEY"))


def _llm(settings: Adjudication, gate: Gating) -> Adjudicator:
    chat = OpenAIChatModel(settings.llm, gate=gate(settings.llm.model))
    return LlmAdjudicator(chat, strictness=settings.strictness, cache=VerdictCache())


def _local(settings: Adjudication, embedder: Embedder | None) -> Adjudicator:
    known = embedder is not None and heads_of(embedder.id) is not None
    chosen = embedder if embedder is not None and known else create_embedder("harm-aware")
    trained = Versions().rank(chosen.id)
    name, rank = trained or ("local", None)
    return LocalAdjudicator(chosen, strictness=settings.strictness, name=name, rank=rank)


def _guard(settings: Adjudication, gate: Gating) -> Adjudicator:
    endpoint = settings.guard
    chat = OpenAIChatModel(endpoint, gate=gate(endpoint.model))
    classifier = GuardModelClassifier(chat, endpoint.dialect)
    return ClassifierAdjudicator(f"guard-model:{chat.id}", classifier, cache=VerdictCache())


def _moderation(settings: Adjudication, gate: Gating) -> Adjudicator:
    endpoint = settings.moderation
    classifier = ModerationClassifier(endpoint, strictness=settings.strictness, gate=gate(endpoint.model))
    return ClassifierAdjudicator(f"moderation:{endpoint.model}", classifier, cache=VerdictCache())


def _ensemble(settings: Adjudication, members: list[Adjudicator]) -> Adjudicator:
    try:
        return EnsembleAdjudicator(members, quorum=settings.quorum)
    except ValueError as error:
        raise ConfigurationError(f"adjudication.members, adjudication.quorum: {error}") from None
