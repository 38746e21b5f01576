"""Telling degraded from dead."""

from collections.abc import Mapping
from typing import Any

from sisf.breaker import Breaker
from sisf.gateway.core import Core
from sisf.gateway.shared_question import SharedQuestion
from sisf.gateway.store_metrics import StoreMetrics
from sisf.store import Store

_STALE_SECONDS = 5.0


class Health:
    """Asks the parts how they are, with a time limit each."""

    def __init__(
        self, core: Core, store: Store, store_metrics: StoreMetrics, judges: Mapping[str, Breaker] | None = None
    ) -> None:
        """`judges`: what leaves the endpoints of judges alone, by model."""
        self._core = core
        self._store = store
        self._store_metrics = store_metrics
        self._judges = judges or {}
        self._shared = SharedQuestion(self._made)

    async def report(self) -> dict[str, Any]:
        """The latest report. Anybody may ask, and the store, which is asked for it, has a time limit: a flood of
        questions must not make it look dead."""
        return await self._shared.answer()

    async def _made(self) -> dict[str, Any]:
        """`status`: `ok`, `degraded` (works, but not as it should) or `dead` (requests are being refused)."""
        jobs = await self._store_metrics.ask(self._store.jobs.counts)
        well = jobs is not None and self._core.pipeline.recorder.well
        closed = self._core.settings.on_failure.store == "closed"
        dead_letters = (jobs or {}).get("dead", 0)
        silent = self._store.silent_seconds
        checks = {
            "store": "ok" if well else "failed",
            "loop": "ok" if not dead_letters else f"{dead_letters} dead letters",
            "policies": "ok" if silent <= _STALE_SECONDS else f"nothing heard of newer ones for {silent:.0f} s",
            **{f"upstream {name}": state for name, state in self._core.upstream.states().items()},
            **{f"judge {name}": "left alone" if breaker.open else "ok" for name, breaker in self._judges.items()},
        }
        about = {
            "revision": self._core.pipeline.checks.warden.revision,
            "mode": self._core.settings.mode,
            "adjudication": self._core.settings.adjudication.mode,
        }
        ailing = any(state != "ok" for state in checks.values())
        status = "dead" if not well and closed else "degraded" if ailing else "ok"
        return {"status": status, "checks": {**checks, **about}}
