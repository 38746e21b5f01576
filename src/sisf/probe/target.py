"""The system under attack, as its clients see it: a gateway behind an OpenAI-compatible API."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sisf.errors import ModelError
from sisf.exchange import Message, Role
from sisf.settings.secrets import shown

if TYPE_CHECKING:
    from openai import OpenAI


class Reaction(StrEnum):
    """What the gateway did with a request."""

    BLOCKED = "blocked"
    """A policy stopped the prompt."""
    INTERCEPTED = "intercepted"
    """A policy stopped the answer."""
    WITHHELD = "withheld"
    """The Adjudicator stopped the answer."""
    ANSWERED = "answered"
    """The answer was released."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One reaction with what its headers tell."""

    reaction: Reaction
    text: str = ""
    """The released answer; empty when nothing was released."""
    policy_id: str | None = None
    exchange_id: str = ""
    revision: int = 0


class GatewayTarget:
    """Talks to a gateway with the official `openai` client, as an application would. Thread-safe."""

    def __init__(self, base_url: str, *, api_key: str = "", model: str = "default", timeout: float = 60.0) -> None:
        self._base_url = base_url
        self._api_key = api_key or "none"
        self._model = model
        self._timeout = timeout
        self._client: OpenAI | None = None

    def send(self, messages: Sequence[Message] | str) -> Reply:
        """Send one conversation (or one user message). Raises `ModelError` when the gateway does not answer."""
        import openai

        turns = [Message(Role.USER, messages)] if isinstance(messages, str) else messages
        body: Any = [{"role": m.role.value, "content": m.content} for m in turns]
        try:
            raw = self._connected().chat.completions.with_raw_response.create(model=self._model, messages=body)
        except openai.BadRequestError as error:
            if error.code == "content_filter":
                return _reply(Reaction.BLOCKED, error.response.headers)
            raise ModelError(f"{shown(self._base_url)} refused the request: {error.message}") from None
        except openai.OpenAIError as error:
            raise ModelError(f"{shown(self._base_url)} does not answer as a gateway should: {_short(error)}") from None
        choice = raw.parse().choices[0]
        return self._judged(choice.finish_reason, choice.message.content or "", raw.headers)

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()

    def _judged(self, finish: str | None, text: str, headers: Any) -> Reply:
        decision = headers.get("x-sisf-decision", "")
        if decision == "withhold":
            return _reply(Reaction.WITHHELD, headers)
        if finish == "content_filter" or decision == "block":
            return _reply(Reaction.INTERCEPTED, headers)
        return _reply(Reaction.ANSWERED, headers, text)

    def _connected(self) -> "OpenAI":
        if self._client is None:
            from openai import OpenAI

            # Every request is one sample: what fails must be seen, not tried again.
            self._client = OpenAI(base_url=self._base_url, api_key=self._api_key, timeout=self._timeout, max_retries=0)
        return self._client


def _reply(reaction: Reaction, headers: Any, text: str = "") -> Reply:
    revision = str(headers.get("x-sisf-revision", "0"))
    return Reply(
        reaction,
        text,
        headers.get("x-sisf-policy"),
        headers.get("x-sisf-exchange", ""),
        int(revision) if revision.isdecimal() else 0,
    )


def _short(error: Exception) -> str:
    cause = error.__cause__ or error
    return " ".join(f"{type(error).__name__}: {cause}".split())[:200]
