"""Several nodes on one PostgreSQL: one learns, all enforce; and what each does while the database is away."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sisf.errors import StoreError
from sisf.exchange import Exchange
from sisf.loop import LastGood, Loop
from sisf.policy import Direction, Snapshot
from sisf.store import Node, Store, open_store
from sisf.testing import wait_until
from tests.loop.fakes import FailingWarden, exchange, make_loop
from tests.store.outage import Cable
from tests.store.samples import change, pattern, probe, prototypes


@pytest.fixture
def url(postgres_store: Callable[[], str]) -> str:
    return postgres_store()


@pytest.fixture
def cable(url: str) -> Iterator[Cable]:
    cable = Cable(url)
    yield cable
    cable.close()


def blocks(warden: FailingWarden, prompt: str) -> bool:
    return warden.inspect(Exchange.of(prompt).messages, Direction.PROMPT).blocked


class Member:
    """One process of the fleet, in this one."""

    def __init__(self, url: str, *, workers: int, copy: Path | None = None, offline: bool = False) -> None:
        self.store: Store = open_store(url, offline=offline)
        self.warden = FailingWarden()
        now = datetime.now(UTC)
        role = "worker" if workers else "serve"
        node = Node(f"{role}-{id(self)}", role, "", 0, now, now)
        last_good = LastGood(copy) if copy else None
        self.loop: Loop = make_loop(self.store, self.warden, workers=workers, last_good=last_good, node=node)
        self.loop.start()

    def close(self) -> None:
        self.loop.stop()
        self.warden.close()
        self.store.close()


def test_what_one_node_sees_all_nodes_stop(url: str) -> None:
    gateways = [Member(url, workers=0) for _ in range(3)]
    workers = [Member(url, workers=1) for _ in range(2)]
    delays = []
    for number in range(10):
        attack = f"attack number {number}!"
        gateways[number % 3].loop.monitor(exchange(attack)).result(60)
        assert wait_until(lambda text=attack: any(blocks(member.warden, text) for member in gateways))
        before = time.monotonic()
        assert wait_until(lambda text=attack: all(blocks(member.warden, text) for member in gateways))
        delays.append(time.monotonic() - before)
    assert {member.loop._enforcement.revision for member in gateways} == {10}
    assert max(delays) < 2
    assert wait_until(lambda: len(gateways[0].store.nodes.list()) == 5)
    assert wait_until(lambda: {node.revision for node in gateways[0].store.nodes.list()} == {10})
    for member in (*gateways, *workers):
        member.close()
    store = open_store(url)
    assert store.nodes.list() == []
    assert store.policies.snapshot().revision == 10
    store.close()


def test_the_database_goes_away_and_comes_back(url: str, cable: Cable) -> None:
    near = Member(cable.url, workers=1)
    near.loop.monitor(exchange("attack one!")).result(60)
    assert near.loop.drain(10)
    cable.cut()
    assert wait_until(lambda: _refused(near.store))
    assert blocks(near.warden, "attack one!"), "what was learned is enforced"
    elsewhere = Member(url, workers=1)
    elsewhere.loop.monitor(exchange("attack two!")).result(60)
    assert elsewhere.loop.drain(10)
    assert not blocks(near.warden, "attack two!")
    cable.mend()
    assert wait_until(lambda: blocks(near.warden, "attack two!"))
    near.loop.monitor(exchange("attack three!")).result(60)
    assert near.loop.drain(10)
    assert wait_until(lambda: blocks(elsewhere.warden, "attack three!"))
    for member in (near, elsewhere):
        member.close()


def _refused(store: Store) -> bool:
    try:
        store.policies.snapshot()
    except StoreError:
        return True
    return False


def test_a_node_starts_from_its_local_copy(cable: Cable, tmp_path: Path) -> None:
    copy = tmp_path / "copy.json"
    first = Member(cable.url, workers=1, copy=copy)
    first.loop.monitor(exchange("attack one!")).result(60)
    assert first.loop.drain(10)
    first.close()
    cable.cut()
    with pytest.raises(StoreError):
        Member(cable.url, workers=1, copy=copy)
    with pytest.raises(StoreError):
        Member(cable.url, workers=1, copy=tmp_path / "none.json", offline=True)
    second = Member(cable.url, workers=1, copy=copy, offline=True)
    assert blocks(second.warden, "attack one!")
    cable.mend()
    assert wait_until(lambda: second.store.silent_seconds < 0.5)
    second.loop.monitor(exchange("attack two!")).result(60)
    assert second.loop.drain(10)
    assert blocks(second.warden, "attack two!")
    second.close()


def test_the_local_copy_is_whole_or_not_used(tmp_path: Path) -> None:
    copy = LastGood(tmp_path / "copies" / "copy.json")
    assert copy.load() is None
    snapshot = Snapshot(7, (pattern(), probe(), prototypes()))
    copy.save(snapshot)
    kept = copy.load()
    assert kept is not None
    assert kept.revision == 7
    assert [policy.id for policy in kept.policies] == [policy.id for policy in snapshot.policies]
    assert [getattr(policy.condition, "examples", ()) for policy in kept.policies] == [()] * 3
    path = tmp_path / "copies" / "copy.json"
    assert [p.name for p in path.parent.iterdir()] == ["copy.json"], "nothing is left beside it"
    text = path.read_text()
    for damaged in (text[:-1], text.replace("alpha", "omega"), "", "nonsense\n{}", "é"):
        path.write_text(damaged)
        assert copy.load() is None
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot be copied"):
        LastGood(tmp_path / "file" / "copy.json").save(snapshot)


def test_a_copy_that_cannot_be_written_does_not_stop_enforcement(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    store = open_store("memory:")
    store.policies.commit(change(pattern()), expected=0)
    warden = FailingWarden()
    loop = make_loop(store, warden, workers=0, last_good=LastGood(tmp_path / "file" / "copy.json"))
    loop.start()
    assert warden.revision == 1
    loop.stop()
    warden.close()
    store.close()
