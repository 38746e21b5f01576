"""What the loop tells those who watch it, as it happens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sisf.policy import Policy, Snapshot
from sisf.store import ExchangeRecord, Stage
from sisf.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Monitored:
    """An exchange entered the loop."""

    record: ExchangeRecord


@dataclass(frozen=True, slots=True)
class Judged:
    """The Adjudicator spoke."""

    exchange_id: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Planned:
    """Policies were written for a breach and examined: those that passed and those that did not."""

    exchange_id: str
    proposals: Sequence[Policy]
    already_caught: bool = False
    """The policies in force stop this exchange by now, so there was nothing to learn."""
    postponed: bool = False
    """Its principal brought too many breaches of late: it is learned from together with the next."""


@dataclass(frozen=True, slots=True)
class Activated:
    """A new policy set is enforced."""

    exchange_id: str
    snapshot: Snapshot
    policies: Sequence[Policy]
    """Those that this step put in force."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A stage failed; it is tried again unless `final`."""

    exchange_id: str
    stage: Stage
    error: str
    final: bool


@dataclass(frozen=True, slots=True)
class Worked:
    """A stage is done; so long it took."""

    exchange_id: str
    stage: Stage
    seconds: float


Event = Worked | Monitored | Judged | Planned | Activated | Failed
Listener = Callable[[Event], None]
