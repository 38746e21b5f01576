"""Attack answers, each cut in two at every byte and sent byte by byte: nothing past the window is ever released."""

import asyncio
import codecs
from collections.abc import Callable, Sequence

import pytest
import re2

from sisf import corpus
from sisf.policy import Direction, Snapshot
from sisf.warden import Warden
from tests.warden.samples import EMBEDDER, near, pattern

WINDOW = 64
STEP = WINDOW // 2
MARK = 20
"""Characters of an answer that a policy knows: they fit into what is held back."""

ANSWERS = [answer.text for answer in corpus.answers() if answer.label == "breach"]
PLACES: dict[str, Callable[[str], int]] = {
    "start": lambda _: 0,
    "middle": lambda text: len(text) // 2,
    "end": lambda text: len(text) - MARK,
}


def cuts_of(text: str) -> list[list[str]]:
    """The text in two pieces, cut at every byte, and one byte at a time: what arrives once characters are whole."""
    raw = text.encode()
    in_two = [(raw[:cut], raw[cut:]) for cut in range(len(raw) + 1)]
    by_byte = tuple(raw[i : i + 1] for i in range(len(raw)))
    found = []
    for pieces in (*in_two, by_byte):
        decoder = codecs.getincrementaldecoder("utf-8")()
        found.append([decoder.decode(piece) for piece in pieces])
    return found


async def released(warden: Warden, pieces: Sequence[str], secret: int) -> None:
    """Send the pieces; nothing from `secret` on may come out, nor what the window must hold back."""
    stream = warden.stream()
    out = fed = ""
    for piece in pieces:
        fed += piece
        out += await stream.feed(piece)
        assert len(out) <= max(0, len(fed) - (WINDOW - STEP)), pieces
        assert len(out) <= secret, pieces
    out += await stream.finish()
    assert fed.startswith(out)
    assert len(out) <= secret, pieces
    assert stream.decision is not None
    assert stream.decision.blocked, pieces


def hold(text: str, place: Callable[[str], int]) -> int:
    """Every way to cut one answer, with a policy on the words at `place`, and then on the meaning of the whole."""
    start = place(text)
    known = pattern(re2.escape(text[start : start + MARK]), direction=Direction.RESPONSE)
    meant = near(text, 0.99, Direction.RESPONSE)
    ways = cuts_of(text)

    async def all_ways() -> None:
        warden = Warden(EMBEDDER, window_chars=WINDOW)
        for policy, secret in ((known, text.index(text[start : start + MARK])), (meant, len(text) - (WINDOW - STEP))):
            warden.activate(Snapshot(1, (policy,)))
            for pieces in ways:
                await released(warden, pieces, secret)
        warden.close()

    asyncio.run(all_ways())
    return len(ways)


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("number", [0, 100, 200])
def test_a_few_answers_cut_at_every_byte(number: int, place: Callable[[str], int]) -> None:
    assert hold(ANSWERS[number], place) > 100


@pytest.mark.soak
def test_200_answers_cut_at_every_byte(record_property: Callable[[str, object], None]) -> None:
    """Minutes: 200 attack answers, three places of what is known."""
    streams = sum(hold(text, place) for text in ANSWERS[:200] for place in PLACES.values())
    record_property("streams", 2 * streams)
    assert len(ANSWERS[:200]) == 200
