"""Real traffic through the gateway: new honest texts of many lengths and long conversations, learned policies in force.

What a request costs is held against the encoder alone, one forward pass over each window of its text, in the same run.
"""

import asyncio
import itertools
import json
import random
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sisf import datasets
from sisf.embedding.base import Embedder
from sisf.embedding.factory import create_embedder
from sisf.embedding.windows import coarse_windows
from sisf.evaluation.bench.honest_texts import honest_texts
from sisf.evaluation.bench.servers import serve_gateway
from sisf.evaluation.bench.several import throughput
from sisf.evaluation.bench.sockets import address, answer, cpu_seconds, post, send, server
from sisf.policy import Action, Policy, codec

TURNS = 30
_SAID, _ANSWERED, _RESULT = 275, 400, 1_100
"""Characters of each turn of a conversation: what the user says, what the model said, what a tool gave."""
_SYSTEM = 1_500
_TOGETHER = (60, 550)
_COMPARED = 3
_EARLY = slice(1, 1 + _COMPARED)
"""The turns, from the second on, whose cost is held against that of as many at the end."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is sent."""

    texts: tuple[tuple[int, int], ...] = ((60, 200), (550, 80), (2_200, 30), (20_000, 8))
    """Characters of a new text, and how many such texts are sent one by one."""
    mix: tuple[tuple[int, int], ...] = ((60, 300), (550, 150), (2_200, 45), (20_000, 5))
    """The same for what is sent over many connections at once."""
    together: int = 160
    """Texts sent in each round to one process and to two."""
    conversations: int = 4
    attacks: int = 48
    """Attacks of the demonstration that policies are learned from."""


@dataclass(frozen=True, slots=True)
class Servers:
    """The base URLs of what the gateway is held against."""

    upstream: str
    passing: str
    litellm: str | None


@dataclass(frozen=True, slots=True)
class Cost:
    """What each request cost, in milliseconds."""

    cpu: tuple[float, ...]
    wall: tuple[float, ...]


def figures(servers: Servers, folder: Path, seed: int, sizes: Sizes) -> dict[str, Any]:
    """Measure: `ratios` and `figures` by number of characters, and what a long conversation costs."""
    embedder = create_embedder()
    embedder.embed(["warm"])
    policies = [
        replace(policy, action=Action.FLAG) for policy in learned(sizes.attacks, seed)
    ]  # nothing ends the bench
    beside = {"_passthrough": servers.passing} | ({"_litellm": servers.litellm} if servers.litellm else {})
    found: dict[str, dict[str, Any]] = {"ratios": {}, "figures": {"policies_learned": len(policies)}}
    with _gateway(servers.upstream, folder, seed, policies) as (url, process):
        _each(url, process, [_asked(t) for t in honest_texts(300, 20, seed + 1)])  # warm
        for size, count in sizes.texts:
            texts = honest_texts(size, count, seed)
            requests = [_asked(text) for text in texts]
            full = [_full_pass(embedder, text) for text in texts]
            _measure(found, size, _each(url, process, requests), full)
            for name, base in beside.items():
                wall = statistics.median(_each(base, 0, requests).wall)
                found["figures"][f"wall_ms_{size}{name}"] = round(wall, 2)
        early, late = _conversations(url, process, sizes.conversations, seed)
        found["ratios"][f"turn_{TURNS}_vs_turn_2"] = round(late / early, 2)
        found["figures"] |= {"cpu_ms_turn_2": round(early, 2), f"cpu_ms_turn_{TURNS}": round(late, 2)}
        mixed = [_asked(text) for size, count in sizes.mix for text in honest_texts(size, count, seed + 2)]
        random.Random(seed).shuffle(mixed)
        for name, base in {"": url, **beside}.items():
            found["figures"][f"rps_16_mixed{name}"] = round(len(mixed) / send(base, iter(mixed), len(mixed)), 1)
    together = (text for size in _TOGETHER for text in honest_texts(size, 6 * sizes.together + 64, seed + 3))
    requests = [_asked(text) for text in together]
    random.Random(seed).shuffle(requests)
    served = throughput(servers.upstream, folder / "several", policies, iter(requests), sizes.together)
    found["figures"] |= {"rps_16_processes_1": round(served.one, 1), "rps_16_processes_2": round(served.two, 1)}
    found["figures"]["cores_busy_processes_1"] = round(served.cores, 2)
    found["ratios"]["processes_2_vs_1"] = round(served.two / served.one, 2)
    return found


