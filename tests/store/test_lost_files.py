"""Files of a store that are removed or replaced under it: nothing that was acknowledged is lost, and nothing is
acknowledged that would be."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sisf.errors import StoreError, StoreUnavailable
from sisf.policy import Change
from sisf.store import Store, open_store
from sisf.testing import wait_until
from tests.store.samples import pattern, record


@pytest.fixture(params=["quiet", "watched"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """With and without somebody who waits for revisions, and so holds a connection all the time."""
    made = open_store(f"sqlite:///{tmp_path / 'sisf.db'}")
    if request.param == "watched":
        made.policies.subscribe(lambda _revision: None)
    yield made
    made.close()


def wrote(store: Store, name: str) -> bool:
    try:
        store.exchanges.record(record(name), enqueue=False).result(60)
    except StoreError:
        return False
    return True


def rows(path: Path) -> set[str]:
    """What stands in the file, as another program sees it."""
    connection = sqlite3.connect(path)
    found = {row[0] for row in connection.execute("SELECT id FROM exchange")}
    connection.close()
    return found


@pytest.mark.parametrize("endings", [("-wal",), ("-wal", "-shm")])
def test_a_removed_log_is_saved_and_the_store_goes_on(store: Store, tmp_path: Path, endings: tuple[str, ...]) -> None:
    path = tmp_path / "sisf.db"
    written = {name for name in (f"before{n}" for n in range(20)) if wrote(store, name)}
    assert len(written) == 20
    for ending in endings:
        path.with_name(path.name + ending).unlink()
    assert wait_until(lambda: wrote(store, "after"))
    written |= {name for name in (f"after{n}" for n in range(20)) if wrote(store, name)}
    assert len(written) == 40
    assert written | {"after"} == {found.exchange.id for found in store.exchanges.recent(100)}
    assert written | {"after"} == rows(path)
    assert store.audit.verify() >= 0


@contextmanager
def other_program(path: Path) -> Iterator[None]:
    """One that wrote a table into the file and holds it open."""
    work = "import sqlite3,sys;c=sqlite3.connect(sys.argv[1]);c.execute('CREATE TABLE theirs (a INT)');c.commit();"
    command = [sys.executable, "-c", work + "print(flush=True);input();c.close()", str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        yield
        child.communicate(b"\n", timeout=60)


def removed(path: Path) -> None:
    path.unlink()


def replaced(path: Path) -> None:
    path.rename(path.with_name("away.db"))
    sqlite3.connect(path).close()
    path.touch()


@pytest.mark.parametrize("lose", [removed, replaced])
def test_nothing_is_acknowledged_into_a_file_that_is_gone(
    store: Store, tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    path = tmp_path / "sisf.db"
    assert wrote(store, "before")
    lose(path)
    assert not wrote(store, "after")
    assert not wrote(store, "again")
    with pytest.raises(StoreError, match="while it was in use"):
        store.exchanges.recent(1)
    assert path.exists() is (lose is replaced)


def gone(folder: Path) -> None:
    folder.rename(folder.with_name("away"))


def another_file(folder: Path) -> None:
    gone(folder)
    folder.write_text("no folder")


def going_round(folder: Path) -> None:
    gone(folder)
    folder.symlink_to(folder)


@pytest.mark.parametrize("lose", [gone, another_file, going_round])
def test_a_folder_that_cannot_be_reached_is_told_and_once_it_is_back_all_goes_on(
    tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    folder, told = tmp_path / "data", list[int]()
    store = open_store(f"sqlite:///{folder / 'sisf.db'}")
    store.policies.subscribe(told.append)
    assert wrote(store, "before")
    lose(folder)
    assert not wrote(store, "meanwhile")
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        store.exchanges.recent(1)
    if folder.is_symlink() or folder.exists():
        folder.unlink()
    (tmp_path / "away").rename(folder)
    assert wait_until(lambda: wrote(store, "after"))
    other = open_store(f"sqlite:///{folder / 'sisf.db'}")
    changed = other.policies.commit(Change((pattern("elsewhere"),), "person:ann", "made"), expected=0)
    other.close()
    assert wait_until(lambda: changed.revision in told)
    store.close()


@pytest.mark.parametrize("store", ["quiet"], indirect=True)  # else the watcher may come first, and save the log
def test_another_who_went_on_without_the_log_is_not_overwritten(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "sisf.db"
    assert wrote(store, "before")
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    assert wrote(store, "lost")
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink()
    with other_program(path):
        assert wait_until(lambda: wrote(store, "after"), seconds=20)
    assert "after" in rows(path)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM theirs").fetchone() == (0,)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
