"""`sisf bench gateway`: what the gateway costs, against a bare pass-through and LiteLLM's proxy in the same run.

Every server runs in a process of its own on loopback; the load comes from this one over plain sockets.
"""

import asyncio
import itertools
import json
import multiprocessing
import os
import random
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from sisf.embedding.base import Embedder
from sisf.embedding.factory import create_embedder
from sisf.evaluation.bench.servers import (
    DIFFERENT,
    SSE_CHUNKS,
    UNINSPECTED,
    sentence,
    serve_gateway,
    serve_pass_through,
    serve_upstream,
)
from sisf.serving import address_of, bind

_CONNECTIONS = 16
_REQUESTS = 4_000
_SINGLE = 400
_STREAMS = 30
_SEMANTIC = 1_000
_PATH = "/v1/chat/completions"
_SPAWN = multiprocessing.get_context("spawn")


def run(seed: int = 0) -> dict[str, Any]:
    """Measure. `vs_litellm` is missing unless the command `litellm` is found (`make bench-gateway` installs it)."""
    rng = random.Random(seed)
    plain, stream = _requests(rng)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream, _ = stack.enter_context(_process(serve_upstream))
        direct_p50, direct_ttft = _single(upstream, plain), _first_token(upstream, stream)
        passing, passing_process = stack.enter_context(_process(serve_pass_through, upstream))
        guard, guard_process = stack.enter_context(_process(serve_gateway, upstream, str(folder), seed))
        for url in (passing, guard):
            _load(url, plain, _REQUESTS // 10)
        unseen = (_to(request, UNINSPECTED) for request in plain)
        rounds = [(_cost(passing, passing_process, plain), _cost(guard, guard_process, plain)) for _ in range(3)]
        passed, guarded = (min(cost for cost, _ in side) for side in zip(*rounds, strict=True))
        rate = max(rate for _, (_, rate) in rounds)
        figures = {
            "rps_16": round(rate),
            "rps_16_passthrough": round(max(rate for (_, rate), _ in rounds)),
            "cpu_us_per_request": round(guarded, 1),
            "cpu_us_per_request_passthrough": round(passed, 1),
            "cpu_us_per_request_uninspected": round(min(_cost(guard, guard_process, unseen)[0] for _ in range(3)), 1),
            "added_p50_ms": round(_single(guard, plain) - direct_p50, 3),
            "sse_us_per_chunk": round(_stream_cost(guard, guard_process, stream), 1),
            "ttft_added_ms": round(_first_token(guard, stream) - direct_ttft, 3),
        }
        semantic_ms, forward_ms = _semantic(upstream, folder, seed, plain)
        figures |= {"added_p50_semantic_ms": round(semantic_ms, 3), "forward_pass_ms": round(forward_ms, 3)}
        litellm = _litellm_rate(upstream, folder, plain)
    ratios = {
        "vs_litellm": litellm and round(rate / litellm, 1),
        "cpu_vs_passthrough": round(guarded / passed, 2),
        "added_semantic_vs_forward_pass": round(semantic_ms / forward_ms, 2),
    }
    if litellm:
        figures["rps_16_litellm"] = round(litellm)
    return {"ratios": {k: v for k, v in ratios.items() if v is not None}, "figures": figures}


Requests = Iterator[bytes]
"""Whole HTTP requests, without end."""


def _semantic(upstream: str, folder: Path, seed: int, requests: Requests) -> tuple[float, float]:
    """Median milliseconds that the gateway adds with semantic policies as well, and those of tokenising and embedding
    the same prompts."""
    embedder = create_embedder()
    own = folder / "semantic"
    own.mkdir()
    added, forward = [], []
    with _process(serve_gateway, upstream, str(own), seed, _SEMANTIC) as (guard, _):
        for _ in range(3):
            added.append(_single(guard, requests) - _single(upstream, requests))
            prompts = [_prompt(next(requests)) for _ in range(_SINGLE // 4)]
            forward.append(statistics.median(_seconds(embedder, prompt) for prompt in prompts) * 1e3)
    return statistics.median(added), statistics.median(forward)


def _prompt(request: bytes) -> str:
    body = json.loads(request.partition(b"\r\n\r\n")[2])
    return str(body["messages"][0]["content"])


def _seconds(embedder: Embedder, text: str) -> float:
    start = time.perf_counter()
    embedder.embed([text])
    return time.perf_counter() - start


def _requests(rng: random.Random) -> tuple[Requests, Requests]:
    """Plain ones and streaming ones, enough different ones that no text is found among those seen before."""
    bodies = [
        {"model": "bench", "messages": [{"role": "user", "content": sentence(rng, 45)}]} for _ in range(DIFFERENT)
    ]
    plain = [_request(json.dumps(body).encode()) for body in bodies]
    streaming = [_request(json.dumps({**body, "stream": True}).encode()) for body in bodies]
    return itertools.cycle(plain), itertools.cycle(streaming)


@contextmanager
def _process(target: Callable[..., None], *args: Any) -> Iterator[tuple[str, int]]:
    """A server in a process of its own: its base URL and its process id."""
    listener = bind("127.0.0.1", 0)
    process = _SPAWN.Process(target=target, args=(listener, *args), daemon=True)
    process.start()
    try:
        url = address_of(listener)
        listener.close()
        _wait(url)
        yield url, process.pid or 0
    finally:
        process.terminate()
        process.join(10)


def _wait(url: str, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    body = json.dumps({"model": "bench", "messages": [{"role": "user", "content": "hi"}]}).encode()
    request = itertools.repeat(_request(body))
    while time.monotonic() < end:
        try:
            _load(url, request, 1, connections=1)
        except (OSError, EOFError, ValueError):
            time.sleep(0.2)
        else:
            return
    raise TimeoutError(f"the server at {url} did not start")


def _request(body: bytes) -> bytes:
    head = f"POST {_PATH} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
    return f"{head}authorization: Bearer sk-bench\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def _to(request: bytes, path: str) -> bytes:
    """The same request to another path."""
    return request.replace(f"POST {_PATH} ".encode(), f"POST {path} ".encode(), 1)


async def _answer(reader: asyncio.StreamReader) -> None:
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


def _address(url: str) -> tuple[str, int]:
    host, _, port = url.removeprefix("http://").rpartition(":")
    return host, int(port)


def _load(url: str, requests: Requests, count: int, connections: int = _CONNECTIONS) -> float:
    """Send `count` requests over keep-alive connections; seconds."""

    async def one(share: int) -> None:
        reader, writer = await asyncio.open_connection(*_address(url))
        for _ in range(share):
            writer.write(next(requests))
            await _answer(reader)
        writer.close()

    async def everything() -> float:
        start = time.perf_counter()
        await asyncio.gather(*(one(max(1, count // connections)) for _ in range(connections)))
        return time.perf_counter() - start

    return asyncio.run(everything())


def _cost(url: str, process: int, requests: Requests) -> tuple[float, float]:
    """CPU microseconds per request, and requests per second."""
    before = _cpu(process)
    seconds = _load(url, requests, _REQUESTS)
    return (_cpu(process) - before) / _REQUESTS * 1e6, _REQUESTS / seconds


def _cpu(process: int) -> float:
    """Seconds of CPU that a process has used (Linux)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _single(url: str, requests: Requests) -> float:
    """Median milliseconds of one request on one connection."""

    async def measure() -> list[float]:
        reader, writer = await asyncio.open_connection(*_address(url))
        taken = []
        for _ in range(_SINGLE):
            start = time.perf_counter()
            writer.write(next(requests))
            await _answer(reader)
            taken.append(time.perf_counter() - start)
        writer.close()
        return taken[_SINGLE // 4 :]

    return statistics.median(asyncio.run(measure())) * 1e3


def _first_token(url: str, requests: Requests) -> float:
    """Median milliseconds until the first event of a stream has come (it carries the role; the text of an answer comes
    later by the window of inspection)."""

    async def measure() -> list[float]:
        taken = []
        for _ in range(_STREAMS):
            reader, writer = await asyncio.open_connection(*_address(url))
            start = time.perf_counter()
            writer.write(next(requests))
            await reader.readuntil(b'"content":""')
            taken.append(time.perf_counter() - start)
            writer.close()
        return taken

    return statistics.median(asyncio.run(measure())) * 1e3


def _stream_cost(url: str, process: int, requests: Requests) -> float:
    """CPU microseconds per streamed chunk."""
    _load(url, requests, 4, connections=1)
    before = _cpu(process)
    _load(url, requests, _STREAMS, connections=1)
    return (_cpu(process) - before) / (_STREAMS * SSE_CHUNKS) * 1e6


def _litellm_rate(upstream: str, folder: Path, requests: Requests) -> float | None:
    """Requests per second of LiteLLM's proxy in front of the same upstream."""
    command = shutil.which("litellm")
    if command is None:
        return None
    parameters = {"model": "openai/bench", "api_base": f"{upstream}/v1", "api_key": "sk-bench"}
    config = {"model_list": [{"model_name": "bench", "litellm_params": parameters}]}
    (folder / "litellm.yaml").write_text(json.dumps(config))
    with bind("127.0.0.1", 0) as free:
        host, port = _address(address_of(free))
    words = [command, "--config", str(folder / "litellm.yaml"), "--host", host, "--port", str(port)]
    own = {
        "LITELLM_LOG": "ERROR",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",  # loopback, and only for this bench
    }
    environment = {**os.environ, **own}
    with subprocess.Popen(  # noqa: S603 - the command that the user installed, our own arguments
        words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment, start_new_session=True
    ) as process:
        try:
            url = f"http://{host}:{port}"
            _wait(url)
            count = _REQUESTS // 8
            return count / _load(url, requests, count)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
