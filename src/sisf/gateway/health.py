"""Telling degraded from dead."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sisf.gateway.core import Core
from sisf.loop.health import health
from sisf.store.base import Store

_SECONDS = 2.0
_AGE_SECONDS = 60.0


class Health:
    """Asks the parts how they are, with a time limit each."""

    def __init__(self, core: Core, store: Store) -> None:
        self._core = core
        self._store = store
        self._next_age = 0.0
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="health")

    async def report(self) -> dict[str, Any]:
        """`status`: `ok`, `degraded` (works, but not as it should) or `dead` (requests are being refused)."""
        jobs = await self._ask(self._store.jobs.counts)
        well = jobs is not None and self._core.recorder.well
        closed = self._core.settings.on_failure.store == "closed"
        dead_letters = (jobs or {}).get("dead", 0)
        checks = {
            "store": "ok" if well else "failed",
            "loop": "ok" if not dead_letters else f"{dead_letters} dead letters",
            "revision": self._core.warden.revision,
            "mode": self._core.settings.mode,
            "adjudication": self._core.settings.adjudication.mode,
        }
        status = "dead" if not well and closed else "ok" if well and not dead_letters else "degraded"
        return {"status": status, "checks": checks}

    async def count_jobs(self) -> None:
        """Bring the gauge of the loop's jobs up to date."""
        for state, count in (await self._ask(self._store.jobs.counts) or {}).items():
            self._core.metrics.jobs.labels(state).set(count)

    async def take_age(self) -> None:
        """Bring the gauges of the policies' age up to date, at most once a minute: they cost a look at the store."""
        if time.monotonic() < self._next_age:
            return
        self._next_age = time.monotonic() + _AGE_SECONDS
        found = await self._ask(lambda: health(self._store))
        if found is None:
            return
        metrics = self._core.metrics
        for status, count in found.policies.items():
            metrics.policies.labels(status).set(count)
        for figure, value in found.figures().items():
            metrics.age.labels(figure).set(value)

    def close(self) -> None:
        """Let go of the threads. Idempotent."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _ask(self, question: Any) -> Any:
        """The answer, or None when it fails or takes too long."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_SECONDS):
                return await loop.run_in_executor(self._pool, question)
        except Exception:  # noqa: BLE001 - any failure is the finding
            return None
