"""Figures that only the store knows: how far the loop is behind, and what its verdicts say of attacks and honest users.

Estimates are made of the latest exchanges as far as they are judged by now; docs/operations.md says how.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sisf.adjudicator.agreement import MONITOR
from sisf.loop import Loop
from sisf.loop.ageing import ageing, by_status
from sisf.pipeline.metrics import Metrics
from sisf.serving.routed import routed
from sisf.store import Store
from sisf.store.figures import Tally
from sisf.verdict import Outcome

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
LAST = 2_000
"""Exchanges that the estimates are made of."""
_SECONDS = 2.0
_SLOW_SECONDS = 60.0
_NAN = float("nan")


@dataclass(frozen=True, slots=True)
class _Figures:
    jobs: Mapping[str, int]
    lag: float
    policies: Mapping[str, int]
    fpr_bound: float
    tally: Tally | None
    silent: float
    webhooks: Mapping[str, int]


class StoreMetrics:
    """Asks the store, with a time limit, in threads of its own."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics
        self._slow_after = 0.0
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="store_metrics")

    async def refresh(self) -> None:
        """Bring the gauges up to date; those that the store cannot tell now stay as they were."""
        await self._refresh_slow()
        figures = await self.ask(self._read)
        metrics = self._metrics
        metrics.store_up.set(figures is not None)
        if figures is None:
            return
        for state, count in figures.jobs.items():
            metrics.jobs.labels(state).set(count)
        for status, count in figures.policies.items():
            metrics.policies.labels(status).set(count)
        for state, count in figures.webhooks.items():
            metrics.webhooks.labels(state).set(count)
        metrics.loop_lag.set(figures.lag)
        metrics.store_silent.set(figures.silent)
        metrics.fpr_bound.set(figures.fpr_bound)
        self._estimate(figures.tally)

    async def _refresh_slow(self) -> None:
        """What costs a look at much of the store: at most once a minute."""
        now = time.monotonic()
        if now < self._slow_after:
            return
        self._slow_after = now + _SLOW_SECONDS
        await self._calibrate_judges()
        await self._take_age()

    async def _calibrate_judges(self) -> None:
        """Measure the judges against people's verdicts of late."""
        labels = await self.ask(lambda: self._store.exchanges.labels(LAST)) or ()
        MONITOR.calibrate((label.exchange_id, label.outcome is Outcome.BREACH, label.judged) for label in labels)

    async def _take_age(self) -> None:
        """How what was learned ages."""
        found = await self.ask(lambda: ageing(self._store))
        for figure, value in found.figures().items() if found else ():
            self._metrics.age.labels(figure).set(value)

    def _estimate(self, tally: Tally | None) -> None:
        """Without attacks (or honest exchanges) there is no estimate: the gauge says NaN, as Prometheus does."""
        metrics = self._metrics
        known = {"warden": tally.warden_asr, "system": tally.system_asr} if tally else {}
        for kind in ("warden", "system"):
            value = known.get(kind)
            metrics.asr_estimate.labels(kind).set(_NAN if value is None else value)
        fpr = tally.fpr if tally else None
        metrics.fpr_estimate.set(_NAN if fpr is None else fpr)
        metrics.attacks_known.set(tally.attacks if tally else 0)
        metrics.undecided.set(tally.undecided if tally else 0)

    def _read(self) -> _Figures:
        reports = [p.gate_report for p in self._store.policies.snapshot().active if p.gate_report]
        tallies = self._store.exchanges.tally(LAST)
        return _Figures(
            self._store.jobs.counts(),
            self._store.jobs.lag(),
            {status.value: count for status, count in by_status(self._store).items()},
            min(1.0, sum(report.fpr_upper for report in reports)),
            tallies[0] if tallies else None,
            self._store.silent_seconds,
            self._store.outbox.counts(),
        )

    async def ask(self, question: Callable[[], Any]) -> Any:
        """The answer, or None when it fails or takes too long."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_SECONDS):
                return await loop.run_in_executor(self._pool, question)
        except Exception:  # noqa: BLE001 - any failure is the finding
            return None

    def close(self) -> None:
        """Let go of the threads. Idempotent."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def metrics_app(store: Store, loop: Loop) -> Starlette:
    """Metrics alone, for a process that only works: nothing else is served."""
    metrics = Metrics()
    loop.listen(metrics.heard)
    store_metrics = StoreMetrics(store, metrics)

    async def show(_: Request) -> Response:
        await store_metrics.refresh()
        return Response(metrics.render(), media_type=PROMETHEUS)

    return routed([Route("/metrics", show, methods=["GET"])])
