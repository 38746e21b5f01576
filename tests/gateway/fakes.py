"""Parts of the same shape as the real ones, small enough to see through, that fail when told to."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from sisf.exchange import Exchange, Message, Sender
from sisf.policy import Action, Decision, Direction, Match, Pattern, Policy
from sisf.settings import Settings
from sisf.store.figures import Tally
from sisf.store.records import ExchangeRecord
from sisf.taxonomy import Hazard
from sisf.verdict import Outcome, Verdict


def decision_on(text: str, direction: Direction, words: Mapping[str, Action]) -> Decision:
    hits = [Match("p-" + word, action, 1.0, 1.0) for word, action in words.items() if word in text]
    hits.sort(key=lambda m: -m.action.precedence)
    action = hits[0].action if hits else Action.ALLOW
    return Decision(action, tuple(hits), 7, direction)


class FakeInspector:
    """Holds back `window` characters; blocks as soon as a word is seen."""

    def __init__(self, words: Mapping[str, Action], window: int, warden: "FakeWarden") -> None:
        self.words = words
        self.window = window
        self.text = ""
        self.out = 0
        self.decision: Decision | None = None
        self.warden = warden

    async def feed(self, text: str) -> str:
        await self.warden.trouble()
        self.text += text
        return self._release(max(self.out, len(self.text) - self.window))

    async def finish(self) -> str:
        return self._release(len(self.text))

    def _release(self, end: int) -> str:
        self.decision = decision_on(self.text, Direction.RESPONSE, self.words)
        if self.decision.blocked:
            return ""
        released, self.out = self.text[self.out : end], end
        return released


class FakeWarden:
    revision = 7

    def __init__(self, words: Mapping[str, Action] | None = None, window: int = 64) -> None:
        self.words = words if words is not None else {"FORBIDDEN": Action.BLOCK, "ODD": Action.FLAG}
        self.window = window
        self.observed: frozenset[str] = frozenset()
        self.suspended: frozenset[str] = frozenset()
        self.error: Exception | None = None
        self.delay = 0.0
        self.seen: list[tuple[Direction, tuple[Message, ...]]] = []
        self.rewrite: tuple[str, str] | None = None

    async def trouble(self) -> None:
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.error:
            raise self.error

    def follow(self, settings: Settings) -> None:
        self.observed = frozenset(settings.observe.policies)

    def enforces(self, tenant: str) -> bool:
        return tenant not in self.suspended

    def at_once(self, messages: Sequence[Message], direction: Direction, tenant: str) -> Decision | None:
        return None

    async def check(
        self, messages: Sequence[Message], direction: Direction, sender: Sender, seconds: float
    ) -> Decision:
        await self.trouble()
        self.seen.append((direction, tuple(messages)))
        decision = decision_on("\n".join(m.content for m in messages), direction, self.words)
        if self.rewrite and any(self.rewrite[0] in m.content for m in messages):
            texts = tuple(m.content.replace(*self.rewrite) for m in messages)
            return Decision(Action.REWRITE, (), 7, direction, rewritten=texts)
        return decision

    def stream(self, sender: Sender, seconds: float) -> FakeInspector:
        return FakeInspector(self.words, self.window, self)


class FakeLoop:
    """Keeps records; with `error` writes fail, with `hang` they never end."""

    def __init__(self) -> None:
        self.records: list[ExchangeRecord] = []
        self.error: Exception | None = None
        self.raises = False
        self.hang = False

    def monitor(self, record: ExchangeRecord, *, learn: bool = True, gather: bool = False) -> "Future[None]":
        if self.raises:
            raise OSError("disk full")
        written: Future[None] = Future()
        if self.hang:
            return written
        if self.error:
            written.set_exception(self.error)
        else:
            self.records.append(record)
            written.set_result(None)
        return written


class FakeJudge:
    name = "fake"

    def __init__(self) -> None:
        self.outcome = Outcome.SAFE
        self.error: Exception | None = None
        self.delay = 0.0
        self.seen: list[Exchange] = []

    def adjudicate(self, exchange: Exchange) -> Verdict:
        self.seen.append(exchange)
        time.sleep(self.delay)
        if self.error:
            raise self.error
        breach = "BREACH" in (exchange.response or "")
        return Verdict(Outcome.BREACH if breach else self.outcome, "fake")


class FakeStore:
    """Just what the gateway asks of the store."""

    class _Jobs:
        error: Exception | None = None

        def counts(self) -> Mapping[str, int]:
            if self.error:
                raise self.error
            return {"ready": 0, "leased": 0, "waiting": 0, "dead": 0}

        def lag(self) -> float:
            return 0.0

    class _Policies:
        def get(self, policy_id: str) -> Policy:
            pattern = Pattern(policy_id)
            return Policy(pattern, Action.BLOCK, Direction.PROMPT, "a policy", hazard=Hazard.SUICIDE_SELF_HARM)

        def list(self) -> list[Policy]:
            return []

    class _Exchanges:
        def tally(self, last: int, *, parts: int = 1) -> list[Tally]:
            return []

    class _Passed:
        def __init__(self) -> None:
            self.digests: set[bytes] = set()
            self.error: Exception | None = None

        def add(self, sender: Sender, digests: Sequence[bytes]) -> None:
            if self.error:
                raise self.error
            self.digests.update(digests)

        def known(self, digests: Collection[bytes]) -> frozenset[bytes]:
            if self.error:
                raise self.error
            return frozenset(self.digests & set(digests))

    silent_seconds = 0.0

    def __init__(self) -> None:
        self.jobs: Any = self._Jobs()
        self.policies: Any = self._Policies()
        self.exchanges: Any = self._Exchanges()
        self.passed: Any = self._Passed()
