"""One hostile client at default limits, before the real program: what it costs in memory, and what honest clients wait.

`make soak ARGS='tests/gateway/test_hostile_memory.py -s'` prints a line for each shape, which is sent for
`HOSTILE_SECONDS` (6).
"""

import http.client
import json
import multiprocessing
import os
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sisf.embedding import create_embedder
from sisf.gateway.identity import KeyFile
from sisf.policy import Action, Change, Direction, GateReport, Policy, Prototypes, Status
from sisf.store import open_store
from sisf.testing import ScriptedServer
from tests.gateway.conftest import chat
from tests.gateway.hostile import (
    CHAT,
    KEPT,
    LEFT,
    LONG_STREAM,
    LONG_TEXTS,
    MARKER,
    SENT,
    SHAPES,
    Shape,
    answer_all,
    send,
    send_raw,
)
from tests.gateway.test_process import serving
from tests.gateway.test_soak import memory
from tests.warden.samples import pattern

SECONDS = float(os.environ.get("HOSTILE_SECONDS", "6"))
MORE_KB = 200_000
"""What one hostile client may add to the memory of the program, kB."""
AT_ONCE = 4
PROCESSES = multiprocessing.get_context("spawn")
"""Attackers are other programs: in this one they would hold up the honest client themselves."""
Attack = Callable[[str], AbstractContextManager[None]]
"""Attacks the server at an address for as long as it is entered."""
HALF_OPEN = 400
EVERY = 0.05
"""Seconds between two honest requests."""


class Campaign:
    """A program with policies of both kinds in force, an honest client and a hostile one."""

    def __init__(
        self, upstream: ScriptedServer, address: str, elsewhere: str, process: int, keys: tuple[str, str]
    ) -> None:
        self._upstream, self._address, self._elsewhere, self._process = upstream, address, elsewhere, process
        self._honest, self._hostile = keys
        self._asked = 0

    def ask(self, key: str, path: str, body: bytes) -> int:
        connection = http.client.HTTPConnection(self._address, timeout=60)
        try:
            headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()

    def honest(self, seconds: float) -> tuple[list[float], Counter[int], int]:
        """Ask for so long: the sorted waits, the statuses, and the most memory meanwhile, kB."""
        waits: list[float] = []
        statuses, most = Counter[int](), 0
        end = time.monotonic() + seconds
        while time.monotonic() < end or len(waits) < 20:
            self._asked += 1
            body = json.dumps(chat(f"How do I water cactus number {self._asked} in winter?")).encode()
            begun = time.monotonic()
            statuses[self.ask(self._honest, CHAT, body)] += 1
            waits.append(time.monotonic() - begun)
            most = max(most, memory(self._process))
            time.sleep(EVERY)
        return sorted(waits), statuses, most

    def attacked(self, attack: Attack) -> str:
        """What honest clients see, and what memory is taken, while attackers do so. Fails on what is not allowed.

        The attackers share the processors with the program here, so they attack another server first: only what honest
        clients wait longer than then is the program's doing.
        """
        before, _, low = self.honest(SECONDS / 2)
        with attack(self._elsewhere):
            beside, _, _ = self.honest(SECONDS / 2)
        with attack(self._address):
            during, statuses, most = self.honest(SECONDS)
        assert most - low <= MORE_KB, f"{most - low} kB more"
        if self._upstream.body is None:  # what the hostile client is answered, the honest one is, too
            assert set(statuses) == {200}, statuses
        waits = [
            f"p{100 * share:.0f} " + " -> ".join(f"{1000 * each[int(share * (len(each) - 1))]:.0f}" for each in found)
            for share in (0.5, 0.99)
            for found in [(before, beside, during)]
        ]
        return f"{', '.join(waits)} ms (alone, beside, attacked), memory +{(most - low) / 1000:.0f} MB"

    def sending(self, shape: Shape) -> Attack:
        """Send one shape again and again."""
        self._upstream.body, self._upstream.events = shape.answer, shape.events
        return self._attacking(send, shape.path, shape.body)

    def sending_raw(self, name: str) -> Attack:
        """Do with connections what has this name."""
        self._upstream.body, self._upstream.events = None, None
        if name == "streams that nobody reads":
            self._upstream.events = LONG_STREAM
        return self._attacking(send_raw, name)

    def _attacking(self, main: Callable[..., None], *what: object) -> Attack:
        @contextmanager
        def attack(address: str) -> Iterator[None]:
            over = PROCESSES.Event()
            process = PROCESSES.Process(target=main, args=(address, self._hostile, *what, AT_ONCE, over), daemon=True)
            process.start()
            try:
                yield
            finally:
                over.set()
                process.join(90)
                process.kill()

        return attack

    def half_open(self, beginning: bytes) -> Attack:
        """Open connections, and never end the request on them."""

        @contextmanager
        def attack(address: str) -> Iterator[None]:
            host, _, port = address.rpartition(":")
            with ExitStack() as stack:
                for _ in range(HALF_OPEN):
                    with suppress(OSError):
                        opened = stack.enter_context(socket.create_connection((host, int(port)), timeout=10))
                        opened.sendall(beginning)
                yield

        return attack

    def head(self) -> bytes:
        """A request of the hostile client as far as its body."""
        named = f"POST {CHAT} HTTP/1.1\r\nHost: {self._address}\r\nAuthorization: Bearer {self._hostile}\r\n"
        return f"{named}Content-Type: application/json\r\nContent-Length: 3900000\r\n\r\n".encode()


