"""The schema: migrations and tables agree, forward and backward, and a newer database is refused."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, select, text
from structlog.testing import capture_logs

from sisf.errors import ConfigurationError, StoreError
from sisf.exchange import Exchange
from sisf.store import ExchangeRecord, migrate, open_store, schema
from tests.store.samples import BREACH, change, pattern, record


def _ours(name: str | None, kind: str, _parents: object) -> bool:
    """The index of words has a form of its own on each database."""
    return not (kind in ("table", "index") and (name or "").startswith("exchange_text"))


def test_migrations_make_the_tables(url: str) -> None:
    if url == "memory:":
        pytest.skip("made from the tables themselves")
    open_store(url).close()
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_name": _ours})
        assert compare_metadata(context, schema.metadata) == []
    engine.dispose()


def test_back_to_nothing_and_forward_again(url: str) -> None:
    if url == "memory:":
        pytest.skip("has no migrations")
    open_store(url).close()
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        migrate.downgrade(connection, "base")
    with engine.begin() as connection, capture_logs() as logs:
        migrate.upgrade(connection, url)
        assert migrate.version(connection) == migrate.HEAD
    assert logs == [], "what is made has no former schema"
    with engine.begin() as connection:
        migrate.downgrade(connection, "0007")
    with capture_logs() as logs:
        open_store(url).close()
    told = [(each["event"], each["before"], each["now"]) for each in logs if each["event"] == "store_migrated"]
    assert told == [("store_migrated", "0007", migrate.HEAD)]
    engine.dispose()


def test_head_is_the_last_migration() -> None:
    assert max(migrate.known()) == migrate.HEAD


def test_a_newer_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "sisf.db"
    store = open_store(f"sqlite:///{path}")
    store.policies.commit(change(pattern()), expected=0)
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="newer program"):
        open_store(f"sqlite:///{path}")
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"this is no database, but a text that is long enough", b"SQLite format 3\0" * 100]
)
def test_a_file_that_is_no_database(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "sisf.db"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="cannot be opened"):
        open_store(f"sqlite:///{path}")


def test_a_folder_that_may_not_be_written_to_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite says only that it is unable to open the file. Root may write everywhere but on a read-only disk."""
    (tmp_path / "sisf.db").write_bytes(b"this is no database, but a text that is long enough")
    monkeypatch.setattr(os, "access", lambda place, _: Path(place) != tmp_path)
    with pytest.raises(StoreError, match=f"cannot be opened: {tmp_path} may not be written to"):
        open_store(f"sqlite:///{tmp_path}/sisf.db")


@pytest.mark.parametrize("wrong", ["mysql://host/x", "sqlite://", "sisf.db", "postgresql://host:port/x", ""])
def test_other_urls_are_refused_without_showing_secrets(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match=r"store\.url"):
        open_store(wrong)


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(StoreError, match="cannot be opened") as caught:
        open_store("postgresql://me:hunter2@127.0.0.1:9/none")
    assert "hunter2" not in str(caught.value)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot be made"):
        open_store(f"sqlite:///{tmp_path}/file/sisf.db")


def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = open_store(f"sqlite:///{tmp_path / 'sisf.db'}")
        store.exchanges.record(record(), enqueue=False).result(60)
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
        store.close()
    finally:
        os.umask(before)
    assert set(modes.values()) == {0o600}, modes


def test_two_programs_may_open_one_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'sisf.db'}"
    gateway, console = open_store(url), open_store(url)
    heard: list[int] = []
    gateway.policies.subscribe(heard.append)
    console.policies.commit(change(pattern()), expected=0)
    assert [p.id for p in gateway.policies.snapshot().policies] == ["alpha"]
    from sisf.testing import wait_until

    assert wait_until(lambda: 1 in heard)
    gateway.exchanges.record(record(verdict=BREACH), enqueue=False).result(60)
    assert console.exchanges.breach_count() == 1
    for store in (gateway, console):
        store.close()


def test_data_survives_every_migration(postgres_database: Callable[[], str], tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path / 'sisf.db'}", postgres_database()):
        store = open_store(url)
        store.policies.commit(change(pattern()), expected=0)
        store.exchanges.record(record(verdict=BREACH), enqueue=True).result(60)
        store.close()
        engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        with engine.begin() as connection:
            migrate.downgrade(connection, "0001")
        with engine.begin() as connection:
            assert connection.execute(text("SELECT count(*) FROM policy")).scalar() == 1
        engine.dispose()
        store = open_store(url)
        assert [p.id for p in store.policies.snapshot().policies] == ["alpha"]
        assert store.exchanges.breaches()[0][1].id == "e1"
        assert store.jobs.counts()["ready"] == 1
        assert store.audit.verify() == 1
        store.close()


def test_evidence_of_before_belongs_to_the_tenant_of_its_exchange(
    postgres_database: Callable[[], str], tmp_path: Path
) -> None:
    for url in (f"sqlite:///{tmp_path / 'sisf.db'}", postgres_database()):
        store = open_store(url)
        said = Exchange.of("x", id="acmes", tenant="acme", principal="alice")
        store.exchanges.record(ExchangeRecord(said), enqueue=False).result(60)
        store.close()
        engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        with engine.begin() as connection:
            migrate.downgrade(connection, "0006")
            for principal, exchange in (("alice", "acmes"), ("bob", "gone"), ("person:ann", "acmes")):
                values = f"'p', 'confirmation', '{principal}', '{exchange}', 1.0"
                connection.execute(text(f"INSERT INTO evidence VALUES ({values})"))
            migrate.upgrade(connection, url)
        found = select(schema.evidence.c.tenant, schema.evidence.c.principal)
        with engine.begin() as connection:
            rows = {tuple(row) for row in connection.execute(found)}
        assert rows == {("acme", "alice"), ("default", "bob"), ("", "person:ann")}
        engine.dispose()
