"""A loop over the real Warden, with a scripted judge and synthesiser."""

from typing import Any

from sisf.embedding.hashing import HashEmbedder
from sisf.exchange import Exchange
from sisf.loop import Loop
from sisf.loop.workers import Patience
from sisf.policy import Snapshot
from sisf.store import ExchangeRecord, Store
from sisf.testing import OpenGate, ScriptedAdjudicator, ScriptedSynthesiser
from sisf.verdict import Outcome
from sisf.warden import Warden


class FailingWarden(Warden):
    """The real one, which can be told to fail."""

    def __init__(self) -> None:
        super().__init__(HashEmbedder(8), threads=1)
        self.fail: Exception | None = None

    def activate(self, snapshot: Snapshot) -> None:
        if self.fail and snapshot.revision > self.revision:
            raise self.fail
        super().activate(snapshot)


def judge_attacks(exchange: Exchange) -> Outcome:
    for word, outcome in (("attack", Outcome.BREACH), ("unclear", Outcome.UNDECIDED)):
        if word in exchange.prompt:
            return outcome
    return Outcome.SAFE


def make_loop(store: Store, warden: FailingWarden | None = None, **options: Any) -> Loop:
    parts = {
        "adjudicator": ScriptedAdjudicator(judge_attacks),
        "synthesiser": ScriptedSynthesiser(),
        "gate": OpenGate(),
        "patience": Patience(backoff_seconds=0.01),
    }
    loop = Loop(store, warden or FailingWarden(), **{**parts, **options})
    _made.append(loop)
    return loop


_made: list[Loop] = []


def stop_loops() -> None:
    """Stop every loop that was made."""
    while _made:
        _made.pop().stop()


def exchange(prompt: str, name: str | None = None) -> ExchangeRecord:
    return ExchangeRecord(Exchange.of(prompt, "an answer", **({"id": name} if name else {})))
