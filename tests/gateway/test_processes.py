"""Several processes behind one port: connections in turn, the dead replaced, signals passed on, one set of figures."""

import asyncio
import gc
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvloop
from prometheus_client.parser import text_string_to_metric_families

from sisf.gateway.processes import process_count
from sisf.gateway.siblings import Siblings, added_up
from sisf.pipeline.metrics import Metrics
from sisf.testing import wait_until

CHILD = """
import os, signal, socket
from sisf.gateway.processes import Processes
from sisf.gateway.server import configure_logs
configure_logs("error")
def serve(place):
    reloads = 0
    def reload(*_):
        nonlocal reloads
        reloads += 1
    signal.signal(signal.SIGHUP, reload)
    place.reloads()
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
    place.channel.settimeout(0.05)
    place.ready()
    while not stopped:
        try:
            taken = place.take()
        except TimeoutError:
            continue
        if taken is None:
            return
        for connection in taken:
            with connection:
                connection.sendall(f"{place.index} {os.getpid()} {reloads}".encode())
listener = socket.create_server(("127.0.0.1", 0))
listener.setblocking(False)
port = listener.getsockname()[1]
Processes(listener, 3, serve, ready=lambda: print(port, flush=True)).run()
print("ended", flush=True)
"""


def ask(port: int) -> tuple[int, int, int]:
    """Index, id and reloads of the process that answers."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        index, pid, reloads = connection.makefile().read().split()
        return int(index), int(pid), int(reloads)


@contextmanager
def three() -> Iterator[tuple[subprocess.Popen[str], int]]:
    words = [sys.executable, "-c", CHILD]
    environment = {**os.environ, "PYTHONPATH": "src"}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        try:
            assert parent.stdout is not None
            yield parent, int(parent.stdout.readline())
        finally:
            parent.kill()


def test_connections_go_in_turn_the_dead_are_replaced_and_signals_reach_all() -> None:
    with three() as (parent, port):
        assert wait_until(lambda: {ask(port)[0] for _ in range(6)} == {0, 1, 2})
        served = [ask(port)[0] for _ in range(30)]
        assert [served.count(index) for index in range(3)] == [10, 10, 10]
        index, victim, _ = ask(port)
        os.kill(victim, signal.SIGKILL)
        assert all(len(ask(port)) == 3 for _ in range(20))  # nobody notices
        assert wait_until(lambda: index in {ask(port)[0] for _ in range(6)})
        assert victim not in {ask(port)[1] for _ in range(9)}
        parent.send_signal(signal.SIGHUP)
        assert wait_until(lambda: {ask(port)[2] for _ in range(6)} == {1})
        parent.send_signal(signal.SIGTERM)
        assert parent.wait(60) == 0
        assert parent.stdout is not None
        assert parent.stdout.read() == "ended\n"


def test_children_end_when_their_parent_is_killed() -> None:
    with three() as (parent, port):
        assert wait_until(lambda: {ask(port)[0] for _ in range(6)} == {0, 1, 2})
        children = {ask(port)[1] for _ in range(3)}
        parent.kill()
        parent.wait(60)
        assert wait_until(lambda: not any(_alive(pid) for pid in children))


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_counters_and_histograms_of_all_processes_are_added_up() -> None:
    one, two = Metrics(), Metrics()
    for metrics, times, status in ((one, 3, "200"), (two, 4, "400")):
        for _ in range(times):
            metrics.requests.inc("chat", "200")
            metrics.requests.inc("messages", status)
            metrics.added.observe(0.002 * times)
        metrics.fail_opens.labels("warden").inc(times)
        metrics.in_flight = times
        metrics.policies.labels("active").set(times)
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(added_up(one.render(), [two.render()]).decode())
        for sample in family.samples
    }
    assert found["sisf_requests_total", "chat", "200"] == 7
    assert found["sisf_requests_total", "messages", "200"] == 3
    assert found["sisf_requests_total", "messages", "400"] == 4
    assert found["sisf_added_seconds_count",] == 7
    assert found["sisf_added_seconds_sum",] == pytest.approx(3 * 0.006 + 4 * 0.008)
    assert found["sisf_added_seconds_bucket", "+Inf"] == 7
    assert found["sisf_fail_opens_total", "warden"] == 7
    assert found["sisf_requests_in_flight",] == 7
    assert found["sisf_policies", "active"] == 3  # every process says it of the same store


def test_auto_is_one_for_each_processor() -> None:
    assert process_count("auto") == len(os.sched_getaffinity(0))
    assert process_count(3) == 3


def test_processes_still_tell_each_other_after_a_collection_of_garbage(tmp_path: Path) -> None:
    """With uvloop a listening server that nobody holds is closed: `/metrics` then told of one process alone."""

    async def told() -> bytes:
        first, second = Siblings(tmp_path, 0), Siblings(tmp_path, 1)
        await second.listen(lambda: b"# TYPE asked counter\nasked_total 2.0\n")
        gc.collect()
        try:
            return await first.with_others(b"# TYPE asked counter\nasked_total 1.0\n")
        finally:
            if second._listening is not None:
                second._listening.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert b"asked_total 3.0" in runner.run(told())
