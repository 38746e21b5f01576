"""The judge's threads are shared: who asks for much holds up nobody who asks for little."""

import asyncio
import threading

import pytest

from sisf.exchange import Exchange, Message, Role, Sender
from sisf.pipeline.judging import InlineJudge
from sisf.pipeline.metrics import Metrics
from sisf.settings import Adjudication
from sisf.verdict import Outcome, Verdict


class Slow:
    """A judge that takes as long as it is told to over one sender's exchanges."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.go = threading.Event()
        self.inside, self.most = 0, 0
        self._lock = threading.Lock()

    def adjudicate(self, exchange: Exchange) -> Verdict:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        if exchange.sender.principal == "greedy":
            self.go.wait(20)
        with self._lock:
            self.inside -= 1
        return Verdict(Outcome.SAFE, self.name)


def _said_by(principal: str) -> Exchange:
    return Exchange((Message(Role.USER, "hello"),), "hello", sender=Sender("t", principal))


@pytest.mark.parametrize("name", ["local", "llm"])
def test_one_sender_with_many_exchanges_lets_another_with_one_go_first(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    slow = Slow(name)
    judge = InlineJudge(slow, Adjudication(timeout=20), Metrics())

    async def main() -> None:
        many = [asyncio.ensure_future(judge.verdict(_said_by("greedy"))) for _ in range(100)]
        await asyncio.sleep(0)
        assert (await judge.verdict(_said_by("modest"))).outcome is Outcome.SAFE
        assert not any(each.done() for each in many)
        slow.go.set()
        assert {verdict.outcome for verdict in await asyncio.gather(*many)} == {Outcome.SAFE}

    try:
        asyncio.run(asyncio.wait_for(main(), 20))
    finally:
        slow.go.set()
        judge.close()
    # a judge that computes here has as many threads as processors, and as many again for who is let in besides
    assert slow.most <= (2 * 2 if name == "local" else 2 * 16)
