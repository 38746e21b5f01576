"""The one thing SISF asks of a language model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sisf.exchange import Message


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer and what it cost."""

    text: str
    model: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    finish_reason: str = "stop"
    usd: float = 0.0
    """What the call cost by the prices in force; the worst case where the endpoint reported no usage."""


class ChatModel(Protocol):
    """A chat model. Blocking: callers on the event loop use a thread."""

    @property
    def id(self) -> str:
        """The model's name, as provenance records it."""
        ...

    def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: Mapping[str, Any] | None = None,
        max_tokens: int = 1024,
        temperature: float = 0.0,
    ) -> Completion:
        """Answer `messages`; with `schema` (JSON Schema) the text is JSON of that form.

        Raises `ModelError` when the model is unreachable, slow beyond its time-out, or answers out of form.
        """
        ...
