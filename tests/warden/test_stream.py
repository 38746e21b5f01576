"""Streams: however an answer is cut, nothing is released that was not inspected, and all is decided as one text."""

import asyncio

import pytest

from sisf.policy import Action, Decision, Direction, Policy, Snapshot
from sisf.warden import Warden
from tests.text.tricks import CHARACTERS, ENCODINGS
from tests.warden.samples import EMBEDDER, answered, near, pattern, redaction

WINDOW = 128
TALE = "Once there was a harmless tale of rain and hills. "


def play(text: str, step: int, *policies: Policy) -> tuple[str, int, Decision]:
    """What was released, after how many characters fed, and the decision."""

    async def run() -> tuple[str, int, Decision]:
        warden = Warden(EMBEDDER, window_chars=WINDOW)
        warden.activate(Snapshot(1, policies))
        stream = warden.stream()
        released = ""
        fed = 0
        for start in range(0, len(text), step):
            piece = text[start : start + step]
            fed += len(piece)
            released += await stream.feed(piece)
            assert fed - len(released) <= WINDOW + step or stream.decision is not None
            if stream.decision is not None and stream.decision.blocked:
                break
        released += await stream.finish()
        warden.close()
        assert stream.decision is not None
        return released, fed, stream.decision

    return asyncio.run(run())


OPEN = pattern("open sesame", direction=Direction.RESPONSE)


@pytest.mark.parametrize("step", [1, 3, 64, 5_000])
def test_a_clean_answer_passes_whole(step: int) -> None:
    released, _, decision = play(TALE * 30, step, OPEN, near("quite another topic", 0.99, Direction.RESPONSE))
    assert released == TALE * 30
    assert decision.action is Action.ALLOW


@pytest.mark.parametrize("step", [1, 2, 7, 63, 5_000])
@pytest.mark.parametrize("place", [0, 1, 5, 29])
def test_what_matches_is_never_released_and_little_is_read_beyond_it(step: int, place: int) -> None:
    before = TALE * place
    released, fed, decision = play(before + "open sesame" + TALE * 30, step, OPEN)
    assert decision.blocked
    assert before.startswith(released)
    assert decision.matches[0].span == (len(before), len(before) + len("open sesame"))
    assert fed <= len(before) + len("open sesame") + WINDOW + step


def test_every_way_to_cut_an_answer_in_two() -> None:
    text = TALE * 4 + "open sesame" + TALE
    for cut in range(len(text)):

        async def run(cut: int = cut) -> None:
            warden = Warden(EMBEDDER, window_chars=64)
            warden.activate(Snapshot(1, (OPEN,)))
            stream = warden.stream()
            released = await stream.feed(text[:cut]) + await stream.feed(text[cut:]) + await stream.finish()
            warden.close()
            assert (TALE * 4).startswith(released)
            assert stream.decision is not None
            assert stream.decision.blocked

        asyncio.run(run())


@pytest.mark.parametrize(
    "trick", [ENCODINGS["base64"], ENCODINGS["hex"], CHARACTERS["spaces"], CHARACTERS["homoglyphs"]]
)
@pytest.mark.parametrize("step", [1, 50])
def test_hidden_answers_are_stopped_too(trick: object, step: int) -> None:
    assert callable(trick)
    hidden = trick("the words are open sesame and no others")
    released, _, decision = play(TALE * 5 + hidden + " " + TALE * 5, step, OPEN)
    assert decision.blocked
    assert hidden not in released


def test_a_pattern_that_spans_pages_is_in_the_decision_and_stops_the_rest() -> None:
    spanning = pattern(r"(?s)begin.*end of it", direction=Direction.RESPONSE)
    text = "begin " + TALE * 40 + "end of it"
    released, _, decision = play(text, 10, spanning)
    assert decision.blocked
    assert len(text) - len(released) >= WINDOW // 2
    assert "end of it" not in released


def test_a_redaction_stops_a_stream() -> None:
    released, _, decision = play(TALE * 5 + "project falcon" + TALE * 5, 10, redaction("falcon"))
    assert decision.blocked
    assert decision.policy_id is not None
    assert "falcon" not in released


def test_a_stream_decides_as_a_whole_text_does() -> None:
    flag = pattern("rain", Action.FLAG, Direction.RESPONSE)
    text = TALE * 20
    _, _, decision = play(text, 9, flag)
    warden = Warden(EMBEDDER)
    warden.activate(Snapshot(1, (flag,)))
    whole = warden.inspect(answered(text), Direction.RESPONSE)
    warden.close()
    assert (decision.action, decision.matches) == (whole.action, whole.matches)


def test_it_ends_on_the_set_it_began_with() -> None:
    async def run() -> Decision | None:
        warden = Warden(EMBEDDER, window_chars=WINDOW)
        warden.activate(Snapshot(1, (OPEN,)))
        stream = warden.stream()
        await stream.feed(TALE * 10)
        warden.activate(Snapshot(2, ()))
        await stream.feed("open sesame")
        await stream.finish()
        warden.close()
        return stream.decision

    decision = asyncio.run(run())
    assert decision is not None
    assert (decision.revision, decision.blocked) == (1, True)
