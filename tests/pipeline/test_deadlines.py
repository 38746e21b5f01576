"""Time limits hold in every event loop of a program."""

import asyncio
import threading

import pytest

from sisf.pipeline.deadlines import Deadlines


async def _hangs(deadlines: Deadlines) -> None:
    with deadlines.within(0.01):
        await asyncio.sleep(20)


async def _is_quick(deadlines: Deadlines) -> None:
    with deadlines.within(20):
        await asyncio.sleep(0)


def test_a_limit_holds_in_a_loop_that_comes_after_another() -> None:
    deadlines = Deadlines()
    asyncio.run(_is_quick(deadlines))  # ends before its timer has run
    with pytest.raises(TimeoutError):
        asyncio.run(_hangs(deadlines))


def test_loops_in_two_threads_do_not_end_each_others_waits() -> None:
    deadlines = Deadlines()
    ended: list[str] = []

    async def both(name: str) -> None:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await _hangs(deadlines)
        ended.append(name)

    threads = [threading.Thread(target=lambda n=n: asyncio.run(both(n))) for n in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(ended) == ["one", "two"]


def test_a_limit_that_is_not_reached_ends_nothing() -> None:
    asyncio.run(_is_quick(Deadlines()))
