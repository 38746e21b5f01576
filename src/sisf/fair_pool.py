"""Threads that are shared fairly: whoever asks for much waits for whoever asks for little.

Work is done in turns. It says `pause` now and then, and there it may have to let others go first, or end because its
time is up: nothing goes on for which nobody waits any more. Of those who wait, the one goes first whose owner has had
the least so far (start-time fair queueing); of one owner's work, what is short. What is long never takes the last
thread, so that something short finds one free; and where one owner has several threads, somebody who has none begins
something short on one more, instead of waiting for the next pause (docs/adr/0700).
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any, TypeVar

from sisf.errors import emptied

T = TypeVar("T")

SHORT_SECONDS = 0.1
"""Work that takes longer is long."""
MARGIN = 0.6
"""Share of the time allowed that work may be estimated to take: estimates are made on a machine that is less busy."""
_PAUSED = 32
"""Pieces of long work that may stand in a pause while another one begins: each holds a thread and what it has made."""
_THREADS = 256
_OWNERS = 10_000


class OutOfTime(Exception):
    """The time allowed for some work is over, or nobody waits for it any more."""


class Unaffordable(Exception):
    """Work that would take longer than it may; raised before it begins."""

    def __init__(self, seconds: float, allowed: float, wait: float) -> None:
        super().__init__(f"it would take {seconds:.1f} s, {allowed:.1f} s are allowed, and {wait:.1f} s are needed")
        self.seconds = seconds
        """What it was estimated to take, alone."""
        self.allowed = allowed
        """What it may be estimated to take."""
        self.wait = wait
        """When it would have been done, among everything that waits."""

    @property
    def alone(self) -> bool:
        """Whether it would take too long though nothing else were to be done."""
        return self.seconds > self.allowed


@dataclass(slots=True, eq=False)
class _Owner:
    spent: float
    """Virtual time: what it has had, or what others had while it was away."""
    short: "deque[Turn]" = field(default_factory=deque)
    long: "deque[Turn]" = field(default_factory=deque)
    owed: float = 0.0
    """Seconds that its unfinished long work is estimated to take."""
    unfinished: int = 0
    running: int = 0
    """Pieces of its work that threads are at."""


class Turn:
    """A piece of work under way; what it does itself calls `pause` and `needs`."""

    def __init__(self, pool: "FairPool", owner: _Owner, seconds: float, until: float, *, long: bool) -> None:
        self.future: Future[Any] = Future()
        self.owner = owner
        self.allowed = seconds
        self.until = until
        self.long = long
        self.estimate = 0.0
        self.began = 0.0
        self.had = 0.0
        self.work: Callable[[Turn], Any] | None = None
        self.waits: Event | None = None
        """Set when a thread that stands in `pause` may go on."""
        self._pool = pool

    def pause(self) -> None:
        """Let others go first where that is fair. Raises `OutOfTime`."""
        self._pool.pause(self)

    def needs(self, seconds: float) -> None:
        """Say how long the rest is estimated to take, before it begins. Raises `Unaffordable`, `OutOfTime`."""
        self._pool.needs(self, seconds)


class FairPool:
    """Thread-safe."""

    def __init__(self, slots: int, *, clock: Callable[[], float] = time.monotonic, name: str = "work") -> None:
        """`slots`: pieces of work that run at the same time, where nobody has to be let in besides."""
        self._clock = clock
        self._free = self._slots = max(1, slots)
        """Below zero where somebody was let in besides."""
        self._long_free = max(1, slots - 1)
        self._long_slots = self._long_free
        self._owners: dict[Hashable, _Owner] = {}
        self._busy: dict[_Owner, None] = {}
        """Those with unfinished work: all others, however many, cost nothing."""
        self._waiting = 0
        self._paused = 0
        self._virtual = 0.0
        self._lock = Lock()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix=name)

    @property
    def busy(self) -> int:
        """Owners with unfinished work."""
        return len(self._busy)

    def submit(self, key: Hashable, work: Callable[[Turn], T], seconds: float, *, long: bool = False) -> "Future[T]":
        """Do `work` for the owner `key`; it must be over in `seconds`. Cancel the future when nobody waits any more.

        `long`: it is expected to take more than `SHORT_SECONDS`. The future raises what `work` raises; `OutOfTime`.
        """
        with self._lock:
            owner = self._owners.get(key)
            if owner is None:
                self._forget()
                owner = self._owners[key] = _Owner(self._virtual)
            if not owner.unfinished:
                owner.spent = max(owner.spent, self._virtual)
            owner.unfinished += 1
            self._busy[owner] = None
            turn = Turn(self, owner, seconds, self._clock() + seconds, long=long)
            turn.work = work
            (owner.long if long else owner.short).append(turn)
            self._waiting += 1
            self._dispatch()
        return turn.future

    async def run(self, key: Hashable, work: Callable[[Turn], T], seconds: float, *, long: bool = False) -> T:
        """`submit`, and wait for it; when the waiting is cancelled, so is the work."""
        return await outcome(self.submit(key, work, seconds, long=long))

    def pause(self, turn: Turn) -> None:
        """See `Turn.pause`."""
        now = self._clock()
        if turn.future.cancelled() or now >= turn.until:
            raise OutOfTime
        if not self._waiting and (turn.long or turn.had + now - turn.began <= SHORT_SECONDS):
            return
        with self._lock:
            self._charge(turn, now)
            if turn.had > SHORT_SECONDS:
                self._lengthen(turn)
            if not self._must_yield(turn):
                return
            turn.waits = Event()
            (turn.owner.long if turn.long else turn.owner.short).appendleft(turn)
            self._waiting += 1
            self._paused += 1
            turn.owner.running -= 1
            self._release(turn)
        self._resume(turn)

    def needs(self, turn: Turn, seconds: float) -> None:
        """See `Turn.needs`."""
        with self._lock:
            now = self._clock()
            self._charge(turn, now)
            turn.owner.owed -= turn.estimate
            turn.estimate = 0.0
            wait = self._wait(turn.owner, seconds)
            allowed = min(MARGIN * turn.allowed, turn.until - now)
            if seconds > SHORT_SECONDS and wait > allowed:
                raise Unaffordable(seconds, MARGIN * turn.allowed, wait)
            if seconds > SHORT_SECONDS:
                turn.estimate = seconds
                turn.owner.owed += seconds
                self._lengthen(turn)
        self.pause(turn)

    def close(self) -> None:
        """End the threads; what waits is not begun. Idempotent."""
        with self._lock:
            waiting = [t for owner in self._owners.values() for t in (*owner.short, *owner.long)]
        for turn in waiting:
            turn.future.cancel()
            if turn.waits is not None:
                turn.waits.set()
        self._threads.shutdown(wait=False, cancel_futures=True)

    # What follows is called with the lock held, apart from `_resume` and `_run`.

    def _wait(self, owner: _Owner, seconds: float) -> float:
        """When work of `owner` would be done, by estimate: its own backlog at its share of the long slots."""
        rivals = 1 + sum(1 for other in self._busy if other is not owner and other.owed > 0)
        return max(seconds, (owner.owed + seconds) * rivals / self._long_slots)

    def _charge(self, turn: Turn, now: float) -> None:
        turn.had += now - turn.began
        turn.owner.spent += now - turn.began
        turn.began = now

    def _lengthen(self, turn: Turn) -> None:
        """From now on the work under way counts as long; `_long_free` below zero: it gives way at the next pause."""
        if not turn.long:
            turn.long = True
            self._long_free -= 1

    def _must_yield(self, turn: Turn) -> bool:
        if (turn.long and self._long_free < 0) or (self._free < 0 and turn.owner.running > 1):
            return True
        best = self._best()
        if best is None:
            return False
        return best.spent < turn.owner.spent if best is not turn.owner else bool(turn.long and best.short)

    def _best(self) -> _Owner | None:
        """Of those with work that could begin now, the owner who has had least."""
        found: _Owner | None = None
        if self._waiting:
            for owner in self._busy:
                if (found is None or owner.spent < found.spent) and (owner.short or self._long_may_begin(owner)):
                    found = owner
        return found

    def _long_may_begin(self, owner: _Owner) -> bool:
        if not owner.long or self._long_free <= 0:
            return False
        return owner.long[0].waits is not None or self._paused < _PAUSED

    def _release(self, turn: Turn) -> None:
        self._free += 1
        if turn.long:
            self._long_free += 1
        self._dispatch()

    def _besides(self) -> _Owner | None:
        """Who may begin something short though no slot is free: it has nothing under way where another has several."""
        if not self._waiting or self._free <= -self._slots or all(owner.running < 2 for owner in self._busy):
            return None
        return min((o for o in self._busy if o.short and not o.running), key=lambda o: o.spent, default=None)

    def _dispatch(self) -> None:
        while (owner := self._best() if self._free > 0 else self._besides()) is not None:
            turn = (owner.short or owner.long).popleft()
            owner.running += 1
            self._waiting -= 1
            self._free -= 1
            if turn.long:
                self._long_free -= 1
            self._virtual = max(self._virtual, owner.spent)
            turn.began = self._clock()
            if turn.waits is not None:
                self._paused -= 1
                turn.waits.set()
            else:
                self._threads.submit(self._run, [turn])

    def _forget(self) -> None:
        """Leave out owners who have nothing to do and are owed nothing."""
        if len(self._owners) >= _OWNERS:
            away = [key for key, o in self._owners.items() if not o.unfinished]
            for key in away:
                del self._owners[key]

    def _resume(self, turn: Turn) -> None:
        """Wait until the work may go on. Raises `OutOfTime`."""
        assert turn.waits is not None  # noqa: S101 - set by `pause`
        turn.waits.wait(max(0.0, turn.until - self._clock()))
        with self._lock:
            if not turn.waits.is_set():
                (turn.owner.long if turn.long else turn.owner.short).remove(turn)
                self._waiting -= 1
                self._paused -= 1
                self._free -= 1
                turn.owner.running += 1
                if turn.long:
                    self._long_free -= 1
                turn.began = self._clock()  # it ends now, on a slot more than there are
            turn.waits = None
        if turn.future.cancelled() or self._clock() >= turn.until:
            raise OutOfTime

    def _run(self, begun: list[Turn]) -> None:
        turn = begun.pop()  # whoever called this holds the list for as long as the traceback of an error lives
        work, turn.work = turn.work, None
        result, error = None, None
        try:
            if turn.future.cancelled() or self._clock() >= turn.until or work is None:
                raise OutOfTime
            result = work(turn)
        except BaseException as raised:  # noqa: BLE001 - whoever waits is told
            error = raised
        with self._lock:
            self._charge(turn, self._clock())
            turn.owner.owed = max(0.0, turn.owner.owed - turn.estimate)
            turn.owner.running -= 1
            turn.owner.unfinished -= 1
            if not turn.owner.unfinished:
                del self._busy[turn.owner]
            self._release(turn)
        if turn.future.set_running_or_notify_cancel():
            if error is not None:
                turn.future.set_exception(emptied(error))
            else:
                turn.future.set_result(result)
        del turn, work, result, error  # a traceback holds this frame


async def outcome(future: "Future[T]") -> T:
    """What becomes of the work of a thread; it is cancelled when the waiting is.

    `asyncio.wrap_future` leaves an error that holds itself: what its frames hold stays in memory until a collection of
    all garbage.
    """
    try:
        await finished(future)
        return future.result()
    except asyncio.CancelledError:
        future.cancel()
        raise
    finally:
        del future  # the traceback of an error holds this frame


async def finished(future: "Future[Any]") -> None:
    """Wait until a thread is done with something, whatever becomes of it; it goes on when the waiting is cancelled.

    Several may wait for one future: none of them raises its error, whose traceback would hold them all.
    """
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not waiter.done():
            waiter.set_result(None)

    def tell(_: object) -> None:
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(wake)

    future.add_done_callback(tell)
    await waiter
