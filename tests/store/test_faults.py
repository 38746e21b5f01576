"""Writes that fail: nothing is lost silently, nothing is torn, and the store works again when the disk does."""

import itertools
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from sisf.errors import StoreError
from sisf.policy import Status
from sisf.store import Store, open_store
from tests.store.samples import BREACH, change, pattern, probe, record


class Workload:
    """Does one thing after another; remembers what the store acknowledged."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.exchanges: set[str] = set()
        self.policies: dict[str, Status] = {}
        self.audited = 0
        self.failures = 0

    def run(self, steps: int, *, offset: int = 0) -> None:
        for number in range(offset, offset + steps):
            for step in (self.exchange, self.policy, self.retire, self.note, self.work):
                try:
                    step(number)
                except StoreError as error:
                    assert "could not be" in str(error), error  # noqa: PT017 - the workload must go on
                    self.failures += 1

    def exchange(self, number: int) -> None:
        futures = {
            f"e{number}-{n}": self.store.exchanges.record(record(f"e{number}-{n}", verdict=BREACH), enqueue=n == 0)
            for n in range(4)
        }
        failed = None
        for name, future in futures.items():
            try:
                future.result(10)
                self.exchanges.add(name)
            except StoreError as error:
                failed = error
        if failed:
            raise failed

    def policy(self, number: int) -> None:
        policy = probe(f"p{number}") if number % 2 else pattern(f"p{number}")
        self.store.policies.commit(change(policy), expected=self.store.policies.snapshot().revision)
        self.policies[policy.id] = Status.ACTIVE

    def retire(self, number: int) -> None:
        name = f"p{number - 1}"
        if name in self.policies:
            retired = pattern(name, Status.RETIRED)
            self.store.policies.commit(change(retired), expected=self.store.policies.snapshot().revision)
            self.policies[name] = Status.RETIRED

    def note(self, number: int) -> None:
        self.store.audit.append(actor="test", action="note", subject=str(number), revision=0, detail={})
        self.audited += 1

    def work(self, number: int) -> None:
        job = self.store.jobs.lease("w", 60)
        if job is not None:
            self.store.jobs.advance(job, None)

    def check(self, store: Store) -> None:
        """Everything that was acknowledged is there, and everything that is there is whole."""
        found = {r.exchange.id for r in store.exchanges.recent(100_000)}
        assert self.exchanges <= found
        assert store.exchanges.breach_count() == len(found)
        for name, status in self.policies.items():
            seen = store.policies.get(name).status
            assert seen in {status, Status.RETIRED}, (name, status, seen)
        latest = store.policies.snapshot().revision
        assert [r.number for r in store.policies.revisions(10_000)] == list(range(latest, 0, -1))
        assert {p.id for p in store.policies.snapshot().policies} == {p.id for p in store.policies.list(Status.ACTIVE)}
        notes = [row for row in store.audit.rows(limit=100_000) if row.action == "note"]
        assert len(notes) >= self.audited
        store.audit.verify()


def fail_every(store: Store, nth: int) -> Callable[[], None]:
    """Let every `nth` write statement or commit of the store fail: by an error of the disk, or a connection reset."""
    assert isinstance(store, Store)
    engine = store._database._writing
    counter = itertools.count(1)

    def fail(connection: Any) -> None:
        if engine.dialect.name == "sqlite":
            raise sqlite3.OperationalError("disk I/O error")
        connection.connection.dbapi_connection.close()

    def statement(connection: Any, _cursor: Any, sql: str, *_rest: Any) -> None:
        if not sql.startswith(("BEGIN", "SELECT", "PRAGMA")) and next(counter) % nth == 0:
            fail(connection)

    def commit(connection: Any) -> None:
        if next(counter) % nth == 0:
            fail(connection)

    event.listen(engine, "before_cursor_execute", statement)
    event.listen(engine, "commit", commit)

    def heal() -> None:
        event.remove(engine, "before_cursor_execute", statement)
        event.remove(engine, "commit", commit)

    return heal


@pytest.fixture
def file_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'sisf.db'}"


def every_nth_write_fails(url: str, nth: int) -> int:
    store = open_store(url)
    work = Workload(store)
    heal = fail_every(store, nth)
    work.run(12)
    heal()
    failures = work.failures
    work.run(2, offset=100)
    assert work.failures == failures, "it must work again"
    work.check(store)
    store.close()
    store = open_store(url)
    work.check(store)
    store.close()
    return failures


@pytest.mark.parametrize("nth", [1, 2, 3, 5, 8, 13, 21, 55])
def test_every_nth_write_fails(file_url: str, nth: int) -> None:
    assert every_nth_write_fails(file_url, nth) > 0


@pytest.mark.parametrize("nth", [1, 2, 5, 21])
def test_the_connection_is_reset_at_every_nth_write(postgres_store: Callable[[], str], nth: int) -> None:
    # A statement that meets a dead connection is tried once more on a new one; a commit never is.
    failures = every_nth_write_fails(postgres_store(), nth)
    assert failures > 0 or nth > 2


@pytest.mark.soak
def test_every_nth_write_fails_for_all_n(
    tmp_path: Path, postgres_store: Callable[[], str], record_property: Callable[[str, object], None]
) -> None:
    for nth in range(1, 201):
        every_nth_write_fails(f"sqlite:///{tmp_path / f'{nth}.db'}", nth)
    record_property("SQLite, every Nth write fails, N = 1…200", "nothing torn, nothing lost silently")
    for nth in range(1, 201):
        every_nth_write_fails(postgres_store(), nth)
    record_property("PostgreSQL, connection reset at every Nth write", "nothing torn, nothing lost silently")


def test_a_full_disk_is_one_clear_error_and_loses_nothing(file_url: str) -> None:
    """SQLite's own limit on pages gives the real error of a full disk."""
    store = open_store(file_url)
    work = Workload(store)
    work.run(3)
    assert work.failures == 0
    assert isinstance(store, Store)

    def limit(pages: int) -> None:
        def work_(connection: Any) -> None:
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

        store._database.writer.run(work_)

    limit(1)  # no more than there are
    for number in range(2_000):
        try:
            store.exchanges.record(record(f"x{number}", prompt="long " * 1000), enqueue=False).result(60)
        except StoreError as error:
            assert "full" in str(error)  # noqa: PT017 - the loop must go on
            work.failures += 1
            limit(1)  # the failed connection was replaced
        else:
            work.exchanges.add(f"x{number}")
        if work.failures >= 3:
            break
    assert work.failures >= 3
    work.check(store)
    limit(1_000_000)
    before = work.failures
    work.run(2, offset=50)
    assert work.failures == before
    work.check(store)
    store.close()


