"""Watching the gateway costs one question of the store, however many ask, and nobody makes it look dead by asking."""

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from sisf.gateway.shared_question import SharedQuestion
from tests.gateway.conftest import rig
from tests.gateway.fakes import FakeStore


class SlowStore(FakeStore):
    """Takes 0.3 s to say how many jobs there are."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.jobs.counts = self._counts

    def _counts(self) -> Mapping[str, int]:
        self.asked += 1
        time.sleep(0.3)
        return {"dead": 0}


@pytest.mark.parametrize("path", ["/readyz", "/metrics"])
def test_a_flood_of_questions_does_not_make_the_gateway_look_dead(path: str) -> None:
    store = SlowStore()
    with rig(store=store) as gateway, ThreadPoolExecutor(60) as clients:
        flood = [clients.submit(gateway.get, path) for _ in range(60)]
        report = gateway.get("/readyz")
        assert (report.status, report.json()["status"]) == (200, "ok")
        assert {answer.result().status for answer in flood} == {200}
        assert store.asked <= 10


def test_whoever_asks_meanwhile_is_given_the_same_answer_and_whoever_asks_later_a_new_one() -> None:
    asked = 0

    async def ask() -> int:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.01)
        if asked == 2:
            raise ValueError("no answer")
        return asked

    async def many(question: SharedQuestion[int]) -> list[int | BaseException]:
        return await asyncio.gather(*(question.answer() for _ in range(50)), return_exceptions=True)

    async def all_of_it() -> None:
        question = SharedQuestion(ask)
        assert set(await many(question)) == {1}
        assert {type(answer) for answer in await many(question)} == {ValueError}
        gone = asyncio.ensure_future(question.answer())
        await asyncio.sleep(0)
        gone.cancel()
        assert set(await many(question)) == {3}, "who leaves takes the answer from nobody"

    asyncio.run(all_of_it())
