"""What the gateway must know of an API: where its texts stand, and how it says no."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sisf.exchange import Message
from sisf.settings import Limits

REFUSAL = "I can't help with that. This answer was withheld by a safety policy."
"""What a client reads in place of a text that was blocked."""


@dataclass(frozen=True, slots=True)
class Inspected:
    """A request as the Warden sees it."""

    messages: tuple[Message, ...]
    model: str
    stream: bool
    tree: Mapping[str, Any]
    opaque: tuple[str, ...] = ()
    """Places of parts without text that were let through because a setting says so."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The texts of one of the choices of a plain answer."""

    index: int
    messages: tuple[Message, ...]

    @property
    def text(self) -> str:
        """All of it, as the exchange records it."""
        return "\n".join(m.content for m in self.messages)


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of text in a stream."""

    choice: int
    channel: str
    """Where the text goes (`content`, `tool_calls.0.function.arguments`): pieces of one channel follow each other."""
    text: str
    whole: bool = False
    """True when the text is inspected (and released) only as a whole, because escapes may hide what it says."""


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """What one event of a stream brings."""

    deltas: Sequence[Delta] = ()
    finished: Collection[int] = field(default_factory=tuple)
    """Choices that end with this event."""
    done: bool = False
    """The stream ends with this event."""


@dataclass(frozen=True, slots=True)
class StreamState:
    """Where a stream stands when it must be ended by us."""

    model: str
    first: dict[str, Any] | None = None
    """Its first event, None when nothing was sent."""
    last: dict[str, Any] | None = None
    """The newest event that was read (sent or not)."""
    open_choices: frozenset[int] = frozenset()
    """Choices that have begun and not ended."""


class Dialect(Protocol):
    """One API. Stateless; trees are decoded JSON objects."""

    @property
    def name(self) -> str:
        """A short name for metrics and logs."""
        ...

    @property
    def answers_text(self) -> bool:
        """Whether answers are text: only then there is an exchange to learn from."""
        ...

    @property
    def path(self) -> str:
        """Path below the upstream's base URL."""
        ...

    def request(self, tree: dict[str, Any], limits: Limits, *, opaque: bool) -> Inspected:
        """All texts of a request. Raises `Refused`; with `opaque`, parts without text are noted instead of refused."""
        ...

    def answers(self, tree: dict[str, Any]) -> list[Answer]:
        """All texts of a plain answer, by choice. Raises `Malformed` when it has not the API's form."""
        ...

    def withhold(self, tree: dict[str, Any], choices: Collection[int]) -> bytes:
        """The answer with those choices replaced by the refusal."""
        ...

    def error(self, status: int, code: str, message: str, param: str | None = None) -> bytes:
        """An error body in the API's form."""
        ...

    def refusal(self, model: str) -> bytes:
        """A whole answer that refuses, for a blocked prompt."""
        ...

    def event(self, tree: dict[str, Any]) -> StreamEvent:
        """The texts that a stream event brings. Raises `Malformed` when it has not the API's form."""
        ...

    def stream_refusal(self, state: StreamState) -> bytes:
        """Events that end a stream with the refusal."""
        ...

    def stream_error(self, status: int, code: str, message: str) -> bytes:
        """The event that tells of an error in the middle of a stream."""
        ...
