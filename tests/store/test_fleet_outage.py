"""Three gateways and two workers, each a process, on one PostgreSQL that is killed and comes back."""

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from sisf.testing import ScriptedServer, wait_until
from tests.postgres import PostgresServer
from tests.store.test_crash import ROOT

Figure = Callable[[str, object], None]


@dataclass
class Member:
    """One process of the fleet."""

    process: "subprocess.Popen[str]"
    url: str = ""
    revisions: list[tuple[int, float]] = field(default_factory=lambda: [(0, 0.0)])
    """What it put in force, and when."""
    reader: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.reader = threading.Thread(target=self.read, daemon=True)

    def post(self, prompt: str) -> tuple[int, int]:
        """Status and revision of the answer to a chat request."""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=120)
        try:
            body = json.dumps({"model": "m", "messages": [{"role": "user", "content": prompt}]})
            connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            return answer.status, int(answer.headers.get("x-sisf-revision") or -1)
        finally:
            connection.close()

    def stops(self, prompt: str) -> bool:
        return self.post(prompt)[0] == 400

    def enforced(self, revision: int) -> float:
        """When it first enforced `revision` or a later one."""
        return next((at for number, at in self.revisions if number >= revision), float("inf"))

    def read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                kind, *words = line.split()
                if kind == "ready":
                    self.url = words[0]
                elif kind == "revision":
                    self.revisions.append((int(words[0]), float(words[1])))

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.reader.join()


@dataclass
class Fleet:
    """The whole of it. The third gateway lets requests pass while the store is away, the other two refuse them."""

    server: PostgresServer
    gateways: list[Member]
    workers: list[Member]

    def learn(self, attack: str) -> None:
        """Send an attack through the first gateway; return when what was learned from it is in force on all."""
        revision = self.gateways[0].revisions[-1][0] + 1
        assert self.gateways[0].post(attack) == (200, revision - 1)
        assert wait_until(lambda: all(member.revisions[-1][0] >= revision for member in self.gateways))
        assert all(member.stops(attack) for member in self.gateways)

    def committed(self) -> dict[int, float]:
        with psycopg.connect(self.server.url) as connection:
            return dict(connection.execute("SELECT number, time FROM revision").fetchall())


@contextmanager
def fleet() -> Iterator[Fleet]:
    server, members = PostgresServer(), []
    with ScriptedServer() as upstream:
        try:
            for role, on_store in (
                ("serve", "closed"),
                ("serve", "closed"),
                ("serve", "open"),
                *[("work", "closed")] * 2,
            ):
                members.append(start(server.url, role, upstream.url, on_store))
            assert wait_until(lambda: all(member.url for member in members), seconds=240)
            yield Fleet(server, members[:3], members[3:])
        finally:
            for member in members:
                member.end()
            server.close()


def start(*arguments: str) -> Member:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.store.fleet_child", *arguments]
    with Path(os.environ.get("SISF_SOAK_LOG", os.devnull)).open("ab") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
    member = Member(process)
    member.reader.start()
    return member


def attack_stream(fleet: Fleet, attacks: int, figure: Figure) -> float:
    """Learn from one attack after another; returns the 99th percentile from activation to enforcement everywhere."""
    for number in range(attacks):
        fleet.learn(f"attack number {number}!")
    delays = sorted(
        max(member.enforced(revision) for member in fleet.gateways) - at for revision, at in fleet.committed().items()
    )
    assert len(delays) == attacks
    for member in (*fleet.gateways, *fleet.workers):
        numbers = [number for number, _ in member.revisions]
        assert numbers == sorted(set(numbers)), "no revision was put in force twice, nor after a later one"
    p99 = delays[min(len(delays) - 1, int(len(delays) * 0.99))]
    figure("activation to enforcement on all, p50 / p99, ms", f"{delays[len(delays) // 2] * 1e3:.0f} / {p99 * 1e3:.0f}")
    return p99


def outage(fleet: Fleet, seconds: float, figure: Figure) -> float:
    """Kill the database for so long; returns the seconds after its return until all is well everywhere."""
    closed, open_ = fleet.gateways[:2], fleet.gateways[2]
    revision = max(fleet.committed())
    fleet.server.kill()
    end, answered = time.monotonic() + seconds, 0
    for member in closed:
        # Released answers do not wait for the store while it is well; from the first failure on they do.
        assert wait_until(lambda gateway=member: gateway.post("hello")[0] == 503)
    while time.monotonic() < end:
        assert [member.post("hello")[0] for member in closed] == [503, 503]
        assert open_.post("hello") == (200, revision)
        # What was learned is enforced; where a stop cannot be recorded, it is not told as one.
        assert open_.stops("attack number 0!")
        assert all(member.post("attack number 0!")[0] in {400, 503} for member in closed)
        answered += 6
    fleet.server.restart()
    back = time.monotonic()
    assert wait_until(lambda: all(member.post("hello")[0] == 200 for member in fleet.gateways))
    fleet.learn("attack after the outage!")
    recovery = time.monotonic() - back
    figure(f"database away for {seconds:g} s: requests answered as configured", answered)
    figure("until all gateways answer and enforce what was learned after it, s", f"{recovery:.1f}")
    return recovery


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_fleet_survives_its_database(record_property: Figure) -> None:
    with fleet() as running:
        attack_stream(running, 5, record_property)
        outage(running, 2, record_property)


@pytest.mark.soak
def test_a_fleet_survives_its_database_for_half_a_minute(record_property: Figure) -> None:
    with fleet() as running:
        assert attack_stream(running, 200, record_property) <= 0.25
        assert outage(running, 30, record_property) <= 5
