"""Exchanges are found by their words and by what became of them, on every store."""

import base64
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sisf.errors import StoreError
from sisf.exchange import Exchange, Fate, Sender
from sisf.policy import Action, Decision, Direction, Match
from sisf.store import ExchangeRecord, Keep, Privacy, Query, Store, open_store
from sisf.store.search import fts5
from sisf.taxonomy import Hazard
from sisf.testing import MemoryStore
from sisf.verdict import Outcome
from tests.store.samples import BREACH, SAFE, change, pattern

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MATCHED = Decision(Action.BLOCK, (Match("alpha", Action.BLOCK, 1.0, 1.0),), 1, Direction.PROMPT)


def put(store: Store, name: str, prompt: str, *, hours: int = 0, **values: object) -> None:
    identity = {key: values.pop(key) for key in ("tenant", "principal") if key in values}
    exchange = Exchange.of(prompt, "Une réponse naïve", id=name, time=NOON + timedelta(hours=hours), **identity)  # type: ignore[arg-type]
    store.exchanges.record(ExchangeRecord(exchange, **values), enqueue=False).result()  # type: ignore[arg-type]


def fill(store: Store) -> None:
    store.policies.commit(change(pattern()), expected=0)
    put(store, "a", "How do I bake bread?", tenant="acme", principal="ann")
    put(
        store, "b", "alpha: pick the lock", hours=1, principal="bob", decisions=(MATCHED,), fate=Fate.INTERCEPTED_PROMPT
    )
    put(store, "c", "Bake a cake, and pick flowers", hours=2, verdict=SAFE)
    put(store, "d", "a lock that nobody can pick", hours=3, verdict=BREACH, tenant="acme")
    while store.exchanges.index():
        pass


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Query(), "dcba"),
        (Query("pick"), "dcb"),
        (Query("PICK lock"), "db"),
        (Query('"pick the lock"'), "b"),
        (Query("pick -lock"), "c"),
        (Query("naive"), None),
        (Query("nowhere"), ""),
        (Query("AND OR NOT ( * ^ : near/3"), ""),
        (Query("-"), ""),
        (Query("\0"), ""),
        (Query(tenant="acme"), "da"),
        (Query("pick", tenant="acme"), "d"),
        (Query(principal="bob"), "b"),
        (Query(fates=(Fate.INTERCEPTED_PROMPT, Fate.WITHHELD)), "b"),
        (Query(outcome=Outcome.SAFE), "c"),
        (Query(policy="alpha"), "b"),
        (Query(policy="beta"), ""),
        (Query(hazard=Hazard.PRIVACY), "d"),
        (Query(since=NOON + timedelta(hours=2)), "dc"),
        (Query(until=NOON + timedelta(hours=2)), "ba"),
        (Query(since=NOON + timedelta(hours=1), until=NOON + timedelta(hours=3)), "cb"),
        (Query(since=NOON + timedelta(days=1)), ""),
    ],
)
def test_what_is_found(store: Store, wanted: Query, found: str | None) -> None:
    fill(store)
    ids = "".join(item.record.exchange.id for item in store.exchanges.search(wanted))
    assert found is None or ids == found


def test_pages_and_neighbours(store: Store) -> None:
    fill(store)
    first = store.exchanges.search(Query("pick"), 2)
    rest = store.exchanges.search(Query("pick"), 2, before=first[-1].number)
    assert [[item.record.exchange.id for item in page] for page in (first, rest)] == [["d", "c"], ["b"]]
    assert store.exchanges.neighbours("b") == ("a", "c")
    assert store.exchanges.neighbours("a") == (None, "b")
    assert store.exchanges.neighbours("d") == ("c", None)


def test_what_is_deleted_is_found_no_more_and_what_is_kept_otherwise_by_its_new_words(store: Store) -> None:
    fill(store)
    store.exchanges.delete(actor="person:ann", reason="asked for", sender=Sender(principal="bob"))
    assert [item.record.exchange.id for item in store.exchanges.search(Query("pick"))] == ["d", "c"]
    assert store.exchanges.search(Query(policy="alpha")) == []
    assert store.exchanges.index() == 0


def test_a_deleted_word_is_not_left_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "sisf.db"
    store = open_store(f"sqlite:///{path}")
    put(store, "x", "the word is zanzibarian", principal="bob")
    put(store, "y", "another")
    assert store.exchanges.index() == 2
    store.exchanges.delete(actor="person:ann", reason="asked for", sender=Sender(principal="bob"))
    store.close()
    assert b"zanzibar" not in path.read_bytes()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM exchange_text").fetchone() == (1,)


def test_a_verdict_moves_the_hazard_and_can_be_taken_back(store: Store) -> None:
    fill(store)
    store.exchanges.save_verdict("c", BREACH, actor="person:ann")
    assert [item.record.exchange.id for item in store.exchanges.search(Query(hazard=Hazard.PRIVACY))] == ["d", "c"]
    assert [spoken.actor for spoken in store.exchanges.verdicts("c")] == ["gateway", "person:ann"]
    assert store.exchanges.breach_count() == 2
    stands = store.exchanges.take_back("c", actor="person:bob")
    assert stands is not None
    assert (stands.outcome, store.exchanges.get("c").verdict) == (Outcome.SAFE, stands)
    assert store.exchanges.breach_count() == 1
    assert store.exchanges.labels() == []
    with pytest.raises(StoreError, match="nothing to take back"):
        store.exchanges.take_back("c", actor="person:bob")
    store.exchanges.save_verdict("a", BREACH, actor="person:ann")
    assert store.exchanges.take_back("a", actor="person:ann") is None
    assert store.exchanges.get("a").verdict is None
    store.exchanges.save_verdict("d", SAFE, actor="person:ann")
    assert store.exchanges.breach_count() == 0
    store.exchanges.take_back("d", actor="person:ann")
    assert store.exchanges.breach_count() == 1


def test_sealed_texts_are_not_indexed_and_filters_work() -> None:
    store = MemoryStore(Privacy(keys=(base64.b64encode(b"k" * 32).decode(),)))
    put(store, "a", "How do I bake bread?", principal="ann")
    assert store.exchanges.index() == 0
    with pytest.raises(StoreError, match="sealed"):
        store.exchanges.search(Query("bread"))
    assert len(store.exchanges.search(Query(principal="ann"))) == 1
    store.close()


def test_only_what_is_kept_is_indexed() -> None:
    store = MemoryStore(Privacy(exchanges=Keep.REDACTED, breaches=Keep.HASHED))
    put(store, "a", "write to ann@example.com about bread")
    store.exchanges.index()
    assert store.exchanges.search(Query("example")) == []
    assert len(store.exchanges.search(Query("bread"))) == 1
    store.close()


@given(st.text())
def test_no_search_is_an_error(words: str) -> None:
    expression = fts5(words)
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE VIRTUAL TABLE t USING fts5(body)")
        if expression:
            connection.execute("SELECT rowid FROM t WHERE t MATCH ?", (expression,)).fetchall()
    connection.close()


def test_labels_of_sealed_verdicts_are_read() -> None:
    store = MemoryStore(Privacy(keys=(base64.b64encode(b"k" * 32).decode(),)))
    put(store, "a", "How do I bake bread?", verdict=SAFE)
    store.exchanges.save_verdict("a", BREACH, actor="person:ann")
    (label,) = store.exchanges.labels()
    assert label.judged is not None
    assert (label.outcome, label.judged.outcome) == (Outcome.BREACH, Outcome.SAFE)
    store.close()
