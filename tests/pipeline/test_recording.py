"""An exchange that could not be written: what its answer becomes, and that nothing keeps it in memory."""

import asyncio
import gc
import threading
import weakref
from concurrent.futures import Future

import pytest

from sisf.errors import StoreError
from sisf.pipeline.metrics import Metrics
from sisf.pipeline.recording import Recorder
from sisf.settings import load
from sisf.store.records import ExchangeRecord
from tests.store.samples import record

STORE = {"store": {"durability": "strict"}}


class Shared:
    """Gives everybody one future, as a group commit does."""

    def __init__(self) -> None:
        self.future: Future[None] = Future()

    def monitor(self, _record: ExchangeRecord, *, learn: bool = True, gather: bool = False) -> Future[None]:
        return self.future


class Watched(ExchangeRecord):
    """A record of which one can tell whether it is still in memory."""


@pytest.mark.parametrize("ending", ["written", "failed", "cancelled"])
def test_everybody_who_waits_for_one_commit_is_told_of_it_and_nothing_of_them_is_kept(ending: str) -> None:
    shared = Shared()
    recorder = Recorder(shared, load(environment={}, overrides=STORE), Metrics())

    async def waiting(number: int) -> tuple[bool, "weakref.ref[Watched]"]:
        watched = Watched(record(f"e{number}").exchange)
        return await recorder.record(watched), weakref.ref(watched)

    def end() -> None:
        if ending == "cancelled":
            shared.future.cancel()
        elif ending == "failed":
            shared.future.set_exception(StoreError("the disk is full"))
        else:
            shared.future.set_result(None)

    async def all_of_them() -> list[tuple[bool, "weakref.ref[Watched]"]]:
        given_up = asyncio.ensure_future(waiting(0))
        others = [asyncio.ensure_future(waiting(number)) for number in range(1, 4)]
        await asyncio.sleep(0)
        given_up.cancel()  # the commit is everybody's: it goes on
        await asyncio.sleep(0)
        threading.Thread(target=end).start()
        return list(await asyncio.gather(*others))

    gc.disable()
    try:
        told = asyncio.run(all_of_them())
        assert [released for released, _ in told] == [ending == "written"] * 3
        assert [watched() for _, watched in told] == [None] * 3
        assert recorder.well is (ending == "written")
    finally:
        gc.enable()
