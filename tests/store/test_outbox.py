"""Letters wait on every store, are sent by one node at a time, and do not pile up without end."""

import time

import pytest

from sisf.store import Store, outbox
from sisf.store.outbox import Letter


def letter(name: str, target: str = "t") -> Letter:
    return Letter(name, target, "breach", "{}")


def test_one_letter_goes_to_one_claimer_until_it_is_taken(store: Store) -> None:
    box, now = store.outbox, time.time()
    box.put(letter("a"), now - 5)
    box.put(letter("a"), now - 9)  # the same event on another node
    box.put(letter("b"), now - 1)
    box.put(letter("c"), now + 600)
    box.put(letter("d", "nobody"), now - 1)
    first = box.claim(["t"], 60)
    second = box.claim(["t"], 60)
    assert first is not None
    assert second is not None
    assert (first.id, second.id) == ("a", "b")
    assert box.claim(["t"], 60) is None  # both are held, and the third is not due
    box.taken(first)
    box.failed(second, now - 1)
    again = box.claim(["t"], 60)
    assert again is not None
    assert (again.id, again.attempts) == ("b", 1)
    box.failed(again, None)
    assert box.counts() == {"waiting": 2, "dead": 1}
    assert box.claim(["t"], 60) is None
    assert box.revive() == 1
    assert box.counts() == {"waiting": 3, "dead": 0}


def test_the_oldest_go_when_there_are_too_many(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MOST", 3)
    dropped = [store.outbox.put(letter(f"m{number}"), 0.0) for number in range(5)]
    assert sum(dropped) == 2
    assert store.outbox.counts()["waiting"] == 3


def test_a_clock_that_was_put_back_keeps_no_letter(store: Store) -> None:
    store.outbox.put(letter("a"), time.time() + 10_000)
    assert store.outbox.claim(["t"], 60) is not None
