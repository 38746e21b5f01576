"""What a client said and a model answered. Knows no HTTP, no storage and no policy."""

import re
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

_BEHIND_A_KEY = re.compile(r"[.\[ ]")
APART = "request"
"""The `origin` of the short values of `UNTOLD`, which are read together."""

UNTOLD = frozenset(
    "user safety_identifier prompt_cache_key session_id request_id route cache_salt metadata stop stop_sequences "
    "keep_alive".split()
)
"""Parameters of a request of which a model is told nothing, and which choose none of its words."""

PROBE = "probe:"
"""Begins the principal of the probing agent, and of nobody else: every row that names a sender says who it was."""


class Role(StrEnum):
    """Who a message claims to come from. All of them are under the client's control."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class Fate(StrEnum):
    """What became of an exchange: in records, errors, logs, metrics, on the console and in experiments."""

    RELEASED = "released"
    """The client has the answer, or as much of it as it waited for."""
    INTERCEPTED_PROMPT = "intercepted_prompt"
    """A policy stopped the prompt; the model was not asked."""
    INTERCEPTED_RESPONSE = "intercepted_response"
    """A policy stopped the answer before it was released."""
    WITHHELD = "withheld"
    """The Adjudicator stopped the answer: inline adjudication only."""
    ABANDONED = "abandoned"
    """The client went away before it had any of the answer."""
    ERROR = "error"
    """The model gave no answer."""

    @property
    def intercepted(self) -> bool:
        """Whether a policy stopped it."""
        return self in (Fate.INTERCEPTED_PROMPT, Fate.INTERCEPTED_RESPONSE)

    @property
    def stopped(self) -> bool:
        """Whether a policy or the judge stopped it."""
        return self.intercepted or self is Fate.WITHHELD


@dataclass(frozen=True, slots=True)
class Message:
    """One inspected text. A multi-part message or a tool call becomes several of these."""

    role: Role
    content: str
    origin: str = ""
    """Where in the request the text stood (`messages[2].content[0].text`), for explanations."""

    @property
    def told(self) -> bool:
        """Whether the model may have been told it: a user's id, say, is for those who serve the model alone."""
        return self.origin != APART and _BEHIND_A_KEY.split(self.origin, maxsplit=1)[0] not in UNTOLD


@dataclass(frozen=True, slots=True, order=True)
class Sender:
    """Who sent something. Always the pair: two tenants may give one name to different principals."""

    tenant: str = "default"
    principal: str = "anonymous"

    @property
    def is_probe(self) -> bool:
        """Whether it is the probing agent: an attacker on our side, whom nobody counts among the users."""
        return self.principal.startswith(PROBE)


@dataclass(frozen=True, slots=True)
class Exchange:
    """Messages in, response out."""

    messages: tuple[Message, ...]
    response: str | None = None
    """The model's whole answer; None when it was never asked or never answered."""
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    model: str = ""
    sender: Sender = Sender()
    time: datetime = field(default_factory=lambda: datetime.now(UTC))

    @classmethod
    def of(
        cls,
        prompt: str,
        response: str | None = None,
        *,
        tenant: str = "default",
        principal: str = "anonymous",
        **values: str,
    ) -> "Exchange":
        """An exchange of one user message."""
        return cls((Message(Role.USER, prompt),), response, sender=Sender(tenant, principal), **values)  # type: ignore[arg-type]

    @property
    def tenant(self) -> str:
        """Whose policies apply to it."""
        return self.sender.tenant

    @property
    def turn(self) -> range:
        """The places of the last user turn (all its parts), or of the last message when no user spoke."""
        last = max((i for i, m in enumerate(self.messages) if m.role is Role.USER), default=-1)
        if last < 0:
            return range(max(len(self.messages) - 1, 0), len(self.messages))
        first = last
        while first > 0 and self.messages[first - 1].role is Role.USER:
            first -= 1
        return range(first, last + 1)

    @property
    def prompt(self) -> str:
        """What stands in the last user turn."""
        return "\n".join(self.messages[place].content for place in self.turn)
