"""`sisf bench warden`: what enforcement costs, each figure against a reference measured in the same run.

Every prompt is sent once, so that no cache helps; rounds of both sides alternate, so that a busy machine slows both.
What runs in one thread is measured by its processor time; what others could delay (activation, checks during swaps) by
the clock on the wall.
"""

import json
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from sisf.embedding.base import Embedder
from sisf.embedding.factory import create_embedder
from sisf.evaluation.bench.load import Load
from sisf.exchange import Message, Role
from sisf.policy import Direction, Pattern, Policy, Snapshot, codec
from sisf.warden import PolicySet, Warden

_TURNS = 7


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured. The defaults are those of the stated bars."""

    patterns: int = 2_000
    semantic: int = 1_000
    few: int = 100
    many: int = 10_000
    rounds: int = 200
    activations: int = 20
    swaps: int = 100
    pause_s: float = 0.05
    """Between two swaps: twenty in a second are far more than learning makes."""
    turns: int = 10
    """Swaps come in so many turns, each after as long a time without."""


def run(seed: int = 0, sizes: Sizes | None = None, embedder: Embedder | None = None) -> dict[str, Any]:
    """Measure. About a minute; `ratios` and `figures` are what `sisf bench` prints."""
    sizes = sizes or Sizes()
    embedder = embedder or create_embedder()
    load = Load(embedder, seed)
    embedder.embed(["warm"])
    stage_us, against_loop = heuristics(load, embedder, sizes)
    check_ms, against_forward = check(load, embedder, sizes)
    activation_ms, swap_p99 = activation(load, embedder, sizes)
    return {
        "ratios": {
            "heuristics_vs_re_loop": against_loop,
            "check_vs_forward_pass": against_forward,
            "growth_100_to_10000": growth(load, embedder, sizes),
            "swap_p99": swap_p99,
        },
        "figures": {
            "heuristic_us": stage_us,
            "check_ms": check_ms,
            "activation_ms": activation_ms,
            "rss_mb": memory(seed, sizes.many),
        },
    }


def heuristics(load: Load, embedder: Embedder, sizes: Sizes) -> tuple[float, float]:
    """Microseconds of the heuristic stage, views included; and how often the patterns are searched in a prompt in the
    time in which a loop over `re` does it once."""
    policies = load.patterns(sizes.patterns)
    policy_set = _compiled(policies, embedder)
    loop = [re.compile(p.condition.pattern) for p in policies if isinstance(p.condition, Pattern)]
    prompts = iter(load.endless_prompts())

    def stage(prompt: str) -> None:
        policy_set.begin(_said(prompt), Direction.PROMPT, "").heuristics()

    def searched(prompt: str) -> None:
        data = prompt.encode()
        for layer in policy_set.pattern_layers:
            layer.search(data)

    def looped(prompt: str) -> None:
        for pattern in loop:
            pattern.search(prompt)

    _together(stage, list(islice(prompts, 30 * sizes.rounds)))  # automata grow with what they read
    whole: list[float] = []
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(_TURNS):
        theirs += _each(looped, list(islice(prompts, 5)))
        for work, seconds in ((searched, ours), (stage, whole)):
            work(next(prompts))
            seconds.append(_together(work, list(islice(prompts, sizes.rounds))))
    return 1e6 * statistics.median(whole), statistics.median(theirs) / statistics.median(ours)


def check(load: Load, embedder: Embedder, sizes: Sizes) -> tuple[float, float]:
    """A whole check in milliseconds, and its ratio to tokenising and one forward pass."""
    half = sizes.semantic // 2
    policies = [*load.patterns(sizes.patterns), *load.prototypes(half), *load.probes(sizes.semantic - half)]
    policy_set = _compiled(policies, embedder)
    whole, forward = _alternated(
        lambda prompt: policy_set.inspect(_said(prompt), Direction.PROMPT),
        lambda prompt: embedder.embed([prompt]),
        load,
        sizes.rounds,
    )
    return 1e3 * whole, whole / forward


def growth(load: Load, embedder: Embedder, sizes: Sizes) -> float:
    """The time of a check with `many` policies of mixed kinds over that with `few`."""
    small, large = _compiled(load.mixed(sizes.few), embedder), _compiled(load.mixed(sizes.many), embedder)
    slow, fast = _alternated(
        lambda prompt: large.inspect(_said(prompt), Direction.PROMPT),
        lambda prompt: small.inspect(_said(prompt), Direction.PROMPT),
        load,
        sizes.rounds,
    )
    return slow / fast


def activation(load: Load, embedder: Embedder, sizes: Sizes) -> tuple[float, float]:
    """Milliseconds from `activate()` to enforced, with as many in force as there are `patterns`; and the p99 of checks
    during swaps over that without."""
    warden = Warden(embedder)
    policies = load.mixed(sizes.patterns)
    fresh = iter(load.mixed(sizes.activations + sizes.swaps))
    warden.activate(Snapshot(1, tuple(policies)))

    def swap() -> float:
        policies.append(next(fresh))
        started = time.perf_counter()
        warden.activate(Snapshot(warden.revision + 1, tuple(policies)))
        return time.perf_counter() - started

    took = statistics.median(_repeated(swap, sizes.activations, 0.01))
    ratio = _swapped(warden, swap, load, sizes)
    warden.close()
    return 1e3 * took, ratio


def _swapped(warden: Warden, swap: Callable[[], float], load: Load, sizes: Sizes) -> float:
    """p99 of checks while another thread swaps, over p99 of checks in turns without swaps."""
    prompts = iter(load.endless_prompts())
    each = sizes.swaps // sizes.turns

    def look(prompt: str) -> None:
        warden.inspect(_said(prompt), Direction.PROMPT)

    def checks(until: Callable[[], bool]) -> list[float]:
        seconds: list[float] = []
        while not until():
            seconds += _timed(look, [next(prompts)], time.perf_counter)
        return seconds

    checks(_after(0.5))
    quiet: list[float] = []
    busy: list[float] = []
    for _ in range(sizes.turns):
        quiet += checks(_after(each * sizes.pause_s))
        swapper = threading.Thread(target=_repeated, args=(swap, each, sizes.pause_s))
        swapper.start()
        busy += checks(lambda thread=swapper: not thread.is_alive())  # type: ignore[misc]
    return _p99(busy) / _p99(quiet)


def _repeated(work: Callable[[], float], times: int, pause_s: float) -> list[float]:
    results = []
    for _ in range(times):
        time.sleep(pause_s)
        results.append(work())
    return results


def _after(seconds: float) -> Callable[[], bool]:
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() >= end


def memory(seed: int, number: int) -> float:
    """Resident megabytes of a fresh process with `number` policies of mixed kinds in force after 1,000 checks."""
    code = f"from sisf.evaluation.bench import warden; warden.resident({seed}, {number})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    return float(json.loads(done.stdout))


def resident(seed: int, number: int) -> None:
    """Print the resident megabytes of this process; run by `memory`."""
    embedder = create_embedder()
    load = Load(embedder, seed)
    warden = Warden(embedder)
    # As a store gives them: no two policies share their words.
    policies = tuple(codec.from_json(codec.to_json(policy)) for policy in load.mixed(number))
    warden.activate(Snapshot(1, policies))
    for prompt in load.prompts(1_000):
        warden.inspect(_said(prompt), Direction.PROMPT)
    warden.close()
    print(_resident_mb())


def _resident_mb() -> float:
    status = Path("/proc/self/status")
    if status.is_file():
        return int(status.read_text().partition("VmRSS:")[2].split()[0]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)  # macOS counts bytes


def _compiled(policies: Sequence[Policy], embedder: Embedder) -> PolicySet:
    warden = Warden(embedder)
    warden.activate(Snapshot(1, tuple(policies)))
    warden.close()
    return warden.policy_set


def _said(prompt: str) -> tuple[Message, ...]:
    return (Message(Role.USER, prompt),)


def _alternated(
    one: Callable[[str], object], other: Callable[[str], object], load: Load, rounds: int
) -> tuple[float, float]:
    """The medians of both over prompts of their own, one by one in turn."""
    prompts = load.prompts(2 * rounds + 100)
    _each(one, prompts[:50])
    _each(other, prompts[50:100])
    ones: list[float] = []
    others: list[float] = []
    for index in range(100, len(prompts), 2):
        ones += _each(one, [prompts[index]])
        others += _each(other, [prompts[index + 1]])
    return statistics.median(ones), statistics.median(others)


def _each(work: Callable[[str], object], prompts: Sequence[str]) -> list[float]:
    """Seconds of this thread on the processor: it does all of the work, and waiting for others is not its cost."""
    return _timed(work, prompts, time.thread_time)


def _together(work: Callable[[str], object], prompts: Sequence[str]) -> float:
    """The same for work so short that reading the clock would count: seconds for one of the prompts."""
    started = time.thread_time()
    for prompt in prompts:
        work(prompt)
    return (time.thread_time() - started) / len(prompts)


def _timed(work: Callable[[str], object], prompts: Sequence[str], clock: Callable[[], float]) -> list[float]:
    seconds = []
    for prompt in prompts:
        started = clock()
        work(prompt)
        seconds.append(clock() - started)
    return seconds


def _p99(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100)[98]
