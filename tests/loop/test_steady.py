"""A clock that jumps makes nothing old."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from sisf.loop.housekeeping import Housekeeping, Retention
from sisf.loop.steady import SteadyTime
from sisf.testing import MemoryStore
from tests.loop.fakes import make_loop
from tests.store.samples import record

DAY = 86_400.0


class Clocks:
    """A time of day that can be put anywhere, and seconds that only go forward."""

    def __init__(self) -> None:
        self.day, self.seconds = datetime(2026, 11, 1, tzinfo=UTC), 0.0

    def passes(self, seconds: float) -> None:
        self.day += timedelta(seconds=seconds)
        self.seconds += seconds

    def steady(self) -> SteadyTime:
        return SteadyTime(lambda: self.day, lambda: self.seconds)


def test_a_clock_that_is_put_forward_is_believed_after_a_day_and_told_once() -> None:
    clocks = Clocks()
    now = clocks.steady()
    right = clocks.day
    clocks.day += timedelta(days=400)
    with capture_logs() as logs:
        for hours in range(24):
            assert now() == right + timedelta(hours=hours)
            clocks.passes(3_600)
        assert now() == clocks.day
    assert [line["event"] for line in logs] == ["clock_put_forward"]
    clocks.passes(60)
    assert now() == clocks.day


def test_a_clock_that_is_put_back_or_set_right_is_believed_at_once() -> None:
    clocks = Clocks()
    now = clocks.steady()
    for step in (-400 * DAY, 300.0, -60.0, 3_000.0):
        clocks.day += timedelta(seconds=step)
        clocks.passes(60)
        assert now() == clocks.day


@given(st.lists(st.tuples(st.floats(0, 3 * DAY), st.floats(-500 * DAY, 500 * DAY)), max_size=12))
def test_time_never_goes_faster_than_it_passes_unless_a_clock_was_forward_for_a_day(
    steps: list[tuple[float, float]],
) -> None:
    clocks = Clocks()
    now = clocks.steady()
    before, at, forward = now(), 0.0, 0.0
    for seconds, jump in steps:
        clocks.passes(seconds)
        clocks.day += timedelta(seconds=jump)
        found = now()
        gained = (found - before).total_seconds() - (clocks.seconds - at)
        forward = 0.0 if found == clocks.day and gained <= 3_600 else forward + seconds
        assert gained <= 3_600 or forward >= DAY
        forward = 0.0 if found == clocks.day else forward
        before, at = found, clocks.seconds


def test_a_clock_that_is_ahead_of_the_store_at_the_start_is_believed_after_a_day() -> None:
    for ahead in (timedelta(hours=2), timedelta(days=400)):
        clocks = Clocks()
        now, written = clocks.steady(), clocks.day - ahead
        now.begin(written)
        for hours in range(24):
            assert now() == written + timedelta(hours=hours)
            clocks.passes(3_600)
        assert now() == clocks.day


@pytest.mark.parametrize(
    "written", [None, timedelta(minutes=-50), timedelta(0), timedelta(hours=2), timedelta(days=400)]
)
def test_other_clocks_are_believed_at_the_start(written: timedelta | None) -> None:
    clocks = Clocks()
    now = clocks.steady()
    with capture_logs() as logs:
        now.begin(None if written is None else clocks.day + written)
        assert now() == clocks.day
    behind = written is not None and written > timedelta(hours=1)
    assert [line["event"] for line in logs] == ["clock_behind_store"] * behind


def test_nothing_is_deleted_by_a_program_that_starts_with_a_wrong_clock() -> None:
    store, old = MemoryStore(), record("kept")
    old = replace(old, exchange=replace(old.exchange, time=datetime.now(UTC) - timedelta(days=400)))
    store.exchanges.record(old, enqueue=False).result(60)
    loop = make_loop(store, workers=0, retention=Retention(30, 30))
    loop.start()
    store.exchanges.record(record("new"), enqueue=False).result(60)  # what it writes itself says nothing
    loop._housekeeping.once()
    assert [found.exchange.id for found in store.exchanges.recent(10)] == ["new", "kept"]


def test_nothing_is_deleted_because_a_clock_was_put_forward() -> None:
    clocks, store = Clocks(), MemoryStore()
    clocks.day = datetime.now(UTC)
    store.exchanges.record(record("kept"), enqueue=False).result(60)
    lifecycle = make_loop(store, workers=0).lifecycle
    housekeeping = Housekeeping(store, lifecycle, Retention(30, 30), seconds=60, now=clocks.steady())
    clocks.day += timedelta(days=400)
    housekeeping.once()
    assert [found.exchange.id for found in store.exchanges.recent(10)] == ["kept"]
    clocks.passes(DAY)  # it stays where it was put: so it is right
    housekeeping.once()
    assert store.exchanges.recent(10) == []
