"""Servers in processes of their own, and load on them over plain sockets: what the benches of the gateway share."""

import asyncio
import contextlib
import itertools
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sisf.serving import address_of, bind

PATH = "/v1/chat/completions"
_SCHEDULED = 2
"""Of the clocks that Linux has for a process, the one that the scheduler keeps (clock_getcpuclockid)."""
_CONNECTIONS = 16
_LAST_LINES = 40
_STOP_SECONDS = 20
"""What a server has to end by itself."""
_SPAWN = multiprocessing.get_context("spawn")

Requests = Iterator[bytes]
"""Whole HTTP requests, without end."""


@contextmanager
def server(target: Callable[..., None], *args: Any) -> Iterator[tuple[str, int]]:
    """A server in a process of its own: its base URL and its process id."""
    listener = bind("127.0.0.1", 0)
    process = _SPAWN.Process(target=target, args=(listener, *args), daemon=True)
    process.start()
    try:
        url = address_of(listener)
        listener.close()
        wait(url)
        yield url, process.pid or 0
    finally:
        process.terminate()
        process.join(10)


def wait(url: str, seconds: float = 120.0) -> None:
    """Return when a server answers. Raises `TimeoutError`."""
    end = time.monotonic() + seconds
    body = json.dumps({"model": "bench", "messages": [{"role": "user", "content": "hi"}]}).encode()
    again = itertools.repeat(post(body))
    while time.monotonic() < end:
        try:
            send(url, again, 1, connections=1)
        except (OSError, EOFError, ValueError):
            time.sleep(0.2)
        else:
            return
    raise TimeoutError(f"the server at {url} did not start")


def post(body: bytes) -> bytes:
    """A whole request for a completion."""
    head = f"POST {PATH} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
    return f"{head}authorization: Bearer sk-bench\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


async def answer(reader: asyncio.StreamReader) -> None:
    """Read one answer. Raises `ValueError` unless its status is 200."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if not head.startswith(b"http/1.1 200"):
        raise ValueError(head.split(b"\r\n")[0].decode())
    length = next((line for line in head.split(b"\r\n") if line.startswith(b"content-length:")), None)
    if length is not None:
        await reader.readexactly(int(length.split(b":")[1]))
        return
    while True:
        size = int((await reader.readline()).split(b";")[0], 16)
        await reader.readexactly(size + 2)
        if size == 0:
            return


def address(url: str) -> tuple[str, int]:
    """Host and port of a base URL."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    return host, int(port)


def send(url: str, requests: Requests, count: int, connections: int = _CONNECTIONS) -> float:
    """Send `count` requests over keep-alive connections; seconds."""

    async def one(share: int) -> None:
        reader, writer = await asyncio.open_connection(*address(url))
        for _ in range(share):
            writer.write(next(requests))
            await answer(reader)
        writer.close()

    async def everything() -> float:
        start = time.perf_counter()
        await asyncio.gather(*(one(max(1, count // connections)) for _ in range(connections)))
        return time.perf_counter() - start

    return asyncio.run(everything())


def cpu_seconds(process: int) -> float:
    """Seconds of CPU that the threads of a process have used, those that ended included (Linux)."""
    return time.clock_gettime(~process << 3 | _SCHEDULED)


@contextmanager
def litellm(upstream: str, folder: Path) -> Iterator[str | None]:
    """The base URL of LiteLLM's proxy in front of the same upstream; None where the command `litellm` is not found."""
    command = shutil.which("litellm")
    if command is None:
        yield None
        return
    parameters = {"model": "openai/bench", "api_base": f"{upstream}/v1", "api_key": "sk-bench"}
    config = {"model_list": [{"model_name": "bench", "litellm_params": parameters}]}
    (folder / "litellm.yaml").write_text(json.dumps(config))
    with bind("127.0.0.1", 0) as free:
        host, port = address(address_of(free))
    words = [command, "--config", str(folder / "litellm.yaml"), "--host", host, "--port", str(port)]
    own = {
        "LITELLM_LOG": "ERROR",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",  # loopback, and only for this bench
    }
    with command_running(words, own, folder / "litellm.log"):
        url = f"http://{host}:{port}"
        wait(url)
        yield url


@contextmanager
def command_running(
    words: Sequence[str], environment: Mapping[str, str], log: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    """A server that is a command of its own, with all that it starts. What it prints goes into the file `log`.

    An error while it runs is shown with the last lines of the file: why a connection was closed, only the server knows.
    """
    with (
        log.open("wb") as file,
        subprocess.Popen(  # noqa: S603 - our own command, or one that the user installed, with our own arguments
            words, stdout=file, stderr=file, env={**os.environ, **environment}, start_new_session=True
        ) as process,
    ):
        try:
            yield process
        except Exception as error:
            ended = process.poll()
            state = "still runs" if ended is None else f"ended with {ended}"
            lines = log.read_text(errors="replace").splitlines()[-_LAST_LINES:] or ["nothing"]
            error.add_note("\n".join([f"`{' '.join(words)}` {state}; it printed last:", *lines]))
            raise
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_SECONDS)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
