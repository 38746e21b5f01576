"""What passed is remembered on every store, over restarts, for each tenant so much and for so long."""

from datetime import UTC, datetime, timedelta

from sisf.exchange import Sender
from sisf.store import Store, open_store

ANNA, BEN, CARL = Sender("t", "anna"), Sender("t", "ben"), Sender("u", "carl")


def digest(number: int) -> bytes:
    return number.to_bytes(16)


def put(store: Store, sender: Sender, *numbers: int) -> None:
    store.passed.add(sender, [digest(number) for number in numbers])
    store.flush()


def known(store: Store, count: int = 12) -> set[int]:
    found = store.passed.known([digest(number) for number in range(count)])
    return {int.from_bytes(one) for one in found}


def test_what_passed_is_known_to_all_who_share_the_store(store: Store, url: str) -> None:
    put(store, ANNA, 1, 2, 2)
    put(store, ANNA, 2, 3)
    assert known(store) == {1, 2, 3}
    assert store.passed.known([]) == frozenset()
    if url != "memory:":
        again = open_store(url)
        assert known(again) == {1, 2, 3}
        again.close()


def test_many_are_asked_for_at_once(store: Store) -> None:
    put(store, ANNA, *range(1200))
    assert known(store, 2000) == set(range(1200))


def test_the_oldest_of_each_tenant_go(store: Store) -> None:
    for number in range(6):
        put(store, ANNA, number)
    put(store, ANNA, 0)  # it came again
    put(store, CARL, 10, 11)
    assert store.passed.tidy(3) == 3
    assert known(store) == {0, 4, 5, 10, 11}
    assert store.passed.tidy(3) == 0


def test_what_does_not_come_again_is_forgotten(store: Store) -> None:
    put(store, ANNA, 1)
    now = datetime.now(UTC)
    assert store.passed.tidy(100, now - timedelta(hours=1)) == 0
    assert store.passed.tidy(100, now + timedelta(hours=1)) == 1
    assert known(store) == set()


def test_it_goes_with_all_else_of_a_sender(store: Store) -> None:
    put(store, ANNA, 1)
    put(store, BEN, 2)
    store.exchanges.delete(actor="person:a", reason="asked for", sender=ANNA)
    assert known(store) == {2}
