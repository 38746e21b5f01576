"""Limits are the settings', and they agree with each other: what may begin can end in time."""

import asyncio
import itertools
import re
import string
from collections.abc import Sequence
from pathlib import Path

import pytest

from sisf import bootstrap
from sisf.embedding.base import Vectors
from sisf.embedding.hashing import HashEmbedder
from sisf.errors import LimitExceeded, TooLongToInspect
from sisf.exchange import Sender
from sisf.fair_pool import MARGIN, OutOfTime
from sisf.policy import Direction, Policy, Snapshot
from sisf.settings import Limits, OnFailure, load
from sisf.warden import Warden
from sisf.warden.pace import _sample
from tests.warden.samples import EMBEDDER, near, pattern, said

SENDER = Sender("t", "alice")


class CountingEmbedder(HashEmbedder):
    """Counts the characters it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.chars = 0

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.chars += sum(map(len, texts))
        return super().embed(texts)


def warden_with(policy: Policy, *, seconds_a_char: float = 1e-3) -> tuple[Warden, CountingEmbedder]:
    """A Warden for whom a character of `prose` takes so long, as it believes."""
    embedder = CountingEmbedder()
    warden = Warden(embedder)
    warden.activate(Snapshot(1, (policy,)))
    warden._pace.seconds = 5.0 * seconds_a_char
    warden._pace._measured = float("inf")
    return warden, embedder


def prose(chars: int) -> str:
    """A text that has one reading and repeats nothing."""
    words = ("".join(letters) for letters in itertools.product(string.ascii_lowercase, repeat=4))
    return " ".join(itertools.islice(words, chars // 5 + 1))[:chars]


def test_the_warden_refuses_above_the_configured_length(tmp_path: Path) -> None:
    values = {"limits.text_chars": 100, "store.url": f"sqlite:///{tmp_path / 'sisf.db'}", "loop.workers": 0}
    system = bootstrap.build(load(None, overrides=values, environment={}), embedder=EMBEDDER)
    with pytest.raises(LimitExceeded, match="at most 100"):
        system.warden.inspect(said("a" * 101), Direction.PROMPT)
    system.close()


@pytest.mark.parametrize("seconds", [10.0, 30.0])
def test_what_cannot_be_inspected_in_time_is_refused_before_it_begins(seconds: float) -> None:
    warden, embedder = warden_with(near("the marrow of the matter"))
    with pytest.raises(TooLongToInspect, match=r"at most about [\d,]+ can be inspected") as refused:
        asyncio.run(warden.check(said(prose(int(1e3 * seconds))), Direction.PROMPT, SENDER, seconds))
    assert embedder.chars == 0
    most = int(re.findall(r"at most about ([\d,]+)", str(refused.value))[0].replace(",", ""))
    assert 0.7 * MARGIN * seconds < 1e-3 * most < MARGIN * seconds  # neighbouring windows share words
    with pytest.raises(TooLongToInspect):
        asyncio.run(warden.check(said(prose(int(1.3 * most))), Direction.PROMPT, SENDER, seconds))
    asyncio.run(warden.check(said(prose(int(0.9 * most))), Direction.PROMPT, SENDER, seconds))
    assert embedder.chars >= 0.9 * most
    warden.close()


def test_many_short_texts_count_as_the_looks_that_they_cost() -> None:
    warden, embedder = warden_with(near("the marrow of the matter"))
    with pytest.raises(TooLongToInspect):
        asyncio.run(warden.check(said(*(str(n) for n in range(300))), Direction.PROMPT, SENDER, 10.0))
    assert embedder.chars == 0
    warden.close()


def test_texts_seen_before_need_no_time() -> None:
    warden, embedder = warden_with(near("the marrow of the matter"))
    history = [prose(4_000), "an answer. " + prose(4_500)]
    for text in history:
        asyncio.run(warden.check(said(text), Direction.PROMPT, SENDER, 10.0))
    seen = embedder.chars
    for text in history:
        asyncio.run(warden.check(said(text), Direction.PROMPT, SENDER, 0.5))  # by their length they would need 9 s
    assert embedder.chars == seen
    warden.close()


def test_patterns_alone_are_searched_in_all_that_the_limits_allow() -> None:
    warden, _ = warden_with(pattern("marrow"))
    text = prose(Limits().text_chars - 7) + " marrow"
    timeout = OnFailure().warden_timeout
    assert asyncio.run(warden.check(said(text), Direction.PROMPT, SENDER, timeout)).blocked
    assert warden._pace.guess(Limits().text_chars, semantic=False) < MARGIN * timeout
    warden.close()


def test_the_pace_is_measured_on_what_ships() -> None:
    warden = Warden(EMBEDDER)
    warden.activate(Snapshot(1, (near("the marrow of the matter"),)))
    ticks = iter((100.0, 106.0, 110.0, 113.0))  # the first look pays for what is made once
    warden._pace._cost = lambda: next(ticks)
    warden._pace.measure(warden.policy_set, Direction.PROMPT, "")
    sample = said(_sample()[3_000:6_000])  # the second piece
    assert warden._pace.seconds == pytest.approx(
        3.0 / warden.policy_set.begin(sample, Direction.PROMPT, "").work, rel=0.2
    )
    warden.close()


def test_measuring_the_pace_gives_way_and_is_done_anew_when_it_was_ended() -> None:
    warden, _ = warden_with(near("the marrow of the matter"))
    warden._pace._measured = None
    before, steps = warden._pace.seconds, 0

    def pause(most: int) -> None:
        nonlocal steps
        steps += 1
        if steps > most:
            raise OutOfTime

    with pytest.raises(OutOfTime):
        warden._pace.measure(warden.policy_set, Direction.PROMPT, "", lambda: pause(5))
    assert warden._pace.seconds == before
    warden._pace.measure(warden.policy_set, Direction.PROMPT, "", lambda: pause(1_000_000))
    assert warden._pace.seconds != before
    assert steps > 20
    warden.close()
