"""`kill -9` at random moments under load: nothing acknowledged is lost, nothing is done twice, all work is finished."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sisf.policy import Status
from sisf.store import open_store
from tests.loop.fakes import make_loop
from tests.postgres import PostgresServer
from tests.store.crash_child import UNHURRIED

ROOT = Path(__file__).resolve().parents[2]
Figure = Callable[[str, object], None]


@dataclass
class Campaign:
    """Kills one program after another on the same store, and holds the store to what was acknowledged."""

    url: str
    exchanges: set[str] = field(default_factory=set)
    policies: set[str] = field(default_factory=set)
    audit: dict[int, str] = field(default_factory=dict)
    slowest_recovery: float = 0.0
    kills: int = 0

    def strike(self) -> None:
        child, reader = self.start()
        time.sleep(random.uniform(0.02, 0.5))
        self.end(child, reader)
        self.kills += 1

    def start(self) -> "tuple[subprocess.Popen[str], threading.Thread]":
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "tests.store.crash_child", self.url, f"k{self.kills}"]
        path = os.environ.get("SISF_SOAK_LOG", os.devnull)
        with Path(path).open("ab") as log:
            child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        reader = threading.Thread(target=self._read, args=(child,))
        reader.start()
        return child, reader

    def end(self, child: "subprocess.Popen[str]", reader: threading.Thread) -> None:
        assert child.stdout is not None
        child.kill()
        child.wait()
        reader.join()
        child.stdout.close()

    def summary(self) -> str:
        return (
            f"{len(self.exchanges)} exchanges, {len(self.audit)} audit rows, {len(self.policies)} policies "
            f"acknowledged; slowest recovery {self.slowest_recovery:.2f} s"
        )

    def _read(self, child: "subprocess.Popen[str]") -> None:
        assert child.stdout is not None
        for line in child.stdout:
            kind, *words = line.split()
            if kind == "exchange":
                self.exchanges.add(words[0])
            elif kind == "policy":
                self.policies.add(words[0])
            elif kind == "audit":
                self.audit[int(words[0])] = words[1]

    def check_quickly(self) -> None:
        """After each kill: the store opens, the chain holds."""
        before = time.monotonic()
        store = open_store(self.url)
        snapshot = store.policies.snapshot()
        self.slowest_recovery = max(self.slowest_recovery, time.monotonic() - before)
        assert self.policies <= {p.id for p in snapshot.policies}
        store.close()

    def check(self) -> None:
        store = open_store(self.url)
        loop = make_loop(store, workers=0, rules=UNHURRIED)
        time.sleep(1.1)  # the leases of the dead end
        assert loop.drain(120)
        assert store.jobs.dead() == []
        known = {r.exchange.id: r for r in store.exchanges.recent(1_000_000)}
        assert self.exchanges <= known.keys()
        assert all(r.verdict is not None for r in known.values()), "every job was finished"
        rows = store.audit.rows(limit=1_000_000)
        store.audit.verify(rows[-1])
        hashes = {row.sequence: row.hash for row in rows}
        assert self.audit.items() <= hashes.items()
        active = [row.subject for row in rows if row.action == "policy.activate"]
        assert len(active) == len(set(active)), "no policy was activated twice"
        assert self.policies <= set(active)
        assert {p.id for p in store.policies.list(Status.ACTIVE)} == set(active)
        breaches = {breach.id for _, breach in store.exchanges.breaches()}
        learned = [b for p in store.policies.list(Status.ACTIVE) for b in p.provenance.breach_ids]
        assert sorted(learned) == sorted(breaches), "each breach was learned from once"
        store.close()


def campaign(url: str, kills: int, figure: Figure) -> Campaign:
    campaign = Campaign(url)
    for _ in range(kills):
        campaign.strike()
        campaign.check_quickly()
    campaign.check()
    figure(f"{kills} kills of the program", campaign.summary())
    return campaign


@pytest.mark.slow
def test_killed_while_writing(url: str, record_property: Figure) -> None:
    if url == "memory:":
        pytest.skip("forgets by design")
    assert campaign(url, 3, record_property).exchanges


def database_campaign(kills: int, figure: Figure) -> Campaign:
    """The database is killed under a program that goes on."""
    server = PostgresServer()
    campaign = Campaign(server.url)
    child, reader = campaign.start()
    for _ in range(kills):
        time.sleep(random.uniform(0.2, 0.8))
        server.kill()
        server.restart()
        before, count = time.monotonic(), len(campaign.exchanges)
        while len(campaign.exchanges) == count:
            if time.monotonic() - before > 120:
                child.send_signal(signal.SIGUSR1)
                time.sleep(1)
                pytest.fail("the program never recovered; SISF_SOAK_LOG names where its threads stand")
            time.sleep(0.01)
        campaign.slowest_recovery = max(campaign.slowest_recovery, time.monotonic() - before)
        campaign.kills += 1
    campaign.end(child, reader)
    campaign.check()
    figure(f"{kills} kills of the database", campaign.summary())
    server.close()
    return campaign


@pytest.mark.slow
def test_the_database_is_killed(record_property: Figure) -> None:
    assert database_campaign(2, record_property).exchanges


@pytest.mark.soak
def test_the_database_is_killed_often(record_property: Figure) -> None:
    kills = int(os.environ.get("SISF_SOAK_KILLS", "50"))
    assert database_campaign(kills, record_property).slowest_recovery <= 5


@pytest.mark.soak
def test_killed_hundreds_of_times_on_sqlite(tmp_path: Path, record_property: Figure) -> None:
    kills = int(os.environ.get("SISF_SOAK_KILLS", "300"))
    assert campaign(f"sqlite:///{tmp_path / 'sisf.db'}", kills, record_property).slowest_recovery <= 5


@pytest.mark.soak
def test_killed_hundreds_of_times_on_postgres(postgres_store: Callable[[], str], record_property: Figure) -> None:
    kills = int(os.environ.get("SISF_SOAK_KILLS", "200"))
    assert campaign(postgres_store(), kills, record_property).slowest_recovery <= 5
