"""What stands in front of the model in an experiment: the real system, or one of the designs it is compared with."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import re2

from sisf.bootstrap import System
from sisf.errors import SisfError
from sisf.evaluation.keywords import KEYWORD_PATTERNS
from sisf.exchange import Message, Sender
from sisf.pipeline.ports import Inspector, Warden
from sisf.policy import Action, Decision, Direction, Match, Policy, Status
from sisf.settings import Settings, load
from sisf.store import ExchangeRecord, Store
from sisf.verdict import Verdict

_DRAIN_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Tally:
    """How many policies a defence has had."""

    proposed: int = 0
    activated: int = 0
    final: int = 0

    @classmethod
    def of(cls, store: Store) -> "Tally":
        """Counted in the store, policies of every status."""
        known = store.policies.list()
        activated = sum(p.status in (Status.ACTIVE, Status.RETIRED) for p in known)
        return cls(len(known), activated, sum(p.status is Status.ACTIVE for p in known))


class Defence(Protocol):
    """One design under test. Used by one thread."""

    @property
    def settings(self) -> Settings:
        """What the product is set to."""
        ...

    @property
    def warden(self) -> Warden:
        """What decides on texts."""
        ...

    def monitor(self, record: ExchangeRecord, *, learn: bool = True, gather: bool = False) -> "Future[None]":
        """Let the loop see a finished exchange: see `sisf.pipeline.ports.Monitor`."""
        ...

    def settle(self, exchange_id: str) -> Verdict | None:
        """Returns when the loop has nothing left to do, with its verdict on this exchange if it judged."""
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


def done() -> "Future[None]":
    """A future of something that is done already."""
    finished: Future[None] = Future()
    finished.set_result(None)
    return finished


class Unlearned:
    """A loop that learns nothing: what is recorded is forgotten."""

    def monitor(self, record: ExchangeRecord, *, learn: bool = True, gather: bool = False) -> "Future[None]":  # noqa: ARG002
        """Done at once."""
        return done()


class StaticWarden:
    """Fixed patterns on the prompt."""

    revision = 0
    observed: frozenset[str] = frozenset()

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = [re2.compile(p) for p in patterns]

    def at_once(self, messages: Sequence[Message], direction: Direction, tenant: str) -> Decision:  # noqa: ARG002
        """Block a prompt in which a pattern is found."""
        hit = direction is Direction.PROMPT and any(p.search(m.content) for m in messages for p in self._patterns)
        if not hit:
            return Decision(Action.ALLOW, (), 0, direction)
        return Decision(Action.BLOCK, (Match("keyword-filter", Action.BLOCK, 1.0, 1.0),), 0, direction)

    async def check(
        self,
        messages: Sequence[Message],
        direction: Direction,
        sender: Sender,
        seconds: float,  # noqa: ARG002
    ) -> Decision:
        """As `at_once`."""
        return self.at_once(messages, direction, sender.tenant)

    def enforces(self, tenant: str) -> bool:  # noqa: ARG002
        """Always."""
        return True

    def follow(self, settings: Settings) -> None:
        """No setting concerns it."""

    def stream(self, sender: Sender, seconds: float) -> Inspector:
        """Raises `NotImplementedError`: experiments do not stream."""
        raise NotImplementedError


class StaticFilter(Unlearned):
    """A defence that never learns: fixed patterns on the prompt (none at all: no defence)."""

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self.settings = load(environment={})
        self.warden: Warden = StaticWarden(patterns)

    def settle(self, exchange_id: str) -> Verdict | None:  # noqa: ARG002
        """It does not learn."""
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
    def settings(self) -> Settings:
        """Those of the system."""
        return self._system.settings

    @property
    def warden(self) -> Warden:
        """That of the system."""
        return self._system.warden

    def monitor(self, record: ExchangeRecord, *, learn: bool = True, gather: bool = False) -> "Future[None]":
        """Hand the exchange to the loop."""
        return self._system.loop.monitor(record, learn=learn, gather=gather)

    def settle(self, exchange_id: str) -> Verdict | None:
        """Wait until the loop has nothing left to do."""
        if not self._system.loop.drain(_DRAIN_SECONDS):
            raise SisfError(f"the loop did not finish its work on {exchange_id} in {_DRAIN_SECONDS:.0f} s")
        dead = self._system.store.jobs.dead()
        if dead:
            job, error = dead[0]
            raise SisfError(f"the loop gave up on {job.exchange_id} at {job.stage}: {error}")
        return self._system.store.exchanges.get(exchange_id).verdict

    def policies(self) -> Sequence[Policy]:
        """The active policies."""
        return self._system.store.policies.snapshot().active

    def tally(self) -> Tally:
        """Counted in the store."""
        return Tally.of(self._system.store)

    def close(self) -> None:
        """Close the system and delete its temporary store."""
        self._system.close()
        if self._folder is not None:
            self._folder.cleanup()


def teach(defence: Defence, record: ExchangeRecord) -> Verdict | None:
    """Show the loop an exchange that nobody sent through the defence; returns when all work on it is done."""
    defence.monitor(record).result(timeout=_DRAIN_SECONDS)
    return defence.settle(record.exchange.id)


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
