"""What going back to an earlier revision would change for people: recent traffic, tried on both policy sets."""

import time
from dataclasses import dataclass, field

from sisf.console.parts import Parts
from sisf.errors import SisfError
from sisf.exchange import Exchange
from sisf.loop.mistakes import readable
from sisf.policy import Direction, Snapshot
from sisf.store.records import BenignCase
from sisf.warden import PolicySet

_TRAFFIC = 300
_SECONDS = 2.0


@dataclass(slots=True)
class Replay:
    """Recent exchanges that would be decided otherwise."""

    tried: int = 0
    """How many prompts were tried, of those whose text was kept."""
    passing: list[Exchange] = field(default_factory=list)
    """Stopped now; they would pass again."""
    stopped: list[Exchange] = field(default_factory=list)
    """Passing now; they would be stopped."""
    mistakes: list[BenignCase] = field(default_factory=list)
    """Reported as mistakes, and stopped all the same."""
    spared: int = 0
    """Reported as mistakes; they would pass."""


def replay(parts: Parts, then: Snapshot) -> Replay | None:
    """Try recent prompts on the policies in force and on those of `then`; None where nothing can be tried."""
    warden = parts.warden
    if warden is None:
        return None
    try:
        return _replayed(parts, warden.policy_set, PolicySet.compile(then, warden.embedder, warden.policy_set))
    except SisfError:
        return None


def _replayed(parts: Parts, now: PolicySet, then: PolicySet) -> Replay:
    found, ends = Replay(), time.monotonic() + _SECONDS
    cases = [case for _, case in parts.store.feedback.benign_cases()]
    for case in cases:
        exchange = Exchange.of(case.text)
        if _blocks(then, exchange, case.direction):
            found.mistakes.append(case)
        else:
            found.spared += 1
    reported = {case.exchange_id for case in cases}
    for record in parts.store.exchanges.recent(_TRAFFIC):
        exchange = record.exchange
        if time.monotonic() > ends:
            break
        if not readable(exchange.prompt) or exchange.id in reported:
            continue
        found.tried += 1
        before, after = _blocks(now, exchange), _blocks(then, exchange)
        if before is not after:
            (found.passing if before else found.stopped).append(exchange)
    return found


def _blocks(policy_set: PolicySet, exchange: Exchange, direction: Direction = Direction.PROMPT) -> bool:
    return policy_set.inspect(exchange.messages, direction, exchange.tenant).blocked
