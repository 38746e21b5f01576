"""What an exchange is while it is on its way."""

import os
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sisf import errors
from sisf.errors import quoted
from sisf.exchange import Exchange, Fate, Message
from sisf.pipeline.caller import Caller
from sisf.policy import Action, Decision, Match
from sisf.settings.serving import Blocked
from sisf.store.records import ExchangeRecord
from sisf.verdict import Verdict

_random = random.Random(os.urandom(32))  # unique, not secret: no system call for each request
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _random.seed(os.urandom(32)))


def _exchange_id() -> str:
    """Milliseconds and 80 random bits: rows that are written together then lie together in the store's indexes."""
    return f"{time.time_ns() // 1_000_000:012x}{_random.getrandbits(80):020x}"


@dataclass(frozen=True, slots=True)
class Image:
    """An image that stands in a request."""

    place: str
    url: str
    """A data URL with its bytes in base64."""


@dataclass(frozen=True, slots=True)
class Inspected:
    """A request as the Warden sees it."""

    messages: tuple[Message, ...]
    model: str
    stream: bool
    tree: Mapping[str, Any]
    """The document in which the messages stand, at their `origin`."""
    aside: tuple[Message, ...] = ()
    """Texts that are inspected with the messages and are none: the model's name, ids that can be read."""
    opaque: tuple[str, ...] = ()
    """Places of parts without text that were let through because a setting says so."""
    images: tuple[Image, ...] = ()
    """Images that a moderation endpoint is to look at."""
    answered: bool = True
    """Whether the answer is text: only then there is something to learn from (an embedding is none)."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The texts of one of the choices of a plain answer."""

    index: int
    """Negative for what belongs to all of them."""
    messages: tuple[Message, ...]
    spoken: bool = True
    """False for what stands beside the answer: it is inspected, but neither recorded nor judged."""

    @property
    def text(self) -> str:
        """All of it, as the exchange records it."""
        return "\n".join(m.content for m in self.messages)


@dataclass(slots=True)
class Turn:
    """One exchange on its way through the pipeline."""

    endpoint: str
    """Where it came in, for metrics and logs."""
    request: Inspected
    caller: Caller = field(default_factory=Caller)
    id: str = field(default_factory=_exchange_id)
    started: float = field(default_factory=time.perf_counter)
    waited: float = 0.0
    """Seconds spent waiting for the model."""
    decisions: list[Decision] = field(default_factory=list)
    strongest: Decision | None = None
    """The decision with the strongest action so far."""
    doubt: Match | None = None
    """The first policy that came near to blocking, in the prompt or in the answer."""
    observed: str | None = None
    """A policy that is not enforced, by the settings, and would have blocked."""
    verdict: Verdict | None = None
    response: str | None = None
    """What the model has answered so far."""
    fate: Fate = Fate.ERROR
    enforce: bool = True
    large: bool = False
    """Whether its documents take longer to read and to write than an event loop may be held."""
    after_blocked: Blocked = "whole"
    """What one blocked turn does to the conversation."""
    redacted: tuple[str, ...] = ()
    """Places of the turns that were replaced by a note before the request was forwarded."""
    blamed: str = ""
    """Place of the text for which the prompt was blocked, where it can be named."""
    found: str = ""
    """What an image shows for which the prompt was stopped."""
    recorded: bool = False
    """Whether the record of it was handed over: nothing of what happens later becomes a second one."""

    def doubts(self, decision: Decision) -> None:
        """Keep it if a policy came near to blocking."""
        self.doubt = self.doubt or decision.doubt

    def note(self, decision: Decision) -> None:
        """Keep a decision."""
        self.doubts(decision)
        self.decisions.append(decision)
        if self.strongest is None or decision.action.precedence > self.strongest.action.precedence:
            self.strongest = decision

    @property
    def label(self) -> str:
        """The decision in one word, as `x-sisf-decision` and the log say it."""
        if self.fate is Fate.WITHHELD:
            return "withhold"
        if self.found:
            return "block" if self.enforce else "would_block"
        decision = self.strongest
        if decision is None:
            return "none"
        if self.redacted and decision.action is Action.ALLOW:
            return "redact"
        observed = self.observed is not None and not decision.blocked
        return "would_block" if observed or (decision.blocked and not self.enforce) else decision.action.value

    @property
    def policy_id(self) -> str | None:
        """The policy that decided, or would have."""
        decision = self.strongest
        if decision is not None and decision.action is not Action.ALLOW:
            return decision.policy_id
        return self.observed

    @property
    def added(self) -> float:
        """Seconds that SISF itself took so far."""
        return max(0.0, time.perf_counter() - self.started - self.waited)

    def exchange(self) -> Exchange:
        """The exchange as the loop sees it."""
        return Exchange(
            self.request.messages,
            self.response,
            id=self.id,
            model=self.request.model,
            sender=self.caller.sender,
        )

    def record(self) -> ExchangeRecord:
        """The exchange with what was decided."""
        return ExchangeRecord(self.exchange(), tuple(self.decisions), self.fate, self.verdict)

    def stopped(self) -> errors.Blocked:
        """The error that tells of a stopped exchange."""
        decision = next((d for d in reversed(self.decisions) if d.blocked), None)
        if decision is None and not self.found and self.fate is not Fate.WITHHELD and self.decisions:
            decision = self.decisions[-1]  # a rewrite that had no place to go
        if self.found:
            message = f"the prompt was blocked: the image at {self.blamed} shows {self.found}, by the image moderation"
        elif decision is not None:
            side = "prompt" if self.fate is Fate.INTERCEPTED_PROMPT else "answer"
            place = f" at {self.blamed}" if self.blamed else ""
            message = f"the {side} was blocked{place} by policy {decision.policy_id} (revision {decision.revision})"
        else:
            said = self.verdict.outcome.value if self.verdict else "undecided"
            message = f"the answer was withheld: the judge's verdict is {quoted(said)}"
        return errors.Blocked(message, fate=self.fate, exchange_id=self.id, decision=decision, verdict=self.verdict)
