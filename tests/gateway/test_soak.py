"""Half an hour of clients that disconnect, stall, send garbage and break off, at half of full load and through reloads
of a configuration that changes, over the real parts: nothing leaks, and no error comes that was not caused.

`SOAK_SECONDS` shortens it for a look: SOAK_SECONDS=240 make soak ARGS='tests/gateway/test_soak.py -s'.
"""

import http.client
import json
import os
import random
import signal
import socket
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from sisf.testing import Failure, ScriptedServer, chat_events
from tests.gateway.conftest import chat
from tests.gateway.test_malformed import mutated
from tests.gateway.test_process import serving

SECONDS = float(os.environ.get("SOAK_SECONDS", "1800"))
WORKERS = 8


def memory(pid: int) -> int:
    """Resident memory of a process, kB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def behave(address: str, rng: random.Random, seen: Counter[str]) -> None:
    """One client's visit."""
    host, _, port = address.rpartition(":")
    what = rng.choice(["plain", "plain", "stream", "stream", "leave", "leave_stream", "garbage", "mutated", "stall"])
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    headers = {"content-type": "application/json"}
    body = json.dumps(chat(f"hello {rng.random()}", stream="stream" in what)).encode()
    try:
        if what in ("garbage", "stall"):
            with socket.create_connection((host, int(port)), timeout=5) as raw:
                raw.sendall(b"POST /v1/chat/completions HTTP/1.1\r\n" if what == "stall" else rng.randbytes(200))
                time.sleep(0.05)
            return
        body = mutated(rng) if what == "mutated" else body
        connection.request("POST", "/v1/chat/completions", body, headers)
        if what == "leave":
            return
        response = connection.getresponse()
        if what == "leave_stream":
            response.read(100)
            response.close()
            return
        response.read()
        seen[f"{what} {response.status}"] += 1
    except (OSError, http.client.HTTPException) as error:
        seen[f"{what} {type(error).__name__}"] += 1
    finally:
        connection.close()


class Pace:
    """Visits of all clients together: as many as they can make, then half as many."""

    def __init__(self) -> None:
        self.visits = 0
        self._lock = threading.Lock()
        self._gap = 0.0
        self._next = time.monotonic()

    def halve(self, seconds: float) -> float:
        """Take what came in so many seconds for full load; returns the visits a second from now on."""
        with self._lock:
            self._gap = 2 * seconds / self.visits
            self._next = time.monotonic()
        return 1 / self._gap

    def wait(self) -> None:
        """Until the next visit is due."""
        with self._lock:
            self.visits += 1
            self._next = max(self._next + self._gap, time.monotonic() - 1)
            due = self._next
        if self._gap:
            time.sleep(max(0.0, due - time.monotonic()))


@pytest.mark.soak
@pytest.mark.timeout(3 * 3600)
def test_nothing_leaks(tmp_path: Path) -> None:
    end = time.monotonic() + SECONDS
    seen: Counter[str] = Counter()
    with ScriptedServer(failure=Failure.SLOW, delay=0.002, events=chat_events(["word "] * 60)) as upstream:
        config = tmp_path / "sisf.yaml"
        pace = Pace()

        def configure(window: int) -> None:
            streaming = f"streaming: {{window_chars: {window}}}"
            settled = "loop: {workers: 0}\nlog_level: error"
            config.write_text(f"upstream: {{url: '{upstream.url}'}}\n{streaming}\n{settled}\n")

        configure(512)
        with serving(tmp_path, "--config", str(config)) as (process, address):

            def client(number: int) -> None:
                rng = random.Random(number)
                while time.monotonic() < end:
                    pace.wait()
                    behave(address, rng, seen)
                    upstream.requests.clear()

            clients = [threading.Thread(target=client, args=(number,)) for number in range(WORKERS)]
            for thread in clients:
                thread.start()
            time.sleep(SECONDS / 10)
            rate = pace.halve(SECONDS / 10)
            time.sleep(SECONDS / 10)
            warm = memory(process.pid)
            while time.monotonic() < end:
                time.sleep(min(10, SECONDS / 10))
                configure(random.choice([256, 512, 1024]))
                with suppress(ProcessLookupError):
                    process.send_signal(signal.SIGHUP)
            for thread in clients:
                thread.join()
            time.sleep(2)
            after = memory(process.pid)
            assert process.poll() is None
    print(dict(seen), f"{rate:.0f} visits a second, memory {warm} kB after warm-up, {after} kB at the end")
    assert not [name for name in seen if name.split()[1] not in ("200", "400")]
    assert after <= 1.1 * warm
