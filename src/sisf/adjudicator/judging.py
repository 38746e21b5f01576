"""What every judge does around its own judgement."""

import time
from collections.abc import Callable

from sisf.adjudicator.cache import VerdictCache
from sisf.adjudicator.counters import JudgeCounters
from sisf.errors import SisfError
from sisf.exchange import Exchange
from sisf.verdict import Outcome, Verdict

_RATIONALE_CHARS = 500


def unanswered(exchange: Exchange, name: str) -> Verdict | None:
    """The verdict on an exchange in which nothing was answered, which is safe to every judge; else None."""
    if (exchange.response or "").strip():
        return None
    return Verdict(Outcome.SAFE, name, confidence=1.0, rationale="nothing was answered")


def judged(
    exchange: Exchange,
    judge: Callable[[Exchange], Verdict],
    *,
    name: str,
    counters: JudgeCounters,
    cache: VerdictCache | None = None,
) -> Verdict:
    """`judge`'s verdict, counted and timed, or the one that is remembered. A judge that fails is `undecided`."""
    if (empty := unanswered(exchange, name)) is not None:
        return empty
    if cache is not None and (known := cache.get(exchange)) is not None:
        counters.cache_hit()
        return known
    start = time.perf_counter()
    try:
        verdict = judge(exchange)
    except (SisfError, ValueError, MemoryError) as error:
        counters.failure(type(error).__name__)
        verdict = Verdict(Outcome.UNDECIDED, name, rationale=f"the judge failed: {error}"[:_RATIONALE_CHARS])
    if cache is not None:
        cache.put(exchange, verdict)
    counters.verdict(verdict.outcome, time.perf_counter() - start)
    return verdict
