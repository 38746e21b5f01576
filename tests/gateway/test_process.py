"""The gateway as a process: reload on SIGHUP, drain on SIGTERM, one clear line when it cannot start."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from sisf.testing import Failure, ScriptedServer, chat_events, wait_until
from tests.gateway.conftest import chat

pytestmark = pytest.mark.slow


@contextmanager
def serving(folder: Path, *options: str, processes: int = 1) -> Iterator[tuple[subprocess.Popen[str], str]]:
    words = [sys.executable, "-m", "sisf", "serve", "--port", "0", "--store", f"sqlite:///{folder}/sisf.db", *options]
    environment = {
        **os.environ,
        "PYTHONPATH": "src",
        "SISF_ADMIN__ENABLED": "false",
        "SISF_LISTEN__PROCESSES": str(processes),
    }
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stderr is not None
            lines: list[str] = []
            for line in process.stderr:
                lines.append(line)
                found = re.search(r"stands at http://(\S+)/v1", line)
                if found:
                    break
            else:
                raise AssertionError("".join(lines))
            threading.Thread(target=_keep, args=(process.stderr, folder / "log"), daemon=True).start()
            yield process, found.group(1)
        finally:
            process.kill()


def _keep(said: IO[str], log: Path) -> None:
    with log.open("w", buffering=1, encoding="utf-8") as file:
        file.writelines(said)


def post(address: str, body: Any) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(address, timeout=30)
    try:
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


TWO = {"model": "m", "messages": [{"role": "user", "content": "hi"}] * 2}


def configuration(tmp_path: Path, upstream: ScriptedServer) -> tuple[Path, str]:
    """A file that admits five messages a request, and its text for any number."""
    config = tmp_path / "sisf.yaml"
    text = f"upstream: {{url: '{upstream.url}'}}\nloop: {{workers: 0}}\nlimits: {{messages: %d}}\n"
    config.write_text(text % 5)
    return config, text


def test_reload_and_drain(tmp_path: Path) -> None:
    with ScriptedServer() as upstream:
        config, text = configuration(tmp_path, upstream)
        with serving(tmp_path, "--config", str(config)) as (process, address):
            assert wait_until(lambda: post(address, TWO)[0] == 200)
            config.write_text(text % 1)
            process.send_signal(signal.SIGHUP)
            assert wait_until(lambda: post(address, TWO)[0] == 400)
            config.write_text(
                text % 1 + "listen: {port: 1}\nstore: {url: 'sqlite:///other.db'}\nprivacy: {exchanges: full}\n"
            )
            process.send_signal(signal.SIGHUP)
            log = tmp_path / "log"
            # Options of the command count more than the file, so that the port and the store are as they were.
            assert wait_until(lambda: '"settings":["privacy.exchanges"],"event":"restart_needed"' in log.read_text())
            config.write_text("limits: {mesages: 1}")
            process.send_signal(signal.SIGHUP)
            time.sleep(0.5)
            assert post(address, chat("hi"))[0] == 200  # a wrong file changes nothing
            upstream.failure, upstream.delay, upstream.events = Failure.SLOW, 0.2, chat_events(["word "] * 8)
            answers: list[bytes] = []
            slow = threading.Thread(target=lambda: answers.append(post(address, chat("hi", stream=True))[1]))
            slow.start()
            assert wait_until(lambda: any(b"stream" in r.body for r in upstream.requests))
            process.send_signal(signal.SIGTERM)
            slow.join(20)
            assert answers
            assert answers[0].endswith(b"data: [DONE]\n\n")
            process.wait(60)
            with pytest.raises(OSError, match="refused"):
                socket.create_connection(address.split(":"), timeout=1)  # type: ignore[arg-type]


def test_a_reload_that_is_asked_for_during_the_start_is_done(tmp_path: Path) -> None:
    with ScriptedServer() as upstream:
        config, text = configuration(tmp_path, upstream)
        with serving(tmp_path, "--config", str(config)) as (process, address):
            # It has said where it stands, and is about to serve.
            config.write_text(text % 1)
            process.send_signal(signal.SIGHUP)
            assert wait_until(lambda: post(address, TWO)[0] == 400)
            assert process.poll() is None


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        words = [sys.executable, "-m", "sisf", "serve", "--port", port, "--upstream", "http://127.0.0.1:1/v1"]
        environment = {**os.environ, "PYTHONPATH": str(Path("src").resolve())}
        done = subprocess.run(words, check=False, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "port is in use" in done.stderr


def test_what_was_answered_is_written_before_a_gateway_ends(tmp_path: Path) -> None:
    with ScriptedServer() as upstream, serving(tmp_path, "--upstream", upstream.url) as (process, address):
        for number in range(30):
            assert post(address, chat(f"hi {number}"))[0] == 200
        process.send_signal(signal.SIGTERM)  # rows of the latest answers are still being gathered
        assert process.wait(60) == 0
    assert _rows(tmp_path) == 30


def test_two_processes_serve_one_port_and_one_of_them_may_die(tmp_path: Path) -> None:
    with ScriptedServer() as upstream, serving(tmp_path, "--upstream", upstream.url, processes=2) as (parent, address):
        assert wait_until(lambda: len(_children(parent.pid)) == 2)
        for number in range(20):
            assert post(address, chat(f"hi {number}"))[0] == 200
        # A sibling that is busy starting may not answer in time: its figures are there the next time.
        counted = 'sisf_requests_total{endpoint="chat",status="200"} 20.0'
        assert wait_until(lambda: counted in get(address, "/metrics").splitlines())
        # Rows are gathered for some moments: what is not yet written would die with the process.
        assert wait_until(lambda: _rows(tmp_path) == 20)
        victim = _children(parent.pid)[1]
        os.kill(victim, signal.SIGKILL)
        # Connections that it had accepted die with it; from then on nothing is lost.
        assert wait_until(lambda: victim not in _children(parent.pid))
        for number in range(20):
            assert post(address, chat(f"ho {number}"))[0] == 200
        assert wait_until(lambda: len(_children(parent.pid)) == 2 and victim not in _children(parent.pid))
        parent.send_signal(signal.SIGTERM)
        assert parent.wait(60) == 0
    assert _rows(tmp_path) == 40


def _rows(folder: Path) -> int:
    with contextlib.closing(sqlite3.connect(folder / "sisf.db")) as store:
        return int(store.execute("SELECT count(*) FROM exchange").fetchone()[0])


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def get(address: str, path: str) -> str:
    connection = http.client.HTTPConnection(address, timeout=30)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()
