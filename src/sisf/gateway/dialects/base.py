"""What the gateway must know of an API: where its texts stand, and how it says no."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol

from sisf.pipeline.streaming import StreamEvent
from sisf.pipeline.turn import Choice, Inspected
from sisf.settings import Limits

REFUSAL = "I can't help with that. This answer was withheld by a safety policy."
"""What a client reads in place of a text that was blocked."""


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
    def path(self) -> str:
        """Path below the upstream's base URL."""
        ...

    def request(self, tree: dict[str, Any], limits: Limits, *, opaque: bool) -> Inspected:
        """All texts of a request. Raises `HttpFailure` for one that is malformed, and `LimitExceeded`.

        With `opaque`, parts without text are noted instead of refused.
        """
        ...

    def answers(self, tree: dict[str, Any]) -> list[Choice]:
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
