"""What two processes behind one port serve, against one, where each text costs the encoder's time."""

import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sisf.evaluation.bench.sockets import Requests, command_running, send, wait
from sisf.policy import Change, Policy
from sisf.store import open_store

_ROUNDS = 3
_START_SECONDS = 120.0
_STANDS = re.compile(r"stands at (http://\S+)/v1")


def throughput(upstream: str, folder: Path, policies: Sequence[Policy], requests: Requests, count: int) -> list[float]:
    """Requests a second over 16 connections that one process serves, and two: medians of rounds that alternate.

    Both stand for all of the time, so that a busy machine slows both. `requests` are never the same ones.
    """
    with ExitStack() as stack:
        urls = [stack.enter_context(_serving(upstream, folder / str(n), policies, n)) for n in (1, 2)]
        for url in urls:
            wait(url)
            send(url, requests, 32)  # the encoder is loaded by the first text, in each process
        rates = [[count / send(url, requests, count) for url in urls] for _ in range(_ROUNDS)]
    return [statistics.median(rate) for rate in zip(*rates, strict=True)]


@contextmanager
def _serving(upstream: str, folder: Path, policies: Sequence[Policy], processes: int) -> Iterator[str]:
    """`sisf serve` as users start it, over a store that holds these policies: its base URL."""
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
        yield _stands(process, log)


def _stands(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """The base URL that the server prints when it stands. Raises `RuntimeError` when it ends, or takes too long."""
    end = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        if (found := _STANDS.search(log.read_text(errors="replace"))) is not None:
            return found[1]
        time.sleep(0.1)
    raise RuntimeError("`sisf serve` did not start")
