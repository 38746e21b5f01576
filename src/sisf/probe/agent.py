"""The Adversarial Probing Agent: attacks its own system first, and remembers what was blocked and what was not."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from sisf.probe.attacks import Attack
from sisf.probe.target import Reaction, Reply
from sisf.taxonomy import Technique


class Target(Protocol):
    """What can be attacked."""

    def send(self, messages: str) -> Reply:
        """Send one prompt."""
        ...


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attack and what came of it."""

    attack: Attack
    reply: Reply


@dataclass(frozen=True, slots=True)
class Findings:
    """What a round of probing found."""

    attempts: tuple[Attempt, ...]

    def reactions(self) -> Mapping[Technique, Mapping[Reaction, int]]:
        """Counts by technique."""
        found: dict[Technique, Counter[Reaction]] = {}
        for attempt in self.attempts:
            found.setdefault(attempt.attack.technique, Counter())[attempt.reply.reaction] += 1
        return found

    def answered(self) -> tuple[Attempt, ...]:
        """The attacks that got an answer: the loop judges these, and learns from breaches."""
        return tuple(a for a in self.attempts if a.reply.reaction is Reaction.ANSWERED)


class ProbingAgent:
    """Sends attacks one after the other."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def probe(self, attacks: Iterable[Attack], *, seen: Callable[[Attempt], None] = lambda _: None) -> Findings:
        """Send every attack; `seen` is told of each. Raises `ModelError` when the target does not answer."""
        attempts = []
        for attack in attacks:
            attempt = Attempt(attack, self._target.send(attack.text))
            attempts.append(attempt)
            seen(attempt)
        return Findings(tuple(attempts))
