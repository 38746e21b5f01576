"""What the gateway must know of an API: where its texts stand, and how it says no."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sisf.gateway.dialects.answers import Asked
from sisf.pipeline.stream_texts import StreamEvent
from sisf.pipeline.turn import Choice, Inspected
from sisf.settings import Limits, Unseen

REFUSAL = "I'm sorry, but I can't help with that. This answer was withheld by a safety policy."
"""What a client reads in place of a text that was blocked."""


_FIRST = ("message_start", "response.created", "response.in_progress", "response.queued")
_KEPT = ("type", "content_index", "summary_index", "delta", "part")


@dataclass(slots=True)
class StreamState:
    """What a client has of a stream, for when the stream must be ended by us."""

    model: str
    asked: Asked = field(default_factory=Asked)
    first: Mapping[str, Any] | None = None
    """Its first event, None when nothing was sent."""
    last: Mapping[str, Any] | None = None
    """The newest event with a number."""
    ended: set[int] = field(default_factory=set)
    """Choices that it saw end."""
    open_choices: frozenset[int] = frozenset()
    """Choices that have begun and that it did not see end."""
    open_blocks: dict[int, list[Mapping[str, Any]]] = field(default_factory=dict)
    """Blocks (or items) of the answer that it saw begin and not end: the events that began them, and what came since of
    those that bring text or parts."""
    done: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    """Blocks (or items) that it saw end, with the events that ended them."""
    blocks: int = 0
    """The number of the next block (or item)."""

    def note(self, tree: Mapping[str, Any], event: StreamEvent) -> None:
        """The client got one more event."""
        if self.first is None and ("choices" in tree or tree.get("type") in _FIRST):
            self.first = tree
        if "sequence_number" in tree:
            self.last = tree
        self.ended.update(event.finished)
        for index in event.opened:
            self.open_blocks[index] = [tree]
            self.blocks = max(self.blocks, index + 1)
        for index in event.finished if event.closed is None else event.closed:
            if self.open_blocks.pop(index, None) is not None:
                self.done[index] = tree
        if self.open_blocks and not event.opened and ("delta" in tree or "part" in tree):
            item = tree.get("output_index")
            if type(item) is int and item in self.open_blocks:
                self.open_blocks[item].append({key: tree[key] for key in _KEPT if key in tree})


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

    def request(
        self, tree: dict[str, Any], limits: Limits, *, opaque: Collection[Unseen] = (), looks: bool = False
    ) -> Inspected:
        """All texts of a request. Raises `HttpFailure` for one that is malformed or holds what cannot be inspected,
        and `LimitExceeded`.

        `opaque`: kinds of what cannot be inspected that are noted instead of refused. `looks`: images that stand in the
        request are listed, to be looked at.
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

    def answers_asked(self, asked: Asked) -> int:
        """How many answers, independent of each other, a request asks for. Of several each is stopped alone."""
        ...

    def without(self, tree: dict[str, Any], choices: Collection[int]) -> dict[str, Any] | None:
        """A stream event without these choices; None where nothing is left. Asked only where there are several."""
        ...

    def choice_refusal(self, state: StreamState, choice: int) -> bytes:
        """Events that end one of several choices with the refusal."""
        ...

    def stream_refusal(self, state: StreamState) -> bytes:
        """Events that end a stream with the refusal."""
        ...

    def stream_error(self, status: int, code: str, message: str) -> bytes:
        """The event that tells of an error in the middle of a stream."""
        ...


class OneAnswer:
    """What dialects say whose requests ask for one answer."""

    def answers_asked(self, asked: Asked) -> int:  # noqa: ARG002 - always one
        """One."""
        return 1

    def without(self, tree: dict[str, Any], choices: Collection[int]) -> dict[str, Any] | None:  # noqa: ARG002
        """Never asked: a stream ends with its only answer."""
        return tree

    def choice_refusal(self, state: StreamState, choice: int) -> bytes:  # noqa: ARG002
        """Never asked: a stream ends with its only answer."""
        return b""
