"""What two processes behind one port serve, against one, where each text costs the encoder's time."""

import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sisf.evaluation.bench.sockets import Requests, command_running, cpu_seconds, send, wait
from sisf.policy import Change, Policy
from sisf.store import open_store

_ROUNDS = 3
_START_SECONDS = 120.0
_STANDS = re.compile(r"stands at (http://\S+)/v1")


@dataclass(frozen=True, slots=True)
class Throughput:
    """Requests a second over 16 connections that one process serves, and two."""

    one: float
    two: float
    cores: float
    """Cores that the one process keeps busy meanwhile: what it leaves idle is all that a second one can use."""


def throughput(upstream: str, folder: Path, policies: Sequence[Policy], requests: Requests, count: int) -> Throughput:
    """Measure both: medians of rounds that alternate.

    Both stand for all of the time, so that a busy machine slows both. `requests` are never the same ones.
    """
    with ExitStack() as stack:
        servers = [stack.enter_context(_serving(upstream, folder / str(n), policies, n)) for n in (1, 2)]
        for url, _ in servers:
            wait(url)
            send(url, requests, 32)  # the encoder is loaded by the first text, in each process
        rounds = [[_round(url, process, requests, count) for url, process in servers] for _ in range(_ROUNDS)]
    one, two = zip(*rounds, strict=True)
    return Throughput(
        statistics.median(rate for rate, _ in one),
        statistics.median(rate for rate, _ in two),
        statistics.median(cores for _, cores in one),
    )


def _round(url: str, process: int, requests: Requests, count: int) -> tuple[float, float]:
    """Requests a second, and cores that the process (without its children) keeps busy."""
    before = cpu_seconds(process)
    seconds = send(url, requests, count)
    return count / seconds, (cpu_seconds(process) - before) / seconds


@contextmanager
def _serving(upstream: str, folder: Path, policies: Sequence[Policy], processes: int) -> Iterator[tuple[str, int]]:
    """`sisf serve` as users start it, over a store that holds these policies: its base URL and its process id."""
    folder.mkdir(parents=True)
    store = open_store(f"sqlite:///{folder}/bench.db")
    store.policies.commit(Change(tuple(policies), "person:bench", "bench"), expected=0)
    store.close()
    words = [sys.executable, "-m", "sisf", "serve", "--port", "0", "--store", f"sqlite:///{folder}/bench.db"]
    own = {
        "SISF_LISTEN__PROCESSES": str(processes),
        "SISF_LOOP__WORKERS": "0",
        "SISF_ADMIN__ENABLED": "false",
        "SISF_UPSTREAM__CONNECT_TIMEOUT": "60",  # several processes start on few cores: the upstream may have to wait
        "SISF_LOG_LEVEL": "warning",  # what is shown when a request fails are the last lines
    }
    log = folder / "serve.log"
    with command_running([*words, "--upstream", f"{upstream}/v1"], own, log) as process:
        yield _stands(process, log), process.pid


def _stands(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """The base URL that the server prints when it stands. Raises `RuntimeError` when it ends, or takes too long."""
    end = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        if (found := _STANDS.search(log.read_text(errors="replace"))) is not None:
            return found[1]
        time.sleep(0.1)
    raise RuntimeError("`sisf serve` did not start")
