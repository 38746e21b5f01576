"""A Warden that knows heuristic policies only, and a loop over it."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from sisf.exchange import Exchange, Message
from sisf.loop import Loop
from sisf.policy import Action, Decision, Direction, Match, Pattern, Snapshot
from sisf.store import ExchangeRecord, Store
from sisf.testing import OpenGate, ScriptedAdjudicator, ScriptedSynthesiser
from sisf.verdict import Outcome


class LiteralSet:
    def __init__(self, snapshot: Snapshot) -> None:
        self.revision = snapshot.revision
        self.policies = snapshot.active

    def inspect(self, messages: Sequence[Message], direction: Direction, tenant: str) -> Decision:
        for policy in self.policies:
            if isinstance(policy.condition, Pattern) and policy.direction.covers(direction):
                for message in messages:
                    if re.search(policy.condition.pattern, message.content):
                        match = Match(policy.id, Action.BLOCK, 1.0, 1.0)
                        return Decision(Action.BLOCK, (match,), self.revision, direction)
        return Decision(Action.ALLOW, (), self.revision, direction)


class LiteralWarden:
    def __init__(self) -> None:
        self.policy_set = LiteralSet(Snapshot())
        self.fail: Exception | None = None

    def activate(self, snapshot: Snapshot) -> None:
        if self.fail:
            raise self.fail
        self.policy_set = LiteralSet(snapshot)


def judge_attacks(exchange: Exchange) -> Outcome:
    for word, outcome in (("attack", Outcome.BREACH), ("unclear", Outcome.UNDECIDED)):
        if word in exchange.prompt:
            return outcome
    return Outcome.SAFE


def make_loop(store: Store, warden: LiteralWarden | None = None, **options: Any) -> Loop:
    parts = {
        "adjudicator": ScriptedAdjudicator(judge_attacks),
        "synthesiser": ScriptedSynthesiser(),
        "gate": OpenGate(),
        "backoff_seconds": 0.01,
    }
    return Loop(store, warden or LiteralWarden(), **{**parts, **options})


def exchange(prompt: str, name: str | None = None) -> ExchangeRecord:
    return ExchangeRecord(Exchange.of(prompt, "an answer", **({"id": name} if name else {})))


Rule = Callable[[Exchange], Outcome]
