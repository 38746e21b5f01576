"""What the loop needs of the Warden, and the one place where it hands over a policy set."""

from collections.abc import Sequence
from typing import Protocol

from sisf.exchange import Exchange, Message, Role
from sisf.policy import Decision, Direction, Snapshot


class Inspector(Protocol):
    """A compiled policy set."""

    def inspect(self, messages: Sequence[Message], direction: Direction, tenant: str) -> Decision:
        """Inspect one side of an exchange."""
        ...


class Enforcer(Protocol):
    """The Warden."""

    @property
    def policy_set(self) -> Inspector:
        """The policy set in force."""
        ...

    def activate(self, snapshot: Snapshot) -> object:
        """Compile `snapshot` and put it in force, unless it, or a newer one, already is. Safe from several threads."""
        ...


class Enforcement:
    """The Warden as the loop sees it."""

    def __init__(self, warden: Enforcer) -> None:
        self._warden = warden

    def enforce(self, snapshot: Snapshot) -> None:
        """Put `snapshot` in force unless it, or a newer one, already is."""
        self._warden.activate(snapshot)

    def stops(self, exchange: Exchange) -> bool:
        """Whether the policies now in force stop this exchange, at its prompt or at its answer."""
        policies = self._warden.policy_set
        if policies.inspect(exchange.messages, Direction.PROMPT, exchange.tenant).blocked:
            return True
        if exchange.response is None:
            return False
        answer = (Message(Role.ASSISTANT, exchange.response),)
        return policies.inspect(answer, Direction.RESPONSE, exchange.tenant).blocked
