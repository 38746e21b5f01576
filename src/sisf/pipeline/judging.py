"""Inline adjudication: the judge blocks, so it works in threads; one that is too slow is undecided."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import structlog

from sisf.adjudicator.base import Adjudicator
from sisf.exchange import Exchange
from sisf.pipeline.metrics import Metrics
from sisf.settings import Adjudication
from sisf.verdict import Outcome, Verdict

_log = structlog.get_logger("sisf.pipeline")


class InlineJudge:
    """Asks the Adjudicator and says whether the answer may go."""

    def __init__(
        self, adjudicator: Adjudicator, settings: Adjudication, metrics: Metrics, *, threads: int = 16
    ) -> None:
        self._adjudicator = adjudicator
        self._settings = settings
        self._metrics = metrics
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="judge")

    async def verdict(self, exchange: Exchange) -> Verdict:
        """The verdict; `undecided` when the judge fails or takes too long."""
        started = time.perf_counter()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._settings.timeout):
                verdict = await loop.run_in_executor(self._pool, self._adjudicator.adjudicate, exchange)
        except TimeoutError:
            verdict = self._failed("timeout", f"no verdict within {self._settings.timeout:g} s")
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
        self._pool.shutdown(wait=False, cancel_futures=True)
