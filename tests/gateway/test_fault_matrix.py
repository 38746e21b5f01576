"""Upstream, judge and store, each refused, hung, slow, reset and answering garbage, in front of real parts.

What each pair must lead to stands in one table; whatever is let through is counted.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sisf.adjudicator.factory import create_adjudicator
from sisf.embedding.hashing import HashEmbedder
from sisf.gateway.app import create_app
from sisf.gateway.server import running
from sisf.loop import Loop
from sisf.settings import load
from sisf.store import open_store
from sisf.synthesis.factory import create_synthesiser
from sisf.testing import Failure, OpenGate, ScriptedServer, wait_until
from sisf.warden import Warden
from tests.gateway.conftest import Answer, Rig, chat, rig

pytestmark = pytest.mark.slow
FAILURES = [Failure.REFUSE, Failure.HANG, Failure.SLOW, Failure.RESET, Failure.GARBAGE]
SECONDS = 0.6
UPSTREAM = {
    Failure.REFUSE: (502, "upstream_unreachable"),
    Failure.HANG: (504, "upstream_timeout"),
    Failure.SLOW: (504, "upstream_timeout"),
    Failure.RESET: (502, "upstream_disconnected"),
    Failure.GARBAGE: (502, "upstream_invalid"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_upstream(failure: Failure) -> None:
    keys = {"upstream__first_byte_timeout": SECONDS, "upstream__connect_timeout": SECONDS}
    with rig(ScriptedServer(failure=failure, delay=10 * SECONDS), **keys) as gateway:
        answer = gateway.post(chat("hi"))
        status, code = UPSTREAM[failure]
        assert (answer.status, answer.json()["error"]["code"]) == (status, code)
        assert gateway.metric("sisf_failures_total", part="upstream", kind=code) == 1


@pytest.mark.parametrize("on_undecided", ["withhold", "release"])
@pytest.mark.parametrize("failure", FAILURES)
def test_judge(failure: Failure, on_undecided: str) -> None:
    """A judge behind HTTP that fails is undecided, never safe: the setting says what that means for the answer."""
    with ScriptedServer(failure=failure, delay=10 * SECONDS) as judge:
        keys: dict[str, Any] = {
            "adjudication__mode": "inline",
            "adjudication__judge": "llm",
            "adjudication__on_undecided": on_undecided,
            "adjudication__timeout": SECONDS,
            "adjudication__fallback": [],
            "adjudication__llm": {"base_url": judge.url, "api_key": "none", "retries": 0, "timeout": 10 * SECONDS},
        }
        with rig(ScriptedServer(answer="An answer."), **keys) as gateway:
            real = create_adjudicator(gateway.settings.adjudication)
            assert gateway.app.core.judge is not None
            gateway.app.core.judge._adjudicator = real
            answer = gateway.post(chat("hi"))
            assert answer.status == 200
            assert (b"An answer." in answer.body) is (on_undecided == "release")
            assert answer.headers["x-sisf-decision"] == ("allow" if on_undecided == "release" else "withhold")
            assert gateway.metric("sisf_inline_verdicts_total", outcome="undecided") == 1
            assert gateway.metric("sisf_fail_opens_total", part="judge") == (on_undecided == "release")


@contextmanager
def over_sqlite(path: Path, **keys: Any) -> Iterator[Rig]:
    """A gateway over a real store, Warden and loop."""
    with ScriptedServer() as upstream:
        overrides = {
            "upstream.url": upstream.url,
            "store.url": f"sqlite:///{path}",
            **{key.replace("__", "."): value for key, value in keys.items()},
        }
        made = Rig(upstream, load(environment={}, overrides=overrides))
        store = open_store(made.settings.store.url)
        embedder = HashEmbedder()
        warden = Warden(embedder)
        gate = OpenGate()
        synthesiser = create_synthesiser(made.settings.synthesis, embedder, gate)
        loop = Loop(store, warden, made.judge, synthesiser, gate, workers=0)
        loop.start()
        made.app = create_app(warden=warden, loop=loop, adjudicator=made.judge, store=store, settings=made.settings)
        try:
            with running(made.app) as background:
                made.url = background.url
                yield made
        finally:
            loop.stop()
            warden.close()
            store.close()


def asked(gateway: Rig) -> Answer:
    return gateway.post(chat("hello there"))


@pytest.mark.parametrize("on_failure", ["closed", "open"])
@pytest.mark.parametrize("fault", ["locked", "broken"])
def test_store(tmp_path: Path, fault: str, on_failure: str) -> None:
    """Hung and slow: another process holds the database. Refused, reset, garbage: its table is gone."""
    path = tmp_path / "sisf.db"
    keys = {"store__durability": "strict", "on_failure__store": on_failure, "on_failure__store_timeout": SECONDS}
    with over_sqlite(path, **keys) as gateway:
        assert asked(gateway).status == 200
        other = sqlite3.connect(path, isolation_level=None)
        if fault == "locked":
            other.execute("BEGIN IMMEDIATE")
        else:
            other.execute("ALTER TABLE exchange RENAME TO gone")
        answer = asked(gateway)
        counted = gateway.metric("sisf_fail_opens_total", part="store")
        if on_failure == "closed":
            assert (answer.status, answer.json()["error"]["code"], counted) == (503, "store_unavailable", 0)
        else:
            assert (answer.status, counted) == (200, 1)
        kind = "timeout" if fault == "locked" else "error"
        assert gateway.metric("sisf_failures_total", part="store", kind=kind) >= 1
        other.execute("ROLLBACK" if fault == "locked" else "ALTER TABLE gone RENAME TO exchange")
        other.close()
        assert wait_until(lambda: asked(gateway).status == 200, seconds=15)


def test_a_store_that_hangs_stops_grouped_answers_once_it_is_overdue_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "sisf.db"
    with over_sqlite(path, on_failure__store_timeout=SECONDS) as gateway:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert asked(gateway).status == 200
        time.sleep(2 * SECONDS)
        assert asked(gateway).status == 503
        assert gateway.get("/readyz").status == 503
        other.execute("ROLLBACK")
        other.close()
        assert wait_until(lambda: asked(gateway).status == 200, seconds=15)
        assert gateway.get("/readyz").status == 200