def test_a_bad_row_does_not_take_its_neighbours_with_it(file_url: str) -> None:
    store = open_store(file_url)
    bad = record("bad")
    object.__setattr__(bad, "fate", object())  # what no database can take
    futures = [store.exchanges.record(record(f"e{n}"), enqueue=False) for n in range(20)]
    wrong = store.exchanges.record(bad, enqueue=False)
    futures += [store.exchanges.record(record(f"f{n}"), enqueue=False) for n in range(20)]
    for future in futures:
        future.result(60)
    with pytest.raises(StoreError, match="could not be written"):
        wrong.result(60)
    assert len(store.exchanges.recent(100)) == 40
    store.close()


def test_a_bad_row_among_gathered_ones_fails_their_future_and_nothing_else(file_url: str) -> None:
    store = open_store(file_url)
    bad = record("bad")
    object.__setattr__(bad, "fate", object())
    rows = [*(record(f"e{n}") for n in range(20)), bad, *(record(f"f{n}") for n in range(20))]
    futures = [store.exchanges.record(row, enqueue=False, gather=True) for row in rows]
    store.flush()
    failed = [future.exception(5) for future in futures if future.exception(5) is not None]
    assert failed
    assert all(isinstance(error, StoreError) for error in failed)
    assert len(store.exchanges.recent(100)) == 40
    store.close()


def test_too_many_waiting_writes_are_refused_not_swallowed(file_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from threading import Event

    monkeypatch.setattr("sisf.store.writer._LIMIT", 10)
    store = open_store(file_url)
    hold = Event()
    blocker = store._database.writer.submit(lambda _connection: hold.wait(5))
    futures: list[Future[None]] = []

    def flood() -> None:
        for number in range(100):
            futures.append(store.exchanges.record(record(f"e{number}"), enqueue=False, gather=number % 2 == 0))

    with pytest.raises(StoreError, match="writes are waiting"):
        flood()
    hold.set()
    blocker.result(60)
    for future in futures:
        future.result(60)
    assert len(store.exchanges.recent(100)) == len(futures)
    store.close()


def test_a_locked_file_is_an_error_not_a_hang(file_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sisf.store.sqlite._BUSY_MS", 100)
    store = open_store(file_url)
    other = sqlite3.connect(file_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        store.exchanges.record(record(), enqueue=False).result(60)
    other.execute("ROLLBACK")
    store.exchanges.record(record(), enqueue=False).result(60)
    other.close()
    store.close()