def _near_nothing() -> Policy:
    vector = np.random.default_rng(0).normal(size=384).astype("<f4")
    vector /= np.linalg.norm(vector)
    condition = Prototypes(vectors=vector.tobytes(), dimensions=384, embedder=create_embedder().id, threshold=0.99)
    return Policy(condition, Action.BLOCK, Direction.BOTH, "nothing is near to it", status=Status.ACTIVE)


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campaign]:
    folder: Path = tmp_path_factory.mktemp("campaign")
    store = open_store(f"sqlite:///{folder}/sisf.db")
    made = [replace(p, gate_report=GateReport(True)) for p in (pattern(f"(?i){MARKER}"), _near_nothing())]
    revision = store.policies.snapshot().revision
    store.policies.commit(Change(tuple(made), "person:test", "made"), expected=revision)
    store.close()
    file = KeyFile(folder / "keys.json")
    keys = tuple(file.create(principal=name, role="client")[0] for name in ("honest", "hostile"))
    mine, theirs = PROCESSES.Pipe()
    other = PROCESSES.Process(target=answer_all, args=(theirs,), daemon=True)
    other.start()
    sys.setswitchinterval(0.0005)  # the upstream answers in this program
    with ScriptedServer() as upstream:
        config = folder / "sisf.yaml"
        settled = f"upstream: {{url: '{upstream.url}'}}\nkeys: {{file: '{folder}/keys.json'}}\n"
        config.write_text(f"{settled}limits: {{blocks_per_minute: 0}}\nloop: {{workers: 0}}\nlog_level: error\n")
        with serving(folder, "--config", str(config)) as (process, address):
            found = Campaign(upstream, address, mine.recv(), process.pid, (keys[0], keys[1]))
            found.honest(1)
            yield found
    other.kill()


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", [*SHAPES, *LONG_TEXTS])
def test_no_document_starves_others(campaign: Campaign, name: str) -> None:
    shape = (SHAPES.get(name) or LONG_TEXTS[name])()
    print(f"\n{name}: {campaign.attacked(campaign.sending(shape))}")


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", [*SENT, *LEFT, *KEPT])
def test_nothing_done_with_connections_starves_others(campaign: Campaign, name: str) -> None:
    print(f"\n{name}: {campaign.attacked(campaign.sending_raw(name))}")


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("sent", [0, 60_000, 1_000_000])
def test_no_half_open_requests_starve_others(campaign: Campaign, sent: int) -> None:
    found = campaign.attacked(campaign.half_open(campaign.head() + b" " * sent))
    print(f"\n{HALF_OPEN} half-open, {sent} bytes each: {found}")
