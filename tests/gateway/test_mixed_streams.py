"""Whatever streams look like: nothing that is stopped is released, nothing harmless is lost, and order is kept."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, cast

import pytest

from sisf.exchange import Message, Role, Sender
from sisf.gateway.app import create_app
from sisf.gateway.dialects.answers import Asked
from sisf.gateway.dialects.base import REFUSAL, Dialect
from sisf.gateway.dialects.chat import Chat
from sisf.gateway.dialects.completions import Completions
from sisf.gateway.dialects.messages import Messages
from sisf.gateway.dialects.responses import Responses
from sisf.gateway.relay import Relay
from sisf.gateway.upstream import Reply
from sisf.pipeline import Caller, Pipeline
from sisf.policy import Decision, Direction
from sisf.settings import load
from sisf.store import Store
from sisf.warden.stream import StreamInspector
from tests.gateway.fakes import FakeJudge, FakeLoop, FakeStore, FakeWarden
from tests.gateway.mixed_streams import WORD, Stream, shown, stream

WINDOW = 64
TURN = [{"role": "user", "content": "hi"}]
DIALECTS: dict[str, tuple[Dialect, dict[str, Any]]] = {
    "chat": (Chat(), {"messages": TURN}),
    "completions": (Completions(), {"prompt": "hi"}),
    "messages": (Messages(), {"messages": TURN, "max_tokens": 9}),
    "responses": (Responses(), {"input": "hi"}),
}


class WindowedWarden(FakeWarden):
    """Looks for a word, with the real inspection of streams."""

    def stream(self, sender: Sender, seconds: float) -> Any:
        async def check(text: str, whole: bool) -> Decision:
            return await self.check([Message(Role.ASSISTANT, text)], Direction.RESPONSE, sender, seconds)

        return StreamInspector(check, WINDOW)


class Chunks:
    """A reply that brings these chunks."""

    headers: Sequence[tuple[bytes, bytes]] = ()

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks

    async def chunks(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk


class Collected:
    """A client that keeps what it gets."""

    def __init__(self) -> None:
        self.begun = False
        self.body = b""
        self.ended = False

    async def begin(self, status: int, headers: object) -> None:
        self.begun = True

    async def piece(self, body: bytes) -> None:
        self.body += body

    async def end(self) -> None:
        self.ended = True

    async def whole(self, *_: Any) -> None:
        raise AssertionError("a stream is no whole")


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    settings = load(
        environment={}, overrides={"upstream.url": "http://127.0.0.1:1/v1", "streaming.window_chars": WINDOW}
    )
    loop, judge, store = FakeLoop(), FakeJudge(), cast(Store, FakeStore())
    return create_app(
        warden=WindowedWarden(), loop=loop, adjudicator=judge, store=store, settings=settings
    ).core.pipeline


def relayed(pipeline: Pipeline, given: Stream) -> bytes:
    dialect, body = DIALECTS[given.dialect]
    request: dict[str, Any] = {"model": "m", "stream": True, **body, **({"n": given.asked} if given.asked > 1 else {})}
    out = Collected()

    async def run() -> None:
        turn = pipeline.begin(dialect.name, dialect.request(request, pipeline.settings.limits), Caller())
        reply = cast(Reply, Chunks(given.chunks))
        await Relay(pipeline, dialect, turn, reply, out, asked=Asked(request), raises=False).run()

    asyncio.run(run())
    assert out.ended
    return out.body


def check(pipeline: Pipeline, number: int) -> None:
    given = stream(number)
    body = relayed(pipeline, given)
    hidden = [text for text in given.texts if WORD in text.said]
    if not hidden:
        assert body == given.raw, "what is harmless passes byte for byte"
        return
    seen = shown(given.dialect, body)
    assert WORD.encode() not in body
    assert REFUSAL.encode() in body
    for text in given.texts:
        got = seen.get(text.place, "").partition(f"\n\n{REFUSAL}")[0].removesuffix(REFUSAL)
        assert text.said.startswith(got), "in order, and nothing left out"
        if text in hidden:
            assert len(got) < text.said.index(WORD) + len(WORD)
        elif given.asked > 1 and text.index != hidden[0].index:
            assert got == text.said, "another answer goes on"


@pytest.mark.parametrize("portion", range(4))
def test_mixed_streams(pipeline: Pipeline, portion: int) -> None:
    for number in range(portion, 400, 4):
        check(pipeline, number)


@pytest.mark.soak
@pytest.mark.parametrize("portion", range(20))
def test_ten_thousand_mixed_streams(pipeline: Pipeline, portion: int) -> None:
    for number in range(portion, 10_000, 20):
        check(pipeline, number)
