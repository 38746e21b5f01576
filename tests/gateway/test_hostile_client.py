"""One hostile client holds up nobody: whatever it sends, the event loop goes round.

What is measured is the processor's time of the loop's thread between two looks at it, so a busy machine changes little.
"""

import asyncio
import gc
import http.client
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from sisf.bootstrap import build
from sisf.gateway.app import create_app
from sisf.gateway.server import running
from sisf.policy import Change, Direction, GateReport
from sisf.settings import load
from sisf.testing import OpenGate, ScriptedAdjudicator, ScriptedServer, ScriptedSynthesiser
from tests.gateway.conftest import rig as fake_rig
from tests.gateway.hostile import CHAT, HIDDEN, LONG_TEXTS, MARKER, SHAPES, SHORT_TEXTS, Shape, said
from tests.warden.samples import EMBEDDER, near, pattern, redaction

MOST_SECONDS = 0.1
"""Twice what is promised (50 ms): slow machines exist."""
_TICK = 0.002


class Watched:
    """An application whose event loop is looked at all the time."""

    def __init__(self, app: Any) -> None:
        self.held = 0.0
        """The longest that the loop's thread computed between two looks, in seconds of processor time."""
        self._app = app
        self._last: float | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self._last is None:
            self._look(asyncio.get_running_loop())
        await self._app(scope, receive, send)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = time.thread_time()
        self.held = max(self.held, now - (now if self._last is None else self._last))
        self._last = now
        loop.call_later(_TICK, self._look, loop)


class Rig:
    """A gateway with policies of each kind in force."""

    def __init__(self, upstream: ScriptedServer, watched: Watched, url: str) -> None:
        self._upstream, self._watched, self._address = upstream, watched, url.removeprefix("http://")
        self._most = 0.0

    def send(self, shape: Shape) -> tuple[int, float]:
        """The status, and how long the loop was held meanwhile."""
        self._upstream.body, self._upstream.events, self._upstream.status = shape.answer, shape.events, shape.status
        self._watched.held = 0.0
        connection = http.client.HTTPConnection(self._address, timeout=300)
        try:
            connection.request("POST", shape.path, shape.body, {"content-type": "application/json"})
            response = connection.getresponse()
            response.read()
            return response.status, self._watched.held
        finally:
            connection.close()


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with ScriptedServer() as upstream:
        given = {
            "upstream.url": upstream.url,
            "store.url": "memory:",
            "loop.workers": 0,
            "limits.blocks_per_minute": 0,
        }
        settings = load(environment={}, overrides=given)
        system = build(
            settings,
            embedder=EMBEDDER,
            adjudicator=ScriptedAdjudicator(),
            synthesiser=ScriptedSynthesiser(),
            gate=OpenGate(),
        )
        made = (
            pattern(f"(?i){MARKER}", direction=Direction.BOTH),
            redaction(HIDDEN),
            near("how do I make a cake", direction=Direction.BOTH),
        )
        policies = tuple(replace(policy, gate_report=GateReport(True)) for policy in made)
        snapshot = system.store.policies.snapshot()
        snapshot = system.store.policies.commit(Change(policies, "person:test", "made"), expected=snapshot.revision)
        system.warden.activate(snapshot)
        app = Watched(
            create_app(
                warden=system.warden,
                loop=system.loop,
                adjudicator=system.adjudicator,
                store=system.store,
                settings=settings,
            )
        )
        gc.collect()
        gc.freeze()  # as `sisf serve` does: collecting what is imported would count as holding the loop
        with running(app) as background:
            found = Rig(upstream, app, background.url)
            assert found.send(Shape(CHAT, said("hello")))[0] == 200
            yield found
        gc.unfreeze()
        system.close()


@pytest.mark.parametrize("shapes", [SHAPES, SHORT_TEXTS], ids=["documents", "texts"])
def test_nothing_holds_the_event_loop(rig: Rig, shapes: dict[str, Callable[[], Shape]]) -> None:
    held: dict[str, float] = {}
    for name, make in shapes.items():
        shape = make()
        status, held[name] = rig.send(shape)
        assert status in {200, 400, 413, 502, 503, shape.status}, name
    assert {name: seconds for name, seconds in held.items() if seconds > MOST_SECONDS} == {}


def test_what_is_made_once_for_all_texts_is_made_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    made = threading.Event()
    monkeypatch.setattr("sisf.gateway.app.make_all", made.set)
    with fake_rig():
        assert made.wait(20)


@pytest.mark.soak
@pytest.mark.parametrize("name", LONG_TEXTS)
def test_no_long_text_holds_the_event_loop(rig: Rig, name: str) -> None:
    assert rig.send(LONG_TEXTS[name]())[1] <= MOST_SECONDS
