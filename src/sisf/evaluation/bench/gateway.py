"""`sisf bench gateway`: what the gateway costs, against a bare pass-through and LiteLLM's proxy in the same run.

Every server runs in a process of its own on loopback; the load comes from this one over plain sockets.
"""

import asyncio
import itertools
import json
import random
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sisf.embedding.base import Embedder
from sisf.embedding.factory import create_embedder
from sisf.evaluation.bench import traffic
from sisf.evaluation.bench.servers import (
    DIFFERENT,
    SSE_CHUNKS,
    UNINSPECTED,
    sentence,
    serve_gateway,
    serve_pass_through,
    serve_upstream,
)
from sisf.evaluation.bench.sockets import PATH, Requests, address, answer, cpu_seconds, litellm, post, send, server

_REQUESTS = 4_000
_SINGLE = 400
_STREAMS = 30
_SEMANTIC = 1_000
_TRAFFIC = traffic.Sizes()


def run(seed: int = 0) -> dict[str, Any]:
    """Measure. `vs_litellm` is missing unless the command `litellm` is found (`make bench-gateway` installs it)."""
    rng = random.Random(seed)
    plain, stream = _requests(rng)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream, _ = stack.enter_context(server(serve_upstream))
        direct_p50, direct_ttft = _single(upstream, plain), _first_token(upstream, stream)
        passing, passing_process = stack.enter_context(server(serve_pass_through, upstream))
        guard, guard_process = stack.enter_context(server(serve_gateway, upstream, str(folder), seed))
        for url in (passing, guard):
            send(url, plain, _REQUESTS // 10)
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
        with litellm(upstream, folder) as proxy:
            theirs = proxy and _REQUESTS // 8 / send(proxy, plain, _REQUESTS // 8)
            real = traffic.figures(traffic.Servers(upstream, passing, proxy), folder, seed, _TRAFFIC)
    ratios = {
        "vs_litellm": theirs and round(rate / theirs, 1),
        "cpu_vs_passthrough": round(guarded / passed, 2),
        "added_semantic_vs_forward_pass": round(semantic_ms / forward_ms, 2),
    }
    if theirs:
        figures["rps_16_litellm"] = round(theirs)
    ratios = {k: v for k, v in ratios.items() if v is not None}
    return {"ratios": real["ratios"] | ratios, "figures": real["figures"] | figures}


def _semantic(upstream: str, folder: Path, seed: int, requests: Requests) -> tuple[float, float]:
    """Median milliseconds that the gateway adds with semantic policies as well, and those of tokenising and embedding
    the same prompts."""
    embedder = create_embedder()
    own = folder / "semantic"
    own.mkdir()
    added, forward = [], []
    with server(serve_gateway, upstream, str(own), seed, _SEMANTIC) as (guard, _):
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
    plain = [post(json.dumps(body).encode()) for body in bodies]
    streaming = [post(json.dumps({**body, "stream": True}).encode()) for body in bodies]
    return itertools.cycle(plain), itertools.cycle(streaming)


def _to(request: bytes, path: str) -> bytes:
    """The same request to another path."""
    return request.replace(f"POST {PATH} ".encode(), f"POST {path} ".encode(), 1)


def _cost(url: str, process: int, requests: Requests) -> tuple[float, float]:
    """CPU microseconds per request, and requests per second."""
    before = cpu_seconds(process)
    seconds = send(url, requests, _REQUESTS)
    return (cpu_seconds(process) - before) / _REQUESTS * 1e6, _REQUESTS / seconds


def _single(url: str, requests: Requests) -> float:
    """Median milliseconds of one request on one connection."""

    async def measure() -> list[float]:
        reader, writer = await asyncio.open_connection(*address(url))
        taken = []
        for _ in range(_SINGLE):
            start = time.perf_counter()
            writer.write(next(requests))
            await answer(reader)
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
            reader, writer = await asyncio.open_connection(*address(url))
            start = time.perf_counter()
            writer.write(next(requests))
            await reader.readuntil(b'"content":""')
            taken.append(time.perf_counter() - start)
            writer.close()
        return taken

    return statistics.median(asyncio.run(measure())) * 1e3


def _stream_cost(url: str, process: int, requests: Requests) -> float:
    """CPU microseconds per streamed chunk."""
    send(url, requests, 4, connections=1)
    before = cpu_seconds(process)
    send(url, requests, _STREAMS, connections=1)
    return (cpu_seconds(process) - before) / (_STREAMS * SSE_CHUNKS) * 1e6
