"""Limits for each caller: requests a minute, and patience with one who is blocked again and again."""

import asyncio
import math
import time
from collections import OrderedDict
from dataclasses import dataclass

import structlog

from sisf.gateway.identity import Identity
from sisf.gateway.metrics import Metrics
from sisf.gateway.wire import Refused
from sisf.settings import Limits

_log = structlog.get_logger("sisf.gateway")
_CALLERS = 100_000
_MINUTE = 60.0
_WAITING = 8
"""Delayed answers that one caller may have outstanding."""


@dataclass(slots=True)
class _Caller:
    tokens: float
    filled: float
    blocks: float = 0.0
    """Blocked prompts and answers, forgotten exponentially with a time constant of one minute."""
    blocked_at: float = 0.0
    waiting: int = 0
    noticed: bool = False


class Throttle:
    """Knows the callers of late. Only what is blocked is slowed, so honest users of a busy caller notice nothing."""

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self._limits = limits
        self._metrics = metrics
        self._callers: OrderedDict[str, _Caller] = OrderedDict()

    def admit(self, identity: Identity) -> None:
        """Take one request from the caller's bucket. Raises `Refused` (429) with the seconds to wait."""
        rate = identity.requests_per_minute or self._limits.requests_per_minute
        if not rate:
            return
        caller, now = self._caller(identity, rate), time.monotonic()
        caller.tokens = min(float(rate), caller.tokens + (now - caller.filled) * rate / _MINUTE)
        caller.filled = now
        if caller.tokens < 1:
            wait = math.ceil((1 - caller.tokens) * _MINUTE / rate)
            raise Refused(429, "rate_limited", f"More than {rate} requests a minute.", retry_after=wait)
        caller.tokens -= 1

    async def blocked(self, identity: Identity) -> None:
        """A prompt of this caller, or an answer to it, was blocked: past the limit, answer late.

        Raises `Refused` (429).
        """
        limit = self._limits.blocks_per_minute
        if not limit:
            return
        caller, now = self._caller(identity, 0), time.monotonic()
        caller.blocks = caller.blocks * math.exp((caller.blocked_at - now) / _MINUTE) + 1
        caller.blocked_at = now
        if caller.blocks <= limit:
            caller.noticed = False
            return
        if not caller.noticed:
            caller.noticed = True
            self._metrics.probing.inc()
            _log.warning("probing", tenant=identity.tenant, principal=identity.principal, blocks=round(caller.blocks))
        if caller.waiting >= _WAITING:
            wait = math.ceil(self._limits.block_delay)
            raise Refused(429, "rate_limited", "Too many blocked requests; wait.", retry_after=wait)
        caller.waiting += 1
        try:
            await asyncio.sleep(min(self._limits.block_delay, 0.25 * 2 ** min(caller.blocks - limit, 16)))
        finally:
            caller.waiting -= 1

    def _caller(self, identity: Identity, rate: int) -> _Caller:
        name = f"{identity.tenant}\0{identity.principal}"
        caller = self._callers.get(name)
        if caller is None:
            if len(self._callers) >= _CALLERS:
                self._callers.popitem(last=False)
            caller = self._callers[name] = _Caller(float(rate), time.monotonic())
        else:
            self._callers.move_to_end(name)
        return caller
