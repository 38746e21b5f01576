"""What the gateway must know of an API: where its texts stand, and how it says no."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sisf.gateway.dialects.answers import Asked
from sisf.pipeline.streaming import StreamEvent
from sisf.pipeline.turn import Choice, Inspected
from sisf.settings import Limits, Unseen

REFUSAL = "I can't help with that. This answer was withheld by a safety policy."
"""What a client reads in place of a text that was blocked."""


@dataclass(frozen=True, slots=True)
class StreamState:
    """Where a stream stands when it must be ended by us."""

    model: str
    first: dict[str, Any] | None = None
    """Its first event, None when nothing was sent."""
    last: dict[str, Any] | None = None
    """The newest event that was sent."""
    open_choices: frozenset[int] = frozenset()
    """Choices that have begun and not ended, whether the client knows or not."""
    open_blocks: Mapping[int, dict[str, Any]] = field(default_factory=dict)
    """Blocks (or items) of the answer that the client saw begin and not end, with the events that began them."""
    blocks: int = 0
    """The number of the next block (or item)."""
    asked: Asked = field(default_factory=Asked)


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

    def request(self, tree: dict[str, Any], limits: Limits, *, opaque: Collection[Unseen] = ()) -> Inspected:
        """All texts of a request. Raises `HttpFailure` for one that is malformed or holds what cannot be inspected,
        and `LimitExceeded`.

        `opaque`: kinds of what cannot be inspected that are noted instead of refused.
        """
        ...

    def answers(self, tree: dict[str, Any], asked: Asked) -> list[Choice]:
        """All texts of a plain answer, by choice.

        Raises `Malformed` when it has not the API's form, and `Uninspectable`.
        """
        ...

    def withhold(self, tree: dict[str, Any], choices: Collection[int], asked: Asked) -> bytes:
        """The answer with those choices replaced by the refusal."""
        ...

    def rewritten(self, tree: dict[str, Any]) -> bytes:
        """The answer after a policy changed its texts, without what repeats them as they were."""
        ...

    def error(self, status: int, code: str, message: str, param: str | None = None) -> bytes:
        """An error body in the API's form."""
        ...

    def refusal(self, model: str, asked: Asked) -> bytes:
        """A whole answer that refuses, for a blocked prompt."""
        ...

    def event(self, tree: dict[str, Any], asked: Asked) -> StreamEvent:
        """The texts that a stream event brings.

        An object that is none of the API's events brings what it says as texts beside the answer. Raises `Malformed`
        for an event that readers could take in several ways, and `Uninspectable`.
        """
        ...

    def stream_refusal(self, state: StreamState) -> bytes:
        """Events that end a stream with the refusal."""
        ...

    def stream_error(self, status: int, code: str, message: str) -> bytes:
        """The event that tells of an error in the middle of a stream."""
        ...
