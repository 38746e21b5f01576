"""Steps on the event loop are taken by turns: nobody who takes many holds up somebody who takes one."""

import asyncio
import random

import pytest

from sisf.pipeline.breath import Breath


class Clock:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1.0

    def __call__(self) -> float:
        return self.now


async def _walk(breath: Breath, clock: Clock, owner: str, taken: list[str], seconds: float) -> None:
    """Take steps without end."""
    while True:
        await breath.draw(owner)
        taken.append(owner)
        clock.now += seconds


@pytest.mark.parametrize("seed", range(20))
def test_one_owner_waits_for_one_turn_of_each_other_one(seed: int) -> None:
    rng = random.Random(seed)
    others = [f"hostile {n}" for n in range(rng.randint(1, 4))]
    walks = rng.randint(1, 30)
    seconds = rng.choice([0.0004, 0.002, 0.009, 0.05])
    clock, taken = Clock(), list[str]()
    breath = Breath(clock)

    async def main() -> list[int]:
        tasks = [
            asyncio.ensure_future(_walk(breath, clock, owner, taken, seconds)) for owner in others for _ in range(walks)
        ]
        waited = []
        for _ in range(30):
            for _ in range(rng.randint(1, 5)):
                await asyncio.sleep(0)
            before = len(taken)
            await breath.draw("honest")
            waited.append(len(taken) - before)
            clock.now += 0.0001
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return waited

    steps_a_turn = 1 + int(0.001 / seconds)
    alone = int(0.008 / seconds) + 1  # one who began alone is not interrupted before
    assert max(asyncio.run(main())) <= alone + steps_a_turn * (len(others) + 1)
    assert {taken.count(owner) > 0 for owner in others} == {True}


def test_all_of_one_owner_go_on_in_their_order() -> None:
    clock, taken = Clock(), list[str]()
    breath = Breath(clock)

    async def step(name: str) -> None:
        for _ in range(3):
            await breath.draw("one")
            taken.append(name)
            clock.now += 1.0

    async def main() -> None:
        await asyncio.gather(*(step(name) for name in "abc"))

    asyncio.run(main())
    for end in range(len(taken)):
        counts = [taken[:end].count(name) for name in "abc"]
        assert max(counts) - min(counts) <= 2  # the first one asks twice before the others ask


def test_who_was_cancelled_holds_up_nobody() -> None:
    clock = Clock()
    breath = Breath(clock)

    async def step() -> None:
        await breath.draw("one")
        clock.now += 1.0

    async def main() -> None:
        waiting = [asyncio.ensure_future(step()) for _ in range(5)]
        await asyncio.sleep(0)  # the first one goes on at once
        for task in waiting[1::2]:
            task.cancel()
        gone = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 5)
        assert [isinstance(each, asyncio.CancelledError) for each in gone] == [False, True, False, True, False]
        await asyncio.wait_for(breath.draw("another"), 5)

    asyncio.run(main())


def test_alone_nobody_waits_while_the_turn_is_young() -> None:
    clock = Clock()
    breath = Breath(clock)

    async def main() -> None:
        for _ in range(3):
            for _ in range(100):  # not a round of the loop between them
                steps = breath.draw("one")
                with pytest.raises(StopIteration):
                    steps.send(None)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            clock.now += 1.0  # a pause in which others had their turn: no need to wait for another one

    asyncio.run(main())
