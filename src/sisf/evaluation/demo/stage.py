"""The stage of the demonstration: an upstream model server and a gateway, real, on free loopback ports."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sisf.bootstrap import System, build
from sisf.evaluation.defences import Unlearned
from sisf.evaluation.demo.programme import Programme
from sisf.gateway.app import create_app
from sisf.llm.recorded import RecordedModel
from sisf.llm.server import running as model_running
from sisf.pipeline.ports import Monitor
from sisf.serving import Background
from sisf.settings import Settings, load

STORE = "demo.db"


@dataclass(frozen=True, slots=True)
class Stage:
    """What is running."""

    system: System
    settings: Settings
    url: str
    """The gateway's base URL."""
    frozen_url: str
    """The base URL of a second gateway with the same Warden, from which nothing is learned."""
    upstream: str
    """The unprotected model's base URL."""


@contextmanager
def stage(programme: Programme, folder: Path, *, port: int = 0, **parts: Any) -> Iterator[Stage]:
    """Start model and gateway from zero policies; both end with the block. The store stays in `folder`.

    `parts` replace those that `bootstrap.build` would make.
    """
    store = folder / STORE
    for leftover in folder.glob(STORE + "*"):
        leftover.unlink()
    with ExitStack() as stack:
        model = stack.enter_context(model_running([RecordedModel(programme.answers)]))
        # Local parts throughout: a demonstration spends nobody's money, whatever keys are in the environment.
        settings = load(
            overrides={
                "upstream.url": f"{model.url}/v1",
                "store.url": f"sqlite:///{store}",
                "adjudication.judge": "local",
                "adjudication.mode": "async",
                "synthesis.synthesiser": "local",
                "synthesis.autonomy": "autonomous",
                "mode": "enforce",
                "blocked_prompt": "error",
                # All attackers of the demonstration share one address; nobody's patience is to be tested.
                "limits.blocks_per_minute": 0,
            },
            environment={},
        )
        system = build(settings, **parts)
        stack.callback(system.close)
        gateway = stack.enter_context(_gateway(system, settings, system.loop, port))
        frozen = stack.enter_context(_gateway(system, settings, Unlearned(), 0))
        yield Stage(system, settings, f"{gateway.url}/v1", f"{frozen.url}/v1", f"{model.url}/v1")


def _gateway(system: System, settings: Settings, monitor: Monitor, port: int) -> Background:
    app = create_app(
        warden=system.warden, loop=monitor, adjudicator=system.adjudicator, store=system.store, settings=settings
    )
    return Background(app, "127.0.0.1", port)
