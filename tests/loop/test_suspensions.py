"""Suspended enforcement reaches the Warden of every node, ends by itself, and outlives a store that is away."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sisf.embedding.hashing import HashEmbedder
from sisf.errors import StoreError
from sisf.exchange import Message, Role
from sisf.loop import suspensions
from sisf.loop.suspensions import Suspensions
from sisf.policy import Direction
from sisf.settings import load
from sisf.store import Scope, Store, open_store
from sisf.testing import MemoryStore, wait_until
from sisf.warden import Warden
from tests.loop.fakes import make_loop
from tests.store.samples import change, pattern

HOUR = timedelta(hours=1)
TEXT = (Message(Role.USER, "alpha beta"),)


def blocked(warden: Warden) -> bool:
    return warden.inspect(TEXT, Direction.PROMPT).blocked


def test_each_scope_reaches_the_warden_and_is_taken_back() -> None:
    store, warden = MemoryStore(), Warden(HashEmbedder(8), threads=1)
    warden.activate(store.policies.commit(change(pattern("alpha"), pattern("beta")), expected=0))
    following = Suspensions(store, warden)
    for scope, subject in ((Scope.ALL, ""), (Scope.TENANT, "acme"), (Scope.POLICY, "alpha")):
        made = store.oversight.suspend(scope, subject, HOUR, actor="person:ann", reason="")
        following.follow()
        assert warden.enforces("other") is (scope is not Scope.ALL)
        assert warden.enforces("acme") is (scope is Scope.POLICY)
        decision = warden.inspect(TEXT, Direction.PROMPT)
        assert [m.policy_id for m in decision.matches if m.shadow] == (["alpha"] if scope is Scope.POLICY else [])
        assert decision.blocked  # by beta; for whom it is not enforced, the gateway knows
        store.oversight.resume(made.id, actor="person:ann")
        following.follow()
        assert warden.enforces("acme")
        assert warden.enforces("other")
        assert not any(match.shadow for match in warden.inspect(TEXT, Direction.PROMPT).matches)
    warden.close()
    store.close()


def test_a_policy_stays_suspended_through_new_revisions_and_beside_the_settings() -> None:
    store, warden = MemoryStore(), Warden(HashEmbedder(8), threads=1)
    warden.activate(store.policies.commit(change(pattern("alpha")), expected=0))
    store.oversight.suspend(Scope.POLICY, "alpha", HOUR, actor="person:ann", reason="")
    Suspensions(store, warden).follow()
    warden.follow(load(environment={}, overrides={"observe.policies": ["gamma"]}))
    warden.activate(store.policies.commit(change(pattern("delta")), expected=1))
    assert not blocked(warden)
    assert warden.observed == {"alpha", "gamma"}
    warden.close()
    store.close()


def test_it_ends_by_itself_also_while_the_store_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    store, warden = MemoryStore(), Warden(HashEmbedder(8), threads=1)
    made = store.oversight.suspend(Scope.ALL, "", HOUR, actor="person:ann", reason="")
    following = Suspensions(store, warden)
    following.follow()

    def away() -> None:
        raise StoreError("it is away")

    monkeypatch.setattr(store.oversight, "suspensions", away)
    following.follow()
    assert not warden.enforces("any")

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return made.until.astimezone(UTC)

    monkeypatch.setattr(suspensions, "datetime", Later)
    following.follow()
    assert warden.enforces("any")
    warden.close()
    store.close()


def test_another_node_follows(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'sisf.db'}"
    stores: list[Store] = [open_store(url), open_store(url)]
    warden = Warden(HashEmbedder(8), threads=1)
    loop = make_loop(stores[0], warden, workers=0)  # type: ignore[arg-type]
    loop.start()
    stores[1].oversight.suspend(Scope.ALL, "", HOUR, actor="person:ann", reason="")
    assert wait_until(lambda: not warden.enforces("any"))
    stores[1].oversight.resume(None, actor="person:bob")
    assert wait_until(lambda: warden.enforces("any"))
    loop.stop()
    for store in stores:
        store.close()
