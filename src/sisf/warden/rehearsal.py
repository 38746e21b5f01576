"""What the Warden would say of a text, if other policies than those in force were."""

from collections.abc import Sequence
from dataclasses import replace

from sisf.embedding.base import Embedder
from sisf.exchange import Exchange, Message, Role
from sisf.policy import Decision, Direction, Policy, Snapshot, Status
from sisf.warden.policy_set import PolicySet


def rehearsed(
    policies: Sequence[Policy], embedder: Embedder, messages: Sequence[Message], direction: Direction, tenant: str = ""
) -> Decision:
    """What the Warden would decide if these policies, and no others, were active.

    Raises `PolicyError` for a policy that does not compile or belongs to another embedder, `LimitExceeded` for a text
    that unfolds without end.
    """
    active = tuple(replace(policy, status=Status.ACTIVE) for policy in policies)
    return PolicySet.compile(Snapshot(0, active), embedder).inspect(messages, direction, tenant)


def side(exchange: Exchange, direction: Direction) -> tuple[Message, ...]:
    """The texts of one side of an exchange, as the Warden is given them."""
    if direction is Direction.RESPONSE:
        return (Message(Role.ASSISTANT, exchange.response or ""),)
    return exchange.messages
