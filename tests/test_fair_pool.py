"""Threads shared fairly: who goes first, what gives way, and that nothing goes on for which nobody waits.

Time is a number that the work itself moves on.
"""

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sisf.fair_pool import MARGIN, SHORT_SECONDS, FairPool, OutOfTime, Turn, Unaffordable

PATIENCE = 20.0
"""Seconds of real time after which a test that hangs fails."""


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def busy(clock: Clock, steps: int, seconds: float, log: list[str], name: str) -> Callable[[Turn], str]:
    """Work of so many steps, each of which takes so long."""

    def work(turn: Turn) -> str:
        for _ in range(steps):
            turn.pause()
            log.append(name)
            clock.now += seconds
        turn.pause()
        return name

    return work


def held(pool: FairPool) -> threading.Event:
    """Occupies a slot until the event is set: what is given meanwhile waits."""
    gate, begun = threading.Event(), threading.Event()

    def work(_: Turn) -> None:
        begun.set()
        gate.wait(PATIENCE)

    pool.submit("nobody", work, 1e9)
    assert begun.wait(PATIENCE)
    return gate


def test_one_owner_with_much_lets_another_with_little_go_first(clock: Clock) -> None:
    pool, log = FairPool(1, clock=clock), list[str]()
    gate = held(pool)
    many = [pool.submit("greedy", busy(clock, 20, 0.02, log, "greedy"), 1e6) for _ in range(5)]
    few = [pool.submit("modest", busy(clock, 1, 0.02, log, f"modest {n}"), 1e6) for n in range(5)]
    gate.set()
    assert [f.result(PATIENCE) for f in few] == [f"modest {n}" for n in range(5)]
    assert [f.result(PATIENCE) for f in many] == ["greedy"] * 5
    last = max(log.index(f"modest {n}") for n in range(5))
    assert log[:last].count("greedy") <= 6  # one step of the one for each step of the other
    pool.close()


def test_short_work_of_an_owner_does_not_wait_for_its_long_work(clock: Clock) -> None:
    pool, log = FairPool(1, clock=clock), list[str]()
    gate = held(pool)
    long = pool.submit("one", busy(clock, 50, 0.1, log, "long"), 1e6, long=True)
    short = pool.submit("one", busy(clock, 1, 0.01, log, "short"), 1e6)
    gate.set()
    assert (short.result(PATIENCE), long.result(PATIENCE)) == ("short", "long")
    assert log[0] == "short"
    pool.close()


def test_long_work_never_takes_the_last_thread(clock: Clock) -> None:
    pool = FairPool(2, clock=clock)
    gates, begun = [threading.Event() for _ in range(3)], [threading.Event() for _ in range(3)]

    def long(number: int) -> Callable[[Turn], None]:
        def work(turn: Turn) -> None:
            begun[number].set()
            gates[number].wait(PATIENCE)

        return work

    futures = [pool.submit(f"owner {n}", long(n), 1e6, long=True) for n in range(3)]
    assert begun[0].wait(PATIENCE)
    assert pool.submit("modest", lambda _: "done", 1e6).result(PATIENCE) == "done"  # though three long ones are there
    assert not begun[1].is_set()
    assert not begun[2].is_set()
    for gate in gates:
        gate.set()
    for future in futures:
        future.result(PATIENCE)
    pool.close()


def test_work_that_turns_out_long_gives_way(clock: Clock) -> None:
    """Two pieces that were thought short occupy both threads: one of them stops for what is short."""
    pool, log = FairPool(2, clock=clock), list[str]()
    entered = threading.Barrier(3)
    go = threading.Event()

    def work(turn: Turn) -> None:
        entered.wait(PATIENCE)
        go.wait(PATIENCE)
        for _ in range(200):
            clock.now += SHORT_SECONDS
            turn.pause()
        log.append("long")

    futures = [pool.submit("greedy", work, 1e6) for _ in range(2)]
    entered.wait(PATIENCE)
    third = pool.submit("modest", lambda _: log.append("short"), 1e6)
    go.set()
    third.result(PATIENCE)
    assert log[0] == "short"
    for future in futures:
        future.result(PATIENCE)
    pool.close()


