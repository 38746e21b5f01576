"""What every endpoint shares: the parts, one request's state, and asking the Warden with a time limit."""

import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from sisf.errors import LimitExceeded
from sisf.exchange import Exchange, Fate, Message
from sisf.gateway.deadline import Deadlines
from sisf.gateway.dialects.base import Inspected
from sisf.gateway.identity import Doorkeeper, Identity
from sisf.gateway.judging import InlineJudge
from sisf.gateway.metrics import Metrics
from sisf.gateway.ports import Warden
from sisf.gateway.recording import Recorder
from sisf.gateway.routing import Upstreams
from sisf.gateway.throttle import Throttle
from sisf.gateway.wire import Refused
from sisf.policy import Action, Decision, Direction
from sisf.settings import Settings
from sisf.store.records import ExchangeRecord
from sisf.verdict import Verdict

_random = random.Random(os.urandom(32))  # unique, not secret: no system call for each request
_STAGES = {direction: f"inspect_{direction.value}" for direction in Direction}
log = structlog.get_logger("sisf.gateway")


def _exchange_id() -> str:
    """Milliseconds and 80 random bits: rows that are written together then lie together in the store's indexes."""
    return f"{time.time_ns() // 1_000_000:012x}{_random.getrandbits(80):020x}"


@dataclass(slots=True)
class Turn:
    """One request on its way through the gateway."""

    endpoint: str
    request: Inspected
    identity: Identity = field(default_factory=Identity)
    id: str = field(default_factory=_exchange_id)
    started: float = field(default_factory=time.perf_counter)
    waited: float = 0.0
    """Seconds spent waiting for the upstream."""
    decisions: list[Decision] = field(default_factory=list)
    strongest: Decision | None = None
    """The decision with the strongest action so far."""
    observed: str | None = None
    """A policy that is not enforced, by the settings, and would have blocked."""
    verdict: Verdict | None = None
    fate: Fate = Fate.ERROR
    enforce: bool = True

    def note(self, decision: Decision) -> None:
        """Keep a decision."""
        self.decisions.append(decision)
        if self.strongest is None or decision.action.precedence > self.strongest.action.precedence:
            self.strongest = decision

    @property
    def label(self) -> str:
        """What `x-sisf-decision` says."""
        if self.fate is Fate.WITHHELD:
            return "withhold"
        decision = self.strongest
        if decision is None:
            return "none"
        observed = self.observed is not None and not decision.blocked
        return "would_block" if observed or (decision.blocked and not self.enforce) else decision.action.value

    @property
    def policy_id(self) -> str | None:
        """What `x-sisf-policy` says: the policy that decided, or would have."""
        decision = self.strongest
        if decision is not None and decision.action is not Action.ALLOW:
            return decision.policy_id
        return self.observed

    @property
    def added(self) -> float:
        """Seconds that SISF itself took so far."""
        return max(0.0, time.perf_counter() - self.started - self.waited)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """`x-sisf-…` of the response: ids and numbers, nothing of a policy's content."""
        made = [
            (b"x-sisf-decision", self.label.encode()),
            (b"x-sisf-elapsed-ms", b"%.3f" % (self.added * 1000)),
            (b"x-sisf-exchange", self.id.encode()),
        ]
        decision = self.strongest
        if decision is not None:
            made.append((b"x-sisf-revision", b"%d" % decision.revision))
            policy_id = self.policy_id
            if policy_id:
                made.append((b"x-sisf-policy", policy_id.encode("ascii", "replace")))
        return made

    def exchange(self, response: str | None) -> Exchange:
        """The exchange as the loop sees it."""
        return Exchange(
            self.request.messages,
            response,
            id=self.id,
            model=self.request.model,
            tenant=self.identity.tenant,
            principal=self.identity.principal,
        )

    def record(self, response: str | None) -> ExchangeRecord:
        """The exchange with what was decided."""
        return ExchangeRecord(self.exchange(response), tuple(self.decisions), self.fate, self.verdict)


@dataclass(frozen=True, slots=True)
class Core:
    """The parts that the endpoints work with."""

    settings: Settings
    warden: Warden
    upstream: Upstreams
    recorder: Recorder
    judge: InlineJudge | None
    """None unless adjudication is inline."""
    metrics: Metrics
    door: Doorkeeper
    throttle: Throttle
    deadlines: Deadlines = field(default_factory=Deadlines)

    def enforces(self, path: str, tenant: str) -> bool:
        """Whether decisions are enforced for this endpoint and tenant."""
        observe = self.settings.observe
        settled = self.settings.mode == "enforce" and path not in observe.endpoints and tenant not in observe.tenants
        return settled and self.warden.enforces(tenant)

    async def check(self, turn: Turn, messages: Sequence[Message], direction: Direction) -> Decision:
        """The Warden's decision, noted in `turn`. Raises `Refused` when the Warden fails and may not be passed by."""
        started = time.perf_counter()
        limit = self.settings.on_failure.warden_timeout
        try:
            decision = self.warden.at_once(messages, direction, turn.identity.tenant)
            if decision is None:
                with self.deadlines.within(limit):
                    decision = await self.warden.check(messages, direction, turn.identity.tenant)
        except LimitExceeded as error:
            raise Refused(413, "too_large", str(error)) from None
        except TimeoutError:
            decision = self.warden_failed("timeout", f"no decision within {limit:g} s", direction)
        except Exception as error:  # noqa: BLE001 - whatever it is, the text was not inspected
            decision = self.warden_failed("error", f"{type(error).__name__}: {error}", direction)
        self.metrics.stages.observe(time.perf_counter() - started, _STAGES[direction])
        self.note(turn, decision)
        return decision

    def note(self, turn: Turn, decision: Decision) -> None:
        """Count a decision and keep it for the record."""
        turn.note(decision)
        self.metrics.decisions.inc(decision.direction.value, decision.action.value)
        if decision.blocked and not turn.enforce:
            self.metrics.would_block.labels(decision.direction.value).inc()
        elif self.warden.observed and not decision.blocked:
            self._observe(turn, decision)

    def _observe(self, turn: Turn, decision: Decision) -> None:
        """Count what a policy that is only observed would have blocked."""
        watched = self.warden.observed
        found = next((m for m in decision.matches if m.action is Action.BLOCK and m.policy_id in watched), None)
        if found is not None:
            turn.observed = found.policy_id
            self.metrics.would_block.labels(decision.direction.value).inc()

    def warden_failed(self, kind: str, reason: str, direction: Direction) -> Decision:
        """Fail closed (`Refused`) or, where the setting says so, open."""
        self.metrics.failures.labels("warden", kind).inc()
        log.error("warden_failed", kind=kind, reason=reason[:300])
        if self.settings.on_failure.warden == "closed":
            raise Refused(503, "inspection_unavailable", "The text could not be inspected; try again later.")
        self.metrics.fail_opens.labels("warden").inc()
        log.warning("fail_open", part="warden")
        return Decision(Action.ALLOW, (), self.warden.revision, direction)
