"""Other guards: as baselines by themselves, and as what SISF stands behind."""

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from sisf.adjudicator.base import Adjudicator
from sisf.adjudicator.manner import read_manner
from sisf.errors import ModelError
from sisf.evaluation.defences import Defence, StaticWarden, Tally, done
from sisf.evaluation.keywords import KEYWORD_PATTERNS
from sisf.evaluation.runs.calls import Calls
from sisf.exchange import Exchange, Message, Sender
from sisf.pipeline.ports import Inspector, Warden
from sisf.policy import Action, Decision, Direction, Match, Policy
from sisf.settings import Settings
from sisf.store import ExchangeRecord
from sisf.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from openai import OpenAI

KEY = "SISF_GUARD_KEY"
"""The environment variable that holds the key of a guarded endpoint: it is written down nowhere."""
_MARK = "guard:"
_SECONDS = 120.0


class Guard(Protocol):
    """Says of one exchange whether it is stopped. Blocking."""

    @property
    def name(self) -> str:
        """What it is called in results."""
        ...

    def stops(self, messages: Sequence[Message], answer: str | None) -> bool:
        """Whether the prompt (`answer` is None) or the answer to it is stopped."""
        ...


class KeywordGuard:
    """Fixed patterns on the prompt."""

    name = "keyword-filter"

    def __init__(self, patterns: Sequence[str] = KEYWORD_PATTERNS) -> None:
        self._warden = StaticWarden(patterns)

    def stops(self, messages: Sequence[Message], answer: str | None) -> bool:
        """See `Guard`."""
        return answer is None and self._warden.at_once(messages, Direction.PROMPT, "").blocked


class JudgingGuard:
    """A judge that reads prompt and answer, such as a guard model: what it calls a breach is stopped. Where it cannot
    decide it stops nothing."""

    def __init__(self, name: str, judge: Adjudicator) -> None:
        self.name = name
        self._judge = judge

    def stops(self, messages: Sequence[Message], answer: str | None) -> bool:
        """See `Guard`."""
        if answer is None:
            return False
        return self._judge.adjudicate(Exchange(tuple(messages), answer)).outcome is Outcome.BREACH


class EndpointGuard:
    """A guarded OpenAI-compatible endpoint, such as LiteLLM's proxy or NeMo Guardrails with rails on the input.

    A prompt is stopped where the endpoint refuses the request, ends it with `content_filter`, or declines to answer.
    """

    def __init__(self, address: str, calls: Calls, *, retries: int = 2) -> None:
        """`address` is a base URL, with `#NAME` for the model's name. Its key is in SISF_GUARD_KEY."""
        self.name = address
        self._calls = calls
        self._base_url, _, model = address.partition("#")
        self._model = model or "default"
        self._retries = retries
        self._client: OpenAI | None = None

    def stops(self, messages: Sequence[Message], answer: str | None) -> bool:
        """See `Guard`. Raises `ModelError` where the endpoint does not answer as such."""
        if answer is not None:
            return False
        return self._calls.once("guard", self.name, messages, lambda: (str(self._asked(messages)), 0.0)) == "True"

    def _asked(self, messages: Sequence[Message]) -> bool:
        import openai

        if self._client is None:
            self._client = openai.OpenAI(
                base_url=self._base_url,
                api_key=os.environ.get(KEY) or "none",
                timeout=_SECONDS,
                max_retries=self._retries,
            )
        wire = [{"role": m.role.value, "content": m.content} for m in messages]
        try:
            said = self._client.chat.completions.create(model=self._model, messages=wire)  # type: ignore[arg-type]
        except (openai.BadRequestError, openai.PermissionDeniedError, openai.UnprocessableEntityError):
            return True
        except openai.OpenAIError as error:
            host = urlsplit(self._base_url).netloc
            raise ModelError(f"the guard at {host} does not answer: {type(error).__name__}: {error}"[:300]) from None
        choice = said.choices[0]
        return choice.finish_reason == "content_filter" or read_manner(choice.message.content or "").declines


class GuardedWarden:
    """A guard in front of a Warden. Used by one thread, one exchange after the other."""

    def __init__(self, guard: Guard, inner: Warden) -> None:
        self._guard = guard
        self._inner = inner
        self._prompt: Sequence[Message] = ()

    @property
    def revision(self) -> int:
        """That of the Warden."""
        return self._inner.revision

    @property
    def observed(self) -> frozenset[str]:
        """That of the Warden."""
        return self._inner.observed

    def at_once(self, messages: Sequence[Message], direction: Direction, tenant: str) -> Decision | None:  # noqa: ARG002
        """Never: guards take their time."""
        return None

    async def check(
        self, messages: Sequence[Message], direction: Direction, sender: Sender, seconds: float
    ) -> Decision:
        """The guard's word first, then the Warden's."""
        if direction is Direction.PROMPT:
            self._prompt = messages
            stopped = await asyncio.to_thread(self._guard.stops, messages, None)
        else:
            answer = "\n".join(m.content for m in messages)
            stopped = await asyncio.to_thread(self._guard.stops, self._prompt, answer)
        if stopped:
            match = Match(_MARK + self._guard.name, Action.BLOCK, 1.0, 1.0)
            return Decision(Action.BLOCK, (match,), self.revision, direction)
        at_once = self._inner.at_once(messages, direction, sender.tenant)
        return at_once if at_once is not None else await self._inner.check(messages, direction, sender, seconds)

    def follow(self, settings: Settings) -> None:
        """See `Warden`."""
        self._inner.follow(settings)

    def enforces(self, tenant: str) -> bool:
        """See `Warden`."""
        return self._inner.enforces(tenant)

    def stream(self, sender: Sender, seconds: float) -> Inspector:
        """Raises `NotImplementedError`: experiments do not stream."""
        raise NotImplementedError


class Behind:
    """A defence behind a guard: what the guard stops never reaches it, and nothing is learned from it."""

    def __init__(self, guard: Guard, inner: Defence) -> None:
        self._inner = inner
        self.warden: Warden = GuardedWarden(guard, inner.warden)
        self._stopped: set[str] = set()

    @property
    def settings(self) -> Settings:
        """Those of the defence."""
        return self._inner.settings

    def monitor(self, record: ExchangeRecord, *, learn: bool = True, gather: bool = False) -> "Future[None]":
        """The loop sees what the guard let through."""
        if any(stopped_by_guard(decision.policy_id) for decision in record.decisions):
            self._stopped.add(record.exchange.id)
            return done()
        return self._inner.monitor(record, learn=learn, gather=gather)

    def settle(self, exchange_id: str) -> Verdict | None:
        """See `Defence`."""
        return None if exchange_id in self._stopped else self._inner.settle(exchange_id)

    def policies(self) -> Sequence[Policy]:
        """Those of the defence."""
        return self._inner.policies()

    def tally(self) -> Tally:
        """That of the defence."""
        return self._inner.tally()

    def close(self) -> None:
        """Close the defence."""
        self._inner.close()


def stopped_by_guard(policy_id: str | None) -> bool:
    """Whether the decision was a guard's."""
    return policy_id is not None and policy_id.startswith(_MARK)
