"""Inline adjudication: the judge blocks, so it works in threads; one that is too slow is undecided."""

import asyncio
import os
import time

import structlog

from sisf.adjudicator.base import LOCAL, Adjudicator
from sisf.exchange import Exchange
from sisf.fair_pool import FairPool, OutOfTime
from sisf.pipeline.metrics import Metrics
from sisf.settings import Adjudication
from sisf.verdict import Outcome, Verdict

_log = structlog.get_logger("sisf.pipeline")
_AT_ONCE = 16
"""Exchanges that a judge elsewhere is asked about at the same time; one that computes here has as many threads as there
are processors."""


class InlineJudge:
    """Asks the Adjudicator and says whether the answer may go. Senders share its threads fairly."""

    def __init__(self, adjudicator: Adjudicator, settings: Adjudication, metrics: Metrics) -> None:
        self._adjudicator = adjudicator
        self._settings = settings
        self._metrics = metrics
        here = adjudicator.name.startswith(LOCAL)
        self._pool = FairPool((os.cpu_count() or 2) if here else _AT_ONCE, name="judge")

    async def verdict(self, exchange: Exchange) -> Verdict:
        """The verdict; `undecided` when the judge fails or takes too long."""
        started = time.perf_counter()
        limit = self._settings.timeout
        try:
            async with asyncio.timeout(limit):
                verdict = await self._pool.run(exchange.sender, lambda _: self._adjudicator.adjudicate(exchange), limit)
        except (TimeoutError, OutOfTime):
            verdict = self._failed("timeout", f"no verdict within {limit:g} s")
        except Exception as error:  # noqa: BLE001 - a judge must not raise; if it does, it has not decided
            verdict = self._failed("error", f"the judge failed: {type(error).__name__}")
        self._metrics.stages.observe(time.perf_counter() - started, "adjudicate")
        self._metrics.verdicts.labels(verdict.outcome.value).inc()
        return verdict

    def releases(self, verdict: Verdict) -> bool:
        """Whether the answer may go. A breach never; an undecided one as configured, counted when it does."""
        if verdict.outcome is Outcome.UNDECIDED and self._settings.on_undecided == "release":
            self._metrics.fail_opens.labels("judge").inc()
            _log.warning("fail_open", part="judge", reason=verdict.rationale[:200])
            return True
        return verdict.outcome is Outcome.SAFE

    def _failed(self, kind: str, reason: str) -> Verdict:
        self._metrics.failures.labels("judge", kind).inc()
        _log.warning("judge_failed", kind=kind, reason=reason)
        return Verdict(Outcome.UNDECIDED, self._adjudicator.name, rationale=reason)

    def close(self) -> None:
        """Let go of the threads; a hung judge is not waited for."""
        self._pool.close()
