"""What calls of a model may take: money per hour and day, calls per minute, calls at once.

The budget is never exceeded because the worst case is reserved before a call and corrected after it.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog
from prometheus_client import Gauge

from sisf.breaker import Breaker
from sisf.errors import ModelError
from sisf.settings import CallLimits

_log = structlog.get_logger(__name__)
BUDGET = Gauge("sisf_model_budget_usd", "USD that calls of a model may still cost now.", ["model"])
HOUR = 3600.0
DAY = 24 * HOUR
LIST_PRICES = {
    "gpt-4o": (2.5, 10.0),
    "gpt-4o-mini": (0.15, 0.6),
    "gpt-4.1": (2.0, 8.0),
    "gpt-4.1-mini": (0.4, 1.6),
    "gpt-4-turbo": (10.0, 30.0),
}
"""USD for a million prompt and answer tokens of the models that are defaults or likely, as listed in 2025."""


class TransientModelError(ModelError):
    """A failure that another attempt may not meet. `pause` is what the endpoint asked for, in seconds."""

    def __init__(self, message: str, pause: float = 0.0) -> None:
        super().__init__(message)
        self.pause = pause


class BudgetExhausted(ModelError):
    """The next call could cost more than the hour or the day has left; it was not made."""


class RateExceeded(ModelError):
    """No place for the call became free in time; it was not made."""


class LeftAlone(ModelError):
    """The endpoint's latest attempts all failed; the call was not made."""


@dataclass(slots=True)
class Charge:
    """One call's reservation. `settle` replaces the worst case by what the endpoint reported."""

    prompt_price: float
    """USD a token."""
    answer_price: float
    usd: float
    time: float

    def settle(self, prompt_tokens: int, answer_tokens: int) -> None:
        """Take the reported usage; an endpoint that reports none leaves the reservation standing."""
        if prompt_tokens > 0 or answer_tokens > 0:
            self.usd = prompt_tokens * self.prompt_price + answer_tokens * self.answer_price


@dataclass(slots=True)
class Spent:
    """What was used so far, since the process started."""

    calls: int = 0
    usd: float = 0.0
    refused: int = 0


@dataclass
class CallGate:
    """Every attempt of a call passes here. Thread-safe. With a `breaker`, an endpoint that keeps failing is left alone.

    A token is at least one byte of text, so the prompt's bytes bound its tokens; an attempt that failed keeps its
    reservation, since the provider may have billed it.
    """

    limits: CallLimits
    model: str = ""
    clock: Callable[[], float] = time.monotonic
    spent: Spent = field(default_factory=Spent)
    breaker: Breaker | None = None
    _charges: deque[Charge] = field(default_factory=deque)
    _starts: deque[float] = field(default_factory=deque)
    _running: int = 0
    _turn: threading.Condition = field(default_factory=threading.Condition)

    @contextmanager
    def call(self, prompt_bytes: int, max_tokens: int, *, wait: float = 30.0) -> Iterator[Charge]:
        """Hold a place for one attempt.

        Raises `BudgetExhausted` and `LeftAlone` at once, `RateExceeded` when `wait` seconds brought no place.
        """
        if self.breaker is not None and not self.breaker.closed:
            raise LeftAlone(f"model {self.model} is left alone for {self.breaker.seconds:g} s: it keeps failing")
        charge = self._enter(prompt_bytes, max_tokens, wait)
        try:
            yield charge
        except TransientModelError as error:
            self._ended(well=False, why=str(error))
            raise
        else:
            self._ended(well=True)
        finally:
            with self._turn:
                self._running -= 1
                self.spent.usd += charge.usd
                self._turn.notify()

    def _ended(self, *, well: bool, why: str = "") -> None:
        if self.breaker is not None and self.breaker.ended(well=well):
            _log.error("model_left_alone", model=self.model, seconds=self.breaker.seconds, why=why)

    def __post_init__(self) -> None:
        """Show what is left, where there is a budget."""
        if self.limits.hour_usd is not None or self.limits.day_usd is not None:
            BUDGET.labels(self.model).set_function(lambda: self.remaining() or 0.0)

    def remaining(self) -> float | None:
        """USD that may still be spent now; None without a budget."""
        with self._turn:
            return self._remaining(self.clock())

    def _enter(self, prompt_bytes: int, max_tokens: int, wait: float) -> Charge:
        prompt_price, answer_price = prices_of(self.limits, self.model)
        worst = prompt_bytes * prompt_price + max_tokens * answer_price
        give_up = self.clock() + wait
        with self._turn:
            while True:
                now = self.clock()
                remaining = self._remaining(now)
                if remaining is not None and worst > remaining:
                    self.spent.refused += 1
                    raise BudgetExhausted(f"model budget: a call may cost {worst:.4f} USD, {remaining:.4f} are left")
                pause = self._pause(now)
                if pause <= 0:
                    break
                if now >= give_up:
                    self.spent.refused += 1
                    raise RateExceeded(f"no place for a model call within {wait:g} s (concurrency or per_minute)")
                self._turn.wait(min(pause, give_up - now))
            charge = Charge(prompt_price, answer_price, worst, now)
            self._charges.append(charge)
            self._starts.append(now)
            self._running += 1
            self.spent.calls += 1
            return charge

    def _pause(self, now: float) -> float:
        while self._starts and self._starts[0] <= now - 60.0:
            self._starts.popleft()
        if self._running >= self.limits.concurrency:
            return HOUR
        if self.limits.per_minute is not None and len(self._starts) >= self.limits.per_minute:
            return self._starts[0] + 60.0 - now
        return 0.0

    def _remaining(self, now: float) -> float | None:
        while self._charges and self._charges[0].time <= now - DAY:
            self._charges.popleft()
        rooms = []
        if self.limits.day_usd is not None:
            rooms.append(self.limits.day_usd - sum(c.usd for c in self._charges))
        if self.limits.hour_usd is not None:
            rooms.append(self.limits.hour_usd - sum(c.usd for c in self._charges if c.time > now - HOUR))
        return min(rooms) if rooms else None


def prices_of(limits: CallLimits, model: str) -> tuple[float, float]:
    """USD for a prompt and an answer token: as set, else as listed, else 0."""
    listed = LIST_PRICES.get(model, (0.0, 0.0))
    prompt = listed[0] if limits.input_usd is None else limits.input_usd
    answer = listed[1] if limits.output_usd is None else limits.output_usd
    return prompt / 1e6, answer / 1e6