def learned(attacks: int, seed: int) -> Sequence[Policy]:
    """What the loop learns from attacks of the demonstration, one policy for each hazard and side."""
    from sisf.evaluation.laboratory import Laboratory, Options
    from sisf.settings import load

    data = datasets.load("sample_attacks")
    options = Options(trials=1, seed=seed, baselines=(), reference=("benign_reference",))
    laboratory = Laboratory(load(environment={}), options, [data])
    records = list(data.harmful()[:: len(data) // attacks])
    with laboratory.setup().subject(laboratory.designs()["sisf"]()) as subject:
        for record in random.Random(seed).sample(records, len(records)):
            subject.attack(record, dataset=data.name, trial=0, learn=True)
        return tuple(subject.policies())


@contextmanager
def _gateway(upstream: str, folder: Path, seed: int, policies: Sequence[Policy]) -> Iterator[tuple[str, int]]:
    own = folder / "traffic"
    own.mkdir()
    learned_file = own / "policies.json"
    learned_file.write_text(json.dumps([codec.to_json(policy) for policy in policies]))
    with server(serve_gateway, upstream, str(own), seed, str(learned_file)) as running:
        yield running


def _measure(found: dict[str, dict[str, Any]], name: int, guarded: Cost, full: Sequence[float]) -> None:
    found["ratios"] |= {
        f"cpu_vs_full_pass_{name}": round(statistics.mean(guarded.cpu) / statistics.mean(full), 3),
        f"cpu_vs_full_pass_{name}_p99": round(_p99([g / f for g, f in zip(guarded.cpu, full, strict=True)]), 2),
    }
    found["figures"] |= {
        f"cpu_ms_{name}": round(statistics.mean(guarded.cpu), 2),
        f"cpu_ms_{name}_median": round(statistics.median(guarded.cpu), 2),
        f"wall_ms_{name}": round(statistics.median(guarded.wall), 2),
        f"full_pass_ms_{name}": round(statistics.mean(full), 2),
    }


def _full_pass(embedder: Embedder, text: str) -> float:
    """Milliseconds of this thread for one forward pass over each window."""
    start = time.thread_time()
    embedder.embed([window.text for window in coarse_windows(embedder, text)])
    return 1e3 * (time.thread_time() - start)


def _each(url: str, process: int, requests: Sequence[bytes]) -> Cost:
    """Send one after the other on one connection; the process 0 is not looked at."""

    async def measure() -> Cost:
        reader, writer = await asyncio.open_connection(*address(url))
        cpu, wall = [], []
        for request in requests:
            before, start = cpu_seconds(process) if process else 0.0, time.perf_counter()
            writer.write(request)
            await answer(reader)
            wall.append(1e3 * (time.perf_counter() - start))
            cpu.append(1e3 * ((cpu_seconds(process) if process else 0.0) - before))
        writer.close()
        return Cost(tuple(cpu), tuple(wall))

    return asyncio.run(measure())


def _conversations(url: str, process: int, count: int, seed: int) -> tuple[float, float]:
    """Milliseconds of CPU of an early and a late turn: means over conversations and three turns each.

    What is new in them is the same: a second conversation says last what the first says early, each text under a word
    of its own, so that nothing of it was seen before.
    """
    early: list[float] = []
    late: list[float] = []
    for number in range(count):
        first, second = (_each(url, process, list(conversation(seed + number, again=again))) for again in (False, True))
        early += first.cpu[_EARLY]
        late += second.cpu[-_COMPARED:]
    return statistics.mean(early), statistics.mean(late)


def conversation(seed: int, *, again: bool) -> Iterator[bytes]:
    """The requests of one conversation with a tool: each holds all that was said before.

    `again`: the same texts under a word of their own, those of the early turns last.
    """
    sizes = (_SAID, _ANSWERED, _RESULT)
    turns = list(itertools.islice(zip(*(honest_texts(size, TURNS, seed + 10) for size in sizes), strict=False), TURNS))
    if again:
        turns = [tuple(f"Again: {text}" for text in turn) for turn in turns[_EARLY.stop :] + turns[: _EARLY.stop]]
    messages: list[Mapping[str, Any]] = [{"role": "system", "content": honest_texts(_SYSTEM, 1, seed + 10)[0]}]
    for turn, (said, answered, result) in enumerate(turns):
        call = {"id": f"call_{turn}", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
        messages += [
            {"role": "user", "content": said},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": call["id"], "content": result},
        ]
        yield post(json.dumps({"model": "bench", "messages": messages}).encode())
        messages.append({"role": "assistant", "content": answered})


def _asked(text: str) -> bytes:
    return post(json.dumps({"model": "bench", "messages": [{"role": "user", "content": text}]}).encode())


def _p99(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100)[98] if len(values) > 1 else values[0]
