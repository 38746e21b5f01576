"""Limits for each caller: requests a minute, and patience with one who is blocked again and again."""

import asyncio
import math
import time
from collections.abc import Collection
from dataclasses import dataclass, field

import structlog

from sisf.errors import RateLimited
from sisf.exchange import Sender
from sisf.latest import Latest
from sisf.pipeline.caller import Caller
from sisf.pipeline.metrics import Metrics
from sisf.settings import Limits

_log = structlog.get_logger("sisf.pipeline")
_CALLERS = 100_000
_MINUTE = 60.0
_WAITING = 8
"""Delayed answers that one caller may have outstanding."""
_LEFT_OUT = 256
"""Texts of one caller of which it is remembered that they were left out."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled: float
    blocks: float = 0.0
    """Blocked prompts and answers, forgotten exponentially with a time constant of one minute."""
    blocked_at: float = 0.0
    waiting: int = 0
    noticed: bool = False
    left_out: dict[int, None] = field(default_factory=dict)
    """Texts that were left out of later requests, by their hashes, newest last."""


class Throttle:
    """Knows the callers of late. Only what is blocked is slowed, so honest users of a busy caller notice nothing."""

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self._limits = limits
        self._metrics = metrics
        self._buckets: Latest[Sender, _Bucket] = Latest(_CALLERS)

    def admit(self, caller: Caller) -> None:
        """Take one request from the caller's bucket. Raises `RateLimited`."""
        rate = caller.requests_per_minute or (0 if caller.role == "probe" else self._limits.requests_per_minute)
        if not rate:
            return
        bucket, now = self._bucket(caller, rate), time.monotonic()
        bucket.tokens = min(float(rate), bucket.tokens + (now - bucket.filled) * rate / _MINUTE)
        bucket.filled = now
        if bucket.tokens < 1:
            wait = math.ceil((1 - bucket.tokens) * _MINUTE / rate)
            raise RateLimited(f"More than {rate} requests a minute.", retry_after=wait)
        bucket.tokens -= 1

    async def blocked(self, caller: Caller, count: int = 1, *, refuses: bool = True) -> None:
        """A prompt of this caller, or an answer to it, was blocked (or `count` of them were, in one request), wherever
        it asked: past the limit, answer late.

        A caller without a name is not slowed: it may be everybody. Nor is the probing agent, whose work it is to be
        blocked. Raises `RateLimited`, where it `refuses`.
        """
        limit = self._limits.blocks_per_minute
        if not limit or not caller.named or caller.role == "probe":
            return
        bucket, now = self._bucket(caller, 0), time.monotonic()
        bucket.blocks = bucket.blocks * math.exp((bucket.blocked_at - now) / _MINUTE) + count
        bucket.blocked_at = now
        if bucket.blocks <= limit:
            bucket.noticed = False
            return
        if not bucket.noticed:
            bucket.noticed = True
            self._metrics.probing.inc()
            _log.warning(
                "probing", tenant=caller.tenant, principal=caller.sender.principal, blocks=round(bucket.blocks)
            )
        if refuses and bucket.waiting >= _WAITING:
            wait = math.ceil(self._limits.block_delay)
            raise RateLimited("Too many blocked requests; wait.", retry_after=wait)
        bucket.waiting += 1
        try:
            await asyncio.sleep(min(self._limits.block_delay, 0.25 * 2 ** min(bucket.blocks - limit, 16)))
        finally:
            bucket.waiting -= 1

    async def left_out(self, caller: Caller, texts: Collection[str], turns: int) -> None:
        """Older turns of a conversation were left out, with these texts: whoever sends them learns that they are
        blocked. That counts as being blocked does, once: clients send the same turns again with each new one. Past the
        limit the request goes on late: what it asks now is not blocked.
        """
        if not self._limits.blocks_per_minute:
            return
        known = self._bucket(caller, 0).left_out
        fresh = [digest for digest in map(hash, texts) if digest not in known]
        for digest in fresh:
            known[digest] = None
        for digest in list(known)[:-_LEFT_OUT]:
            del known[digest]
        if fresh:
            await self.blocked(caller, min(len(fresh), turns), refuses=False)

    def spare(self, caller: Caller) -> None:
        """Ask nothing costly for a caller who is past the limit of what is blocked. Raises `RateLimited`."""
        limit, bucket = self._limits.blocks_per_minute, self._buckets.get(caller.counted_as or caller.sender)
        if limit and bucket is not None and caller.named:
            left = bucket.blocks * math.exp((bucket.blocked_at - time.monotonic()) / _MINUTE)
            if left > limit:
                wait = math.ceil(_MINUTE * math.log(left / limit))
                raise RateLimited("Too many blocked requests; wait.", retry_after=max(1, wait))

    def _bucket(self, caller: Caller, rate: int) -> _Bucket:
        sender = caller.counted_as or caller.sender
        bucket = self._buckets.recall(sender)
        if bucket is None:
            bucket = self._buckets[sender] = _Bucket(float(rate), time.monotonic())
        return bucket
