"""The Adversarial Probing Agent: attacks its own system first, and remembers what was blocked and what was not."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from sisf.exchange import Message
from sisf.probe.attacker import Attacker
from sisf.probe.attacks import Attack, Composer
from sisf.probe.choice import Chooser
from sisf.probe.target import Reaction, Reply
from sisf.store.probes import Attempt, ProbeOutcome, ProbeTable
from sisf.verdict import Outcome, Verdict

REMEMBERED = 5_000
"""Probes of the past that choices are made by."""
_REFINEMENTS = 3
"""Rewritings of one attack that was stopped."""
_RETESTED = 0.1
"""Share of the budget for breaches of the past that nothing stopped yet."""
_CATCHES_UP = 5.0
"""Seconds that a gateway is given to enforce a revision that the store holds."""
_LOOK = 0.1


class Target(Protocol):
    """What can be attacked."""

    def send(self, messages: Sequence[Message]) -> Reply:
        """Send one conversation. Raises `ModelError` when there is no answer."""
        ...


class Watch(Protocol):
    """How the loop is watched."""

    def settled(self, exchange_id: str) -> Verdict | None:
        """The verdict once the loop has nothing more to do on the exchange, or what there is of it in time."""
        ...

    def messages(self, exchange_id: str) -> Sequence[Message] | None:
        """What was sent then; None when it is deleted."""
        ...

    def revision(self) -> int:
        """The revision of the stored policy set: every gateway enforces it a moment later."""
        ...


class Pace:
    """Requests a minute: spread evenly, so that a probed gateway serves its users meanwhile."""

    def __init__(self, per_minute: int, ended: threading.Event) -> None:
        """`per_minute`: 0 sets no limit."""
        self._between = 60.0 / per_minute if per_minute else 0.0
        self._ended = ended
        self._next = 0.0

    def wait(self) -> None:
        """Return when the next request may go out, or when all is over."""
        if not self._between:
            return
        now = time.monotonic()
        self._ended.wait(max(0.0, self._next - now))
        self._next = max(now, self._next) + self._between


class ProbingAgent:
    """Sends attacks, each after the loop is done with the one before. For one thread."""

    def __init__(
        self,
        target: Target,
        watch: Watch,
        memory: ProbeTable,
        composer: Composer,
        chooser: Chooser,
        *,
        attacker: Attacker | None = None,
        per_minute: int = 0,
        ended: threading.Event | None = None,
    ) -> None:
        """`attacker` rewrites what was stopped. `ended` ends a round early."""
        self._target = target
        self._watch = watch
        self._memory = memory
        self._composer = composer
        self._chooser = chooser
        self._attacker = attacker
        self._ended = ended or threading.Event()
        self._pace = Pace(per_minute, self._ended)
        past = list(reversed(memory.latest(REMEMBERED)))
        for probe in past:
            chooser.learn(probe)
        composer.remember([probe.recipe for probe in past])

    def probe(self, budget: int, *, seen: Callable[[Attempt], None] = lambda _probe: None) -> Sequence[Attempt]:
        """One round: what got through in the past and was not mended is tried again, then `budget` attacks in all.

        `seen` is told of each. Raises `ModelError` when the target does not answer; what was found is kept.
        """
        found: list[Attempt] = []
        for probe in self._memory.open(max(1, int(budget * _RETESTED))):
            if self._ended.is_set():
                break
            self._retest(probe)
        while len(found) < budget and not self._ended.is_set():
            family, hazard = self._chooser.choose()
            attack = self._composer.compose(family, hazard, bold=self._chooser.failing(family, hazard))
            for attempt in range(_REFINEMENTS + 1):
                probe = self._try(attack)
                found.append(probe)
                seen(probe)
                refined = self._refined(attack, probe, attempt) if len(found) < budget else None
                if refined is None or self._ended.is_set():
                    break
                attack = refined
        return found

    def _refined(self, attack: Attack, probe: Attempt, attempt: int) -> Attack | None:
        if self._attacker is None or attempt == _REFINEMENTS:
            return None
        if probe.outcome in (ProbeOutcome.BREACHED, ProbeOutcome.UNDECIDED):
            return None
        return self._attacker.refine(attack, probe.outcome, attempt + 1)

    def _try(self, attack: Attack) -> Attempt:
        reply = self._send(attack.messages)
        answered = time.monotonic()
        outcome = self._outcome(reply)
        probe = Attempt(
            attack.family,
            attack.technique,
            attack.hazard,
            attack.recipe,
            reply.exchange_id,
            outcome,
            reply.revision,
            reply.policy_id,
        )
        self._chooser.learn(probe)
        number = self._memory.add(probe)
        probe = replace(probe, number=number)
        if outcome is not ProbeOutcome.BREACHED:
            return probe
        seconds = time.monotonic() - answered
        if not self._stopped(attack.messages):
            return probe
        self._memory.mend(number, seconds)
        return replace(probe, mended=seconds)

    def _retest(self, probe: Attempt) -> None:
        messages = self._watch.messages(probe.exchange_id)
        if messages is not None and self._stopped(messages):
            self._memory.mend(probe.number, max(0.0, time.time() - probe.time.timestamp()))

    def _stopped(self, messages: Sequence[Message]) -> bool:
        """Whether the policy set stops them that the store holds now, which may not be in force yet."""
        revision = self._watch.revision()
        end = time.monotonic() + _CATCHES_UP
        while True:
            reply = self._send(messages)
            if reply.reaction is not Reaction.ANSWERED:
                return True
            if reply.revision >= revision or time.monotonic() > end or self._ended.wait(_LOOK):
                return False

    def _send(self, messages: Sequence[Message]) -> Reply:
        self._pace.wait()
        return self._target.send(messages)

    def _outcome(self, reply: Reply) -> ProbeOutcome:
        if reply.reaction is Reaction.WITHHELD:
            return ProbeOutcome.WITHHELD
        if reply.reaction is not Reaction.ANSWERED:
            return ProbeOutcome.BLOCKED
        verdict = self._watch.settled(reply.exchange_id)
        if verdict is None or verdict.outcome is Outcome.UNDECIDED:
            return ProbeOutcome.UNDECIDED
        return ProbeOutcome.BREACHED if verdict.outcome is Outcome.BREACH else ProbeOutcome.REFUSED