def test_who_has_nothing_is_let_in_besides_where_another_has_several_threads(clock: Clock) -> None:
    pool, gate = FairPool(2, clock=clock), threading.Event()
    inside, most = [0], [0]
    lock = threading.Lock()

    def work(_: Turn) -> str:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        gate.wait(PATIENCE)
        with lock:
            inside[0] -= 1
        return "done"

    greedy = [pool.submit("greedy", work, 1e6) for _ in range(10)]
    assert pool.submit("modest", lambda _: "at once", 1e6).result(PATIENCE) == "at once"
    first = [pool.submit(f"modest {n}", work, 1e6) for n in range(5)]  # as many besides as there are slots
    second = pool.submit("modest 0", work, 1e6)
    long = pool.submit("another", work, 1e6, long=True)
    gate.set()
    assert [f.result(PATIENCE) for f in (*greedy, *first, second, long)] == ["done"] * 17
    assert most[0] <= 4
    pool.close()


def test_nobody_is_let_in_besides_where_nobody_has_several_threads(clock: Clock) -> None:
    pool, gate = FairPool(2, clock=clock), threading.Event()
    begun = [threading.Event() for _ in range(3)]

    def work(number: int) -> Callable[[Turn], None]:
        def work(_: Turn) -> None:
            begun[number].set()
            gate.wait(PATIENCE)

        return work

    futures = [pool.submit(f"owner {n}", work(n), 1e6) for n in range(3)]
    assert begun[0].wait(PATIENCE)
    assert begun[1].wait(PATIENCE)
    assert not begun[2].is_set()
    gate.set()
    for future in futures:
        future.result(PATIENCE)
    pool.close()


def test_who_has_several_threads_gives_way_to_who_was_let_in_besides(clock: Clock) -> None:
    """At the next pause: no more threads compute then than there are slots."""
    pool, log = FairPool(2, clock=clock), list[str]()
    entered, go, end = threading.Barrier(3), threading.Event(), threading.Event()
    inside = [threading.Event() for _ in range(2)]

    def greedy(turn: Turn) -> None:
        entered.wait(PATIENCE)
        go.wait(PATIENCE)
        turn.pause()
        log.append("greedy")

    def modest(number: int) -> Callable[[Turn], None]:
        def work(_: Turn) -> None:
            inside[number].set()
            end.wait(PATIENCE)
            log.append("modest")

        return work

    many = [pool.submit("greedy", greedy, 1e6) for _ in range(2)]
    entered.wait(PATIENCE)
    few = [pool.submit(f"modest {n}", modest(n), 1e6) for n in range(2)]
    for begun in inside:
        assert begun.wait(PATIENCE)
    clock.now += SHORT_SECONDS  # what the greedy one had
    few.append(pool.submit("a third", lambda _: log.append("modest"), 1e6))
    go.set()
    time.sleep(0.05)  # time to go on by mistake
    end.set()
    for future in (*many, *few):
        future.result(PATIENCE)
    assert log[0] == "modest"
    assert pool.submit("after", lambda _: "free", 1e6).result(PATIENCE) == "free"
    pool.close()


def test_owners_who_are_away_are_not_looked_at(clock: Clock) -> None:
    """A gateway knows thousands of callers: who has nothing to do must cost nothing at each step of the others."""
    pool = FairPool(2, clock=clock)
    for n in range(2_000):
        pool.submit(n, lambda _: None, 1e6).result(PATIENCE)
    pool.submit("last", lambda _: None, 1e6).result(PATIENCE)
    assert pool.busy == 0
    pool.close()


def test_work_ends_at_the_first_pause_after_its_time(clock: Clock) -> None:
    pool, log = FairPool(1, clock=clock), list[str]()
    future = pool.submit("one", busy(clock, 1_000, 1.0, log, "step"), 10.0)
    with pytest.raises(OutOfTime):
        future.result(PATIENCE)
    assert len(log) == 10
    pool.close()


def test_work_that_nobody_waits_for_ends(clock: Clock) -> None:
    pool, steps = FairPool(1, clock=clock), list[str]()
    begun, go = threading.Event(), threading.Event()

    def work(turn: Turn) -> None:
        begun.set()
        go.wait(PATIENCE)
        turn.pause()
        steps.append("went on")

    future = pool.submit("one", work, 1e6)
    waiting = pool.submit("one", lambda _: steps.append("began"), 1e6)
    assert begun.wait(PATIENCE)
    assert future.cancel()
    assert waiting.cancel()
    go.set()
    assert pool.submit("one", lambda _: "next", 1e6).result(PATIENCE) == "next"  # the thread is free again
    assert steps == []
    pool.close()


