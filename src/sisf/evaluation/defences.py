"""What stands in front of the model in an experiment: the real system, or one of the designs it is compared with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import re2

from sisf.bootstrap import System
from sisf.errors import SisfError
from sisf.evaluation.keywords import KEYWORD_PATTERNS
from sisf.exchange import Message
from sisf.policy import Action, Decision, Direction, Match, Policy, Status
from sisf.store import ExchangeRecord
from sisf.verdict import Verdict

_DRAIN_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Tally:
    """How many policies a defence has had."""

    proposed: int = 0
    activated: int = 0
    final: int = 0


class Defence(Protocol):
    """One design under test. Used by one thread."""

    @property
    def revision(self) -> int:
        """Number of its policy set."""
        ...

    def inspect(self, messages: Sequence[Message], direction: Direction) -> Decision:
        """Decide on a prompt or an answer."""
        ...

    def learn(self, record: ExchangeRecord) -> Verdict | None:
        """Let the loop see a finished exchange; returns when all its work is done, with its verdict if it judged."""
        ...

    def policies(self) -> Sequence[Policy]:
        """The active policies."""
        ...

    def tally(self) -> Tally:
        """Policies so far."""
        ...

    def close(self) -> None:
        """Release everything."""
        ...


class StaticFilter:
    """A defence that never learns: fixed patterns on the prompt (none at all: no defence)."""

    revision = 0

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self._patterns = [re2.compile(p) for p in patterns]

    def inspect(self, messages: Sequence[Message], direction: Direction) -> Decision:
        """Block a prompt in which a pattern is found."""
        hit = direction is Direction.PROMPT and any(p.search(m.content) for m in messages for p in self._patterns)
        if not hit:
            return Decision(Action.ALLOW, (), 0, direction)
        return Decision(Action.BLOCK, (Match("keyword-filter", Action.BLOCK, 1.0, 1.0),), 0, direction)

    def learn(self, record: ExchangeRecord) -> Verdict | None:  # noqa: ARG002 - it does not learn
        """Do nothing."""
        return None

    def policies(self) -> Sequence[Policy]:
        """None: its patterns are no policies."""
        return ()

    def tally(self) -> Tally:
        """Nothing learned."""
        return Tally()

    def close(self) -> None:
        """Nothing to release."""


class LearningSystem:
    """The real parts, in process: Warden, loop and store of a `System`."""

    def __init__(self, system: System, folder: TemporaryDirectory[str] | None = None) -> None:
        self._system = system
        self._folder = folder

    @property
    def revision(self) -> int:
        """The revision that the Warden enforces now."""
        return self._system.warden.revision

    def inspect(self, messages: Sequence[Message], direction: Direction) -> Decision:
        """Ask the Warden."""
        return self._system.warden.inspect(messages, direction)

    def learn(self, record: ExchangeRecord) -> Verdict | None:
        """Hand the exchange to the loop and wait until the loop has nothing left to do."""
        self._system.loop.monitor(record).result(timeout=_DRAIN_SECONDS)
        if not self._system.loop.drain(_DRAIN_SECONDS):
            raise SisfError(f"the loop did not finish its work on {record.exchange.id} in {_DRAIN_SECONDS:.0f} s")
        dead = self._system.store.jobs.dead()
        if dead:
            job, error = dead[0]
            raise SisfError(f"the loop gave up on {job.exchange_id} at {job.stage}: {error}")
        return self._system.store.exchanges.get(record.exchange.id).verdict

    def policies(self) -> Sequence[Policy]:
        """The active policies."""
        return self._system.store.policies.snapshot().active

    def tally(self) -> Tally:
        """Counted in the store, policies of every status."""
        known = self._system.store.policies.list()
        activated = sum(p.status in (Status.ACTIVE, Status.RETIRED) for p in known)
        return Tally(len(known), activated, sum(p.status is Status.ACTIVE for p in known))

    def close(self) -> None:
        """Close the system and delete its temporary store."""
        self._system.close()
        if self._folder is not None:
            self._folder.cleanup()


Build = Callable[[Path], System]
"""Builds a system whose store lies in the given folder."""


def learning(build: Build) -> Callable[[], Defence]:
    """Fresh learning systems on demand, each with a temporary store of its own."""

    def make() -> Defence:
        folder = TemporaryDirectory(prefix="sisf-experiment-")
        try:
            return LearningSystem(build(Path(folder.name)), folder)
        except BaseException:
            folder.cleanup()
            raise

    return make


def no_defence() -> Defence:
    """Baseline `none`."""
    return StaticFilter()


def keyword_filter() -> Defence:
    """Baseline `keyword-filter`."""
    return StaticFilter(KEYWORD_PATTERNS)
