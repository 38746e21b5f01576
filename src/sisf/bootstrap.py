"""Builds the object graph from settings: the only place that knows every part."""

import hashlib
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from sisf.adjudicator.base import Adjudicator
from sisf.adjudicator.factory import create_adjudicator
from sisf.breaker import Breaker
from sisf.embedding.base import Embedder
from sisf.embedding.cached import CachedEmbedder
from sisf.embedding.factory import configured_embedder
from sisf.embedding.kept import KeptEmbedder
from sisf.loop import LastGood, Loop, Reference, Retention
from sisf.loop.benign_reference import held_back, load_references, reference_of
from sisf.loop.rules import rules_of
from sisf.settings import Settings, cache_dir
from sisf.store import Node, Store, open_store, privacy_of
from sisf.synthesis.base import PolicyGate, PolicySynthesisModule
from sisf.synthesis.factory import create_synthesiser
from sisf.synthesis.gate import Gate
from sisf.warden import Warden


@dataclass(frozen=True, slots=True)
class System:
    """Every part, built and running."""

    settings: Settings
    embedder: Embedder
    store: Store
    warden: Warden
    adjudicator: Adjudicator
    synthesiser: PolicySynthesisModule
    gate: PolicyGate
    loop: Loop
    breakers: Mapping[str, Breaker] = field(default_factory=dict)
    """Of the judges' endpoints, by model."""

    @property
    def store_url(self) -> str:
        """Where the store is, without secrets."""
        return self.store.url

    def close(self) -> None:
        """Stop the loop after the work at hand, end threads, close the store. What is left to do stays durable."""
        self.loop.stop()
        self.warden.close()
        self.store.close()


def build(
    settings: Settings,
    *,
    embedder: Embedder | None = None,
    store: Store | None = None,
    adjudicator: Adjudicator | None = None,
    synthesiser: PolicySynthesisModule | None = None,
    gate: PolicyGate | None = None,
    reference: Reference | None = None,
    role: Literal["serve", "worker"] = "serve",
) -> System:
    """Build the parts that are not given, put the stored policies in force, and start the loop.

    Raises `ConfigurationError`, `StoreError` or `ModelError` with one clear line; nothing stays open then.
    """
    lessons = embedder
    if embedder is None:
        made = configured_embedder(settings.embedder)
        # What ships is kept on disk, apart: it would drive what users send out of the cache.
        embedder, lessons = CachedEmbedder(made), KeptEmbedder(made)
    breakers: dict[str, Breaker] = {}
    adjudicator = adjudicator or create_adjudicator(settings.adjudication, embedder=embedder, breakers=breakers)
    reference = reference or reference_of(load_references(settings.synthesis.reference))
    if gate is None:
        reference, secret = held_back(reference)
        gate = Gate(embedder, secret=secret, reference=reference, lessons=lessons)
    synthesiser = synthesiser or create_synthesiser(
        settings.synthesis, embedder, gate, reference=reference, lessons=lessons
    )
    store = store or store_of_settings(settings)
    warden = Warden(embedder, first_look=settings.inspection.first_look)
    warden.follow(settings)
    loop = Loop(
        store,
        warden,
        adjudicator,
        synthesiser,
        gate,
        reference=reference,
        rules=rules_of(settings.lifecycle, keys=bool(settings.keys.file)),
        autonomy=settings.synthesis.autonomy,
        workers=settings.loop.workers,
        prepare=settings.loop.prepare and settings.adjudication.mode != "off",
        last_good=_last_good(settings),
        node=_node(settings, role),
        retention=Retention(settings.privacy.retention_days, settings.privacy.breach_retention_days),
    )
    try:
        loop.start()
    except BaseException:
        warden.close()
        store.close()
        raise
    return System(settings, embedder, store, warden, adjudicator, synthesiser, gate, loop, breakers)


def _shared(settings: Settings) -> bool:
    """Whether other nodes may share the store."""
    return settings.store.url.startswith(("postgresql://", "postgres://"))


def _last_good(settings: Settings) -> LastGood | None:
    """The local copy of what was last enforced: only a store elsewhere can be away when this node starts."""
    if not _shared(settings):
        return None
    name = hashlib.sha256(settings.store.url.encode()).hexdigest()[:16]
    return LastGood(cache_dir() / "last-good" / f"{name}.json")


def store_of_settings(settings: Settings) -> Store:
    """The store that the settings name; where it is away and a local copy of its policies is there, not yet open."""
    copy = _last_good(settings)
    offline = copy is not None and copy.load() is not None
    return open_store(settings.store.url, privacy_of(settings.privacy), offline=offline)


def _node(settings: Settings, role: Literal["serve", "worker"]) -> Node | None:
    if settings.store.url == "memory:":
        return None
    now = datetime.now(UTC)
    address = f"{settings.listen.host}:{settings.listen.port}" if role == "serve" else ""
    return Node(f"{role}-{socket.gethostname()}-{os.getpid()}", role, address, 0, now, now)
