"""One principal floods the loop with ever new breaches: policies, memory and time stay bounded, others still teach."""

import random
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sisf.embedding.hashing import HashEmbedder
from sisf.exchange import Exchange, Fate
from sisf.loop import Loop, Reference, Rules
from sisf.policy import Direction, Status
from sisf.store import ExchangeRecord, Store, open_store
from sisf.synthesis.gate import Gate
from sisf.synthesis.local import LocalSynthesiser
from sisf.testing import ScriptedAdjudicator
from sisf.verdict import Outcome, Verdict
from sisf.warden import Warden
from tests.synthesis.known import BENIGN

RULES = Rules(triggers=20, trigger_seconds=5.0, active_limit=60)
BREACH = Verdict(Outcome.BREACH, "led astray", confidence=1.0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path / 'sisf.db'}")
    yield store
    store.close()


def flood(store: Store, count: int) -> None:
    embedder, rng = HashEmbedder(), random.Random(0)
    warden = Warden(embedder, threads=1)
    loop = Loop(
        store,
        warden,
        ScriptedAdjudicator(),
        LocalSynthesiser(embedder, learn_answers=False),
        Gate(embedder),
        reference=Reference(BENIGN),
        workers=0,
        rules=RULES,
    )
    letters = "abcdefghijklmnopqrstuvwxyz"
    for start in range(0, count, 500):
        for number in range(start, min(start + 500, count)):
            text = " ".join("".join(rng.choices(letters, k=6)) for _ in range(10))
            said = Exchange.of(text, "yes", id=f"f{number}", principal="flooder")
            loop.monitor(ExchangeRecord(said, (), Fate.WITHHELD, BREACH))
        assert loop.drain(600)
    loop.monitor(ExchangeRecord(Exchange.of("burgle the villa", "yes", principal="ann"), (), Fate.WITHHELD, BREACH))
    assert loop.drain(60)
    assert loop.lifecycle.review().revision == store.policies.snapshot().revision
    assert warden.policy_set.inspect(Exchange.of("burgle the villa").messages, Direction.PROMPT, "").blocked
    assert not any(
        warden.policy_set.inspect(Exchange.of(text).messages, Direction.PROMPT, "").blocked for text in BENIGN[::20]
    )
    assert len(loop.knowledge.breaches()) <= 5_000
    warden.close()


def learned(store: Store) -> int:
    return sum(p.status is not Status.REJECTED for p in store.policies.list())


@pytest.mark.slow
def test_a_flood_learns_no_more_than_its_turns(store: Store) -> None:
    started = time.monotonic()
    flood(store, 300)
    turns = RULES.triggers + (time.monotonic() - started) / RULES.trigger_seconds + 2
    assert learned(store) <= 3 * turns
    assert len(store.policies.snapshot().active) <= RULES.active_limit


@pytest.mark.soak
def test_a_hundred_thousand_breaches(store: Store) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.monotonic()
    flood(store, 100_000)
    seconds = time.monotonic() - started
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"100,000 breaches: {seconds:.0f} s, {grown:.0f} MiB, {len(store.policies.snapshot().active)} active")
    assert store.exchanges.breach_count() == 100_001
    assert len(store.policies.snapshot().active) <= RULES.active_limit
    assert grown < 1_000