@given(
    allowed=st.floats(0.5, 1e4),
    seconds=st.floats(0.0, 1e5),
    steps=st.integers(1, 50),
)
def test_what_may_begin_ends_in_time(allowed: float, seconds: float, steps: int) -> None:
    """Where estimates hold, work alone either ends or is refused before its first step, by a figure that agrees."""
    clock, log = Clock(), list[str]()
    pool = FairPool(2, clock=clock)

    def work(turn: Turn) -> str:
        turn.needs(seconds)
        return busy(clock, steps, seconds / steps, log, "step")(turn)

    future = pool.submit("one", work, allowed)
    if seconds <= max(SHORT_SECONDS, MARGIN * allowed):
        assert future.result(PATIENCE) == "step"
    else:
        with pytest.raises(Unaffordable) as refused:
            future.result(PATIENCE)
        assert refused.value.alone
        assert refused.value.allowed == pytest.approx(MARGIN * allowed)
        assert log == []
    pool.close()


def test_a_backlog_is_counted_before_more_begins(clock: Clock) -> None:
    pool = FairPool(2, clock=clock)
    begun, go = threading.Event(), threading.Event()

    def first(turn: Turn) -> None:
        turn.needs(5.0)
        begun.set()
        go.wait(PATIENCE)

    waits = pool.submit("greedy", first, 10.0, long=True)
    assert begun.wait(PATIENCE)
    with pytest.raises(Unaffordable) as refused:
        pool.submit("greedy", lambda turn: turn.needs(5.0), 10.0).result(PATIENCE)
    assert not refused.value.alone
    assert refused.value.wait == pytest.approx(10.0)
    go.set()
    waits.result(PATIENCE)
    pool.submit("greedy", lambda turn: turn.needs(5.0), 10.0).result(PATIENCE)  # what is done is owed no more
    pool.close()


@given(plan=st.lists(st.tuples(st.integers(0, 4), st.integers(1, 6), st.booleans()), min_size=1, max_size=40))
def test_everything_given_is_done_once_and_slots_come_back(plan: list[tuple[int, int, bool]]) -> None:
    clock, pool = Clock(), FairPool(2)  # real time: nothing is ever late
    log: list[str] = []
    futures = [
        pool.submit(owner, busy(clock, steps, 0.0, log, str(n)), PATIENCE, long=long)
        for n, (owner, steps, long) in enumerate(plan)
    ]
    assert [f.result(PATIENCE) for f in futures] == [str(n) for n in range(len(plan))]
    assert [log.count(str(n)) for n in range(len(plan))] == [steps for _, steps, _ in plan]
    assert pool.submit("after", lambda _: "free", PATIENCE).result(PATIENCE) == "free"
    pool.close()


class Document:
    """Something large."""


@pytest.mark.parametrize("fails", [False, True])
def test_what_work_read_is_gone_when_nobody_needs_it_without_a_collection_of_garbage(fails: bool) -> None:
    pool = FairPool(2)

    def work(turn: Turn, document: Document) -> Document:
        if fails:
            turn.needs(1_000)
        return document

    async def asked() -> "weakref.ref[Document]":
        document = Document()
        with suppress(Unaffordable):
            await pool.run("a", lambda turn: work(turn, document), 60)
        return weakref.ref(document)

    gc.disable()
    try:
        left, end = asyncio.run(asked()), time.monotonic() + PATIENCE
        while left() is not None and time.monotonic() < end:
            time.sleep(0.01)  # the thread is about to end
        assert left() is None
    finally:
        gc.enable()
        pool.close()


def test_waiting_that_is_cancelled_cancels_the_work() -> None:
    pool = FairPool(1)
    gate = held(pool)
    begun: list[str] = []

    async def cancelled() -> None:
        waiting = asyncio.ensure_future(pool.run("a", lambda _: begun.append("a"), 60))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(cancelled())
    gate.set()
    assert pool.submit("b", lambda _: "b", 60).result(PATIENCE) == "b"
    assert begun == []
    pool.close()
