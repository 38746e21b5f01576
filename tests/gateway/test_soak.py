"""Half an hour of clients that disconnect, stall, send garbage and break off, over the real parts: nothing leaks.

`SOAK_SECONDS` shortens it for a look.
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


@pytest.mark.soak
@pytest.mark.timeout(3 * 3600)
def test_nothing_leaks(tmp_path: Path) -> None:
    end = time.monotonic() + SECONDS
    seen: Counter[str] = Counter()
    with ScriptedServer(failure=Failure.SLOW, delay=0.002, events=chat_events(["word "] * 60)) as upstream:
        config = tmp_path / "sisf.yaml"
        config.write_text(f"upstream: {{url: '{upstream.url}'}}\nloop: {{workers: 0}}\nlog_level: error\n")
        with serving(tmp_path, "--config", str(config)) as (process, address):

            def client(number: int) -> None:
                rng = random.Random(number)
                while time.monotonic() < end:
                    behave(address, rng, seen)
                    upstream.requests.clear()

            clients = [threading.Thread(target=client, args=(number,)) for number in range(WORKERS)]
            for thread in clients:
                thread.start()
            time.sleep(SECONDS / 5)
            warm = memory(process.pid)
            while time.monotonic() < end:
                time.sleep(min(10, SECONDS / 10))
                with suppress(ProcessLookupError):
                    process.send_signal(signal.SIGHUP)
            for thread in clients:
                thread.join()
            time.sleep(2)
            after = memory(process.pid)
            assert process.poll() is None
    print(dict(seen), f"memory {warm} kB after warm-up, {after} kB at the end")
    assert not [name for name in seen if name.split()[1] not in ("200", "400")]
    assert after <= 1.1 * warm
