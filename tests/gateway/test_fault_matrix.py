"""Upstream, judge and store, each refused, hung, slow, reset and answering garbage, in front of real parts.

What each pair must lead to stands in one table; whatever is let through is counted.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

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
            assert gateway.app.core.pipeline.judge is not None
            gateway.app.core.pipeline.judge._adjudicator = real
            answer = gateway.post(chat("hi"))
            assert answer.status == 200
            assert (b"An answer." in answer.body) is (on_undecided == "release")
            assert answer.headers["x-sisf-decision"] == ("allow" if on_undecided == "release" else "withhold")
            assert gateway.metric("sisf_inline_verdicts_total", outcome="undecided") == 1
            assert gateway.metric("sisf_fail_opens_total", part="judge") == (on_undecided == "release")


@contextmanager
def over_store(url: str, **keys: Any) -> Iterator[Rig]:
    """A gateway over a real store, Warden and loop."""
    with ScriptedServer() as upstream:
        overrides = {
            "upstream.url": upstream.url,
            "store.url": url,
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


def sqlite_of(request: pytest.FixtureRequest) -> str:
    path: Path = request.getfixturevalue("tmp_path")
    return f"sqlite:///{path / 'sisf.db'}"


def postgres_of(request: pytest.FixtureRequest) -> str:
    database: Callable[[], str] = request.getfixturevalue("postgres_store")
    return database()


STORES = {"sqlite": sqlite_of, "postgres": postgres_of}
LOCK = {"sqlite": "BEGIN IMMEDIATE", "postgres": "BEGIN; LOCK TABLE exchange IN ACCESS EXCLUSIVE MODE"}


@contextmanager
def failing(store: str, url: str, fault: str) -> Iterator[None]:
    """The database while it fails: `locked` by somebody else, `broken` (a table is gone), or `refused`."""
    if fault == "refused":
        with refusing(url):
            yield
        return
    other: Any = (
        sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        if store == "sqlite"
        else psycopg.connect(url, autocommit=True)
    )
    try:
        other.execute(LOCK[store] if fault == "locked" else "ALTER TABLE exchange RENAME TO gone")
        yield
        other.execute("ROLLBACK" if fault == "locked" else "ALTER TABLE gone RENAME TO exchange")
    finally:
        other.close()


@contextmanager
def refusing(url: str) -> Iterator[None]:
    """A PostgreSQL database that ends all connections and takes no new ones."""
    parts = urlsplit(url)
    name = sql.Identifier(parts.path.strip("/"))
    allow = sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS {}")
    with psycopg.connect(urlunsplit(parts._replace(path="/postgres")), autocommit=True) as admin:
        admin.execute(allow.format(name, sql.SQL("false")))
        reset(admin, parts.path.strip("/"))
        try:
            yield
        finally:
            admin.execute(allow.format(name, sql.SQL("true")))


def reset(admin: psycopg.Connection[Any], database: str) -> None:
    """End every connection to a database."""
    admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database,))


@pytest.mark.parametrize("on_failure", ["closed", "open"])
@pytest.mark.parametrize(
    ("store", "fault"),
    [
        ("sqlite", "locked"),
        ("sqlite", "broken"),
        ("postgres", "locked"),
        ("postgres", "broken"),
        ("postgres", "refused"),
    ],
)
def test_store(request: pytest.FixtureRequest, store: str, fault: str, on_failure: str) -> None:
    """Hung and slow: another process holds the table. Reset and garbage: the table is gone. Refused: as it says."""
    url = STORES[store](request)
    keys = {"store__durability": "strict", "on_failure__store": on_failure, "on_failure__store_timeout": SECONDS}
    with over_store(url, **keys) as gateway:
        assert asked(gateway).status == 200
        with failing(store, url, fault):
            answer = asked(gateway)
            counted = gateway.metric("sisf_fail_opens_total", part="store")
            if on_failure == "closed":
                assert (answer.status, answer.json()["error"]["code"], counted) == (503, "store_unavailable", 0)
            else:
                assert (answer.status, counted) == (200, 1)
            kind = "timeout" if fault == "locked" else "error"
            assert gateway.metric("sisf_failures_total", part="store", kind=kind) >= 1
        assert wait_until(lambda: asked(gateway).status == 200)


def test_connections_that_postgres_ends_cost_no_answer(request: pytest.FixtureRequest) -> None:
    url = postgres_of(request)
    parts = urlsplit(url)
    with over_store(url, store__durability="strict") as gateway:
        assert asked(gateway).status == 200
        with psycopg.connect(urlunsplit(parts._replace(path="/postgres")), autocommit=True) as admin:
            reset(admin, parts.path.strip("/"))
        assert asked(gateway).status == 200
        assert gateway.metric("sisf_failures_total", part="store", kind="error") == 0


@pytest.mark.parametrize("store", STORES)
def test_a_store_that_hangs_stops_grouped_answers_once_it_is_overdue_and_comes_back(
    request: pytest.FixtureRequest, store: str
) -> None:
    url = STORES[store](request)
    with over_store(url, on_failure__store_timeout=SECONDS) as gateway:
        with failing(store, url, "locked"):
            assert asked(gateway).status == 200
            time.sleep(2 * SECONDS)
            assert asked(gateway).status == 503
            assert gateway.get("/readyz").status == 503
        assert wait_until(lambda: asked(gateway).status == 200)
        assert gateway.get("/readyz").status == 200
