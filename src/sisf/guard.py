"""SISF without the gateway: the same Warden and the same loop, in your own process."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sisf.errors import SisfError
from sisf.exchange import Exchange, Message, Role
from sisf.policy import Decision, Direction

if TYPE_CHECKING:
    from sisf.bootstrap import System

Prompt = str | Sequence[Message] | Sequence[Mapping[str, Any]]


class PolicyBlocked(SisfError):
    """A policy stopped a prompt or an answer."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(f"a safety policy blocked the {decision.direction.value} (policy {decision.policy_id})")
        self.decision = decision


class Guard:
    """Checks prompts and answers, and learns from exchanges.

    ```python
    with Guard() as guard:
        guard.require("a prompt")                      # raises PolicyBlocked
        answer = model("a prompt")
        guard.require_answer("a prompt", answer)       # raises PolicyBlocked
        guard.observe("a prompt", answer)              # judged and learned from in the background
    ```

    All methods are safe from several threads; those that begin with `a` are for an event loop.
    """

    def __init__(self, config: Path | None = None, *, system: "System | None" = None, **overrides: Any) -> None:
        """Build from `sisf.yaml` (`config`) and settings given by name (`store__url="sqlite:///x.db"`).

        With `system`, use parts that exist; they are not closed here. Raises `SisfError` with one clear line.
        """
        self._own = system is None
        if system is None:
            from sisf.bootstrap import build
            from sisf.settings import load

            system = build(load(config, overrides={key.replace("__", "."): v for key, v in overrides.items()}))
        self._system = system

    def check(self, prompt: Prompt, *, tenant: str = "default") -> Decision:
        """The Warden's decision on a prompt: a text, messages, or messages in OpenAI's form."""
        return self._system.warden.inspect(messages_of(prompt), Direction.PROMPT, tenant)

    def check_answer(self, answer: str, *, tenant: str = "default") -> Decision:
        """The Warden's decision on an answer."""
        return self._system.warden.inspect(_answer(answer), Direction.RESPONSE, tenant)

    async def acheck(self, prompt: Prompt, *, tenant: str = "default") -> Decision:
        """`check` without holding up the event loop."""
        return await self._system.warden.check(messages_of(prompt), Direction.PROMPT, tenant)

    async def acheck_answer(self, answer: str, *, tenant: str = "default") -> Decision:
        """`check_answer` without holding up the event loop."""
        return await self._system.warden.check(_answer(answer), Direction.RESPONSE, tenant)

    def require(self, prompt: Prompt, *, tenant: str = "default") -> Decision:
        """`check`, raising `PolicyBlocked` for a blocked prompt; it is recorded then."""
        return self._passed(self.check(prompt, tenant=tenant), prompt, None, tenant)

    def require_answer(self, prompt: Prompt, answer: str, *, tenant: str = "default") -> Decision:
        """`check_answer`, raising `PolicyBlocked` for a blocked answer; it is recorded then."""
        return self._passed(self.check_answer(answer, tenant=tenant), prompt, answer, tenant)

    async def arequire(self, prompt: Prompt, *, tenant: str = "default") -> Decision:
        """`require` without holding up the event loop."""
        return self._passed(await self.acheck(prompt, tenant=tenant), prompt, None, tenant)

    async def arequire_answer(self, prompt: Prompt, answer: str, *, tenant: str = "default") -> Decision:
        """`require_answer` without holding up the event loop."""
        return self._passed(await self.acheck_answer(answer, tenant=tenant), prompt, answer, tenant)

    def observe(
        self, prompt: Prompt, answer: str, *, tenant: str = "default", principal: str = "anonymous", model: str = ""
    ) -> str:
        """Hand an exchange to the loop, which judges it and learns from a breach. Returns its id at once."""
        from sisf.store.base import ExchangeRecord

        exchange = Exchange(messages_of(prompt), answer, tenant=tenant, principal=principal, model=model)
        self._system.loop.monitor(ExchangeRecord(exchange))
        return exchange.id

    @property
    def revision(self) -> int:
        """The revision of the policy set in force."""
        return self._system.warden.revision

    def close(self) -> None:
        """Stop the loop and close the store, unless the parts were given. Idempotent."""
        if self._own:
            self._own = False
            self._system.close()

    def __enter__(self) -> "Guard":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _passed(self, decision: Decision, prompt: Prompt, answer: str | None, tenant: str) -> Decision:
        if not decision.blocked:
            return decision
        from sisf.store.base import ExchangeRecord

        outcome = "intercepted_prompt" if answer is None else "intercepted_response"
        exchange = Exchange(messages_of(prompt), answer, tenant=tenant)
        self._system.loop.monitor(ExchangeRecord(exchange, (decision,), outcome))
        raise PolicyBlocked(decision)


def messages_of(prompt: Prompt) -> tuple[Message, ...]:
    """Every text of a prompt, as the gateway would find it. Raises `SisfError` for what cannot be inspected."""
    if isinstance(prompt, str):
        return (Message(Role.USER, prompt),)
    if all(isinstance(message, Message) for message in prompt):
        return tuple(prompt)  # type: ignore[arg-type]
    from sisf.gateway.dialects.chat import Chat
    from sisf.gateway.wire import Refused
    from sisf.settings import Limits

    try:
        return Chat().request({"messages": list(prompt)}, Limits(), opaque=False).messages
    except Refused as error:
        raise SisfError(error.message) from None


def _answer(answer: str) -> tuple[Message, ...]:
    return (Message(Role.ASSISTANT, answer),)
