"""The gateway's core without the gateway: the same checks, judge, record and limits, asked from inside a program."""

from collections.abc import Mapping
from typing import Any

from sisf.bootstrap import System
from sisf.errors import Blocked, InspectionFailed, LimitExceeded, SisfError
from sisf.exchange import Fate
from sisf.gateway.core import Core
from sisf.gateway.identity import Doorkeeper, Identity
from sisf.gateway.judging import InlineJudge
from sisf.gateway.metrics import Metrics
from sisf.gateway.recording import Recorder
from sisf.gateway.routing import Upstreams
from sisf.gateway.throttle import Throttle
from sisf.gateway.upstream import Reply
from sisf.gateway.wire import Refused
from sisf.settings import Settings
from sisf.store.records import ExchangeRecord

ANONYMOUS = "anonymous"
"""The principal of callers that name none."""


class Known(Doorkeeper):
    """Knows who is calling without looking at headers."""

    def __init__(self, identity: Identity) -> None:
        super().__init__(None)
        self._identity = identity

    def identify(self, headers: Mapping[bytes, bytes], client: str) -> Identity:  # noqa: ARG002
        """Always the same caller."""
        return self._identity


class Patience(Throttle):
    """Slows no one who is not named: in one program, `anonymous` may be everybody."""

    async def blocked(self, identity: Identity) -> None:
        """A prompt was blocked: make the answer late, for a named principal that is past its limit."""
        if identity.principal != ANONYMOUS:
            await super().blocked(identity)


class NoUpstream(Upstreams):
    """Where there is no model to send anything to."""

    def __init__(self) -> None:
        """Knows no addresses."""

    async def send(self, *_: Any, **__: Any) -> Reply:
        """Never: checks send nothing."""
        raise NotImplementedError

    async def close(self) -> None:
        """Nothing to close."""


def create_core(system: System) -> Core:
    """A core over the parts of `system`."""
    settings: Settings = system.settings
    system.warden.observe(settings.observe.policies)
    metrics = Metrics()
    metrics.watch_revision(lambda: system.warden.revision)
    inline = settings.adjudication.mode == "inline"
    return Core(
        settings=settings,
        warden=system.warden,
        upstream=NoUpstream(),
        recorder=Recorder(system.loop, settings, metrics),
        judge=InlineJudge(system.adjudicator, settings.adjudication, metrics) if inline else None,
        metrics=metrics,
        door=Known(Identity(principal=ANONYMOUS)),
        throttle=Patience(settings.limits, metrics),
    )


def stopped(record: ExchangeRecord) -> Blocked:
    """The error that tells of a stopped exchange."""
    decision = next((d for d in reversed(record.decisions) if d.blocked), None)
    if decision is None and record.fate is not Fate.WITHHELD and record.decisions:
        decision = record.decisions[-1]  # a rewrite that had no place to go
    if decision is not None:
        side = "prompt" if record.fate == Fate.INTERCEPTED_PROMPT else "answer"
        message = f"the {side} was blocked by policy {decision.policy_id} (revision {decision.revision})"
    else:
        said = record.verdict.outcome.value if record.verdict else "undecided"
        message = f"the answer was withheld: the judge's verdict is `{said}`"
    return Blocked(
        message,
        fate=record.fate,
        exchange_id=record.exchange.id,
        decision=decision,
        verdict=record.verdict,
    )


def translated(refused: Refused) -> SisfError:
    """The gateway's refusal as an error of the library."""
    if refused.code in ("too_large", "too_many_messages", "too_deep", "rate_limited"):
        return LimitExceeded(refused.message)
    return InspectionFailed(refused.message)
