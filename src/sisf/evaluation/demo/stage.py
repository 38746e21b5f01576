"""The stage of the demonstration: a model, and three ways to it, real servers on free loopback ports."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sisf.bootstrap import System, build
from sisf.embedding.base import Embedder
from sisf.evaluation.defences import Unlearned
from sisf.evaluation.demo.programme import Programme
from sisf.evaluation.experiment import SYSTEM
from sisf.exchange import Exchange, Message, Role
from sisf.gateway.app import create_app
from sisf.llm.recorded import RecordedModel
from sisf.llm.server import running as model_running
from sisf.loop import Reference
from sisf.loop.benign_reference import shipped_reference
from sisf.pipeline.ports import Monitor
from sisf.serving import Background
from sisf.settings import Settings, load

STORE = "demo.db"


@dataclass(frozen=True, slots=True)
class Design:
    """One way to the model."""

    name: str
    """`sisf`, or a baseline as experiments call it."""
    url: str
    """The base URL that clients use."""
    frozen_url: str
    """Another one with the same Warden, from which nothing is learned."""
    system: System | None
    """None where nothing stands before the model."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What is running."""

    system: System
    settings: Settings
    designs: tuple[Design, ...]
    """SISF, the paper's mechanism, and no defence at all; the same traffic goes to each."""
    upstream: str
    """The unprotected model's base URL."""
    published: Embedder
    """all-MiniLM-L6-v2 as published: what the paper's mechanism compares texts by."""

    @property
    def url(self) -> str:
        """The gateway's base URL."""
        return self.designs[0].url


@contextmanager
def stage(
    programme: Programme, folder: Path, *, port: int = 0, published: Embedder | None = None, **parts: Any
) -> Iterator[Stage]:
    """Start model and gateways from zero policies; all end with the block. SISF's store stays in `folder`.

    `parts` replace those that `bootstrap.build` would make, `published` the embedder of the paper's mechanism. What is
    calibrated on are the short texts of the shipped reference: all that is sent is short, and nobody should wait for a
    thousand documents to be embedded before the first policy is learned.
    """
    parts = {"reference": shipped_reference(documents=False)} | parts
    store = folder / STORE
    for leftover in folder.glob(STORE + "*"):
        leftover.unlink()
    with ExitStack() as stack:
        model = stack.enter_context(model_running([RecordedModel(programme.answers)]))
        settings = _settings(f"{model.url}/v1", f"sqlite:///{store}")
        system = build(settings, **parts)
        stack.callback(system.close)
        published = published or _minilm()
        papers = _papers_mechanism(settings, system, published)
        stack.callback(papers.close)
        _warm_up(system, published)
        designs = (
            stack.enter_context(_design(SYSTEM, system, port)),
            stack.enter_context(_design("paper-warden", papers, 0)),
            Design("none", f"{model.url}/v1", f"{model.url}/v1", None),
        )
        yield Stage(system, settings, designs, f"{model.url}/v1", published)


def _settings(upstream: str, store: str) -> Settings:
    """Local parts throughout: a demonstration spends nobody's money, whatever keys are in the environment."""
    return load(
        overrides={
            "upstream.url": upstream,
            "store.url": store,
            "adjudication.judge": "local",
            "adjudication.mode": "async",
            "synthesis.synthesiser": "local",
            "synthesis.autonomy": "autonomous",
            "mode": "enforce",
            "blocked_prompt": "error",
            # The report and the story say which policy it was.
            "reveal": "everyone",
            # All attackers of the demonstration share one address; nobody's patience is to be tested.
            "limits.blocks_per_minute": 0,
        },
        environment={},
    )


def _papers_mechanism(settings: Settings, system: System, published: Embedder) -> System:
    """One reference embedding for each breach, nothing tested; the same judge finds its breaches."""
    from sisf.synthesis.paper import OpenGate, PaperSynthesiser

    forgetful = settings.store.model_copy(update={"url": "memory:"})
    return build(
        settings.model_copy(update={"store": forgetful}),
        embedder=published,
        adjudicator=system.adjudicator,
        synthesiser=PaperSynthesiser(published),
        gate=OpenGate(),
        reference=Reference(),
    )


def _minilm() -> Embedder:
    from sisf.embedding.cached import CachedEmbedder
    from sisf.embedding.factory import create_embedder

    return CachedEmbedder(create_embedder("minilm"))


def _warm_up(system: System, published: Embedder) -> None:
    """What is computed once on a machine is computed now: it tells its progress on lines of its own."""
    question = Message(Role.USER, "What is a kite?")
    for embedder in (system.embedder, published):
        embedder.embed([question.content])
    system.adjudicator.adjudicate(Exchange((question,), "A toy that flies."))


@contextmanager
def _design(name: str, system: System, port: int) -> Iterator[Design]:
    with _gateway(system, system.loop, port) as learning, _gateway(system, Unlearned(), 0) as frozen:
        yield Design(name, f"{learning.url}/v1", f"{frozen.url}/v1", system)


def _gateway(system: System, monitor: Monitor, port: int) -> Background:
    app = create_app(
        warden=system.warden, loop=monitor, adjudicator=system.adjudicator, store=system.store, settings=system.settings
    )
    return Background(app, "127.0.0.1", port)
