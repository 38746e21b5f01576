"""The Warden's decisions on the texts of an exchange: in time, counted, and as the settings say where it fails."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from sisf.errors import InspectionFailed, LimitExceeded, SisfError, TooLongToInspect
from sisf.exchange import Message
from sisf.pipeline.deadlines import Deadlines
from sisf.pipeline.metrics import Metrics
from sisf.pipeline.ports import Warden
from sisf.pipeline.turn import Turn
from sisf.policy import Action, Decision, Direction
from sisf.settings import OnFailure

_STAGES = {direction: f"inspect_{direction.value}" for direction in Direction}
_log = structlog.get_logger("sisf.pipeline")


def stops(decision: Decision) -> bool:
    """Whether a text beside a prompt or an answer cannot go as it is: nothing there is rewritten."""
    return decision.blocked or decision.rewritten is not None


@dataclass(frozen=True, slots=True)
class Checks:
    """Asks the Warden."""

    warden: Warden
    metrics: Metrics
    on_failure: OnFailure
    deadlines: Deadlines = field(default_factory=Deadlines)

    async def check(self, turn: Turn, messages: Sequence[Message], direction: Direction) -> Decision:
        """The Warden's decision, noted in `turn`. Raises `LimitExceeded`, and `InspectionFailed` when the Warden fails
        and may not be passed by."""
        decision = await self.decide(turn, messages, direction)
        self.note(turn, decision)
        return decision

    async def beside(self, turn: Turn, messages: Sequence[Message], direction: Direction) -> Decision:
        """The decision on what stands beside a prompt or an answer, as a model's name does: noted only where it stops
        it. Raises as `check` does."""
        decision = await self.decide(turn, messages, direction)
        turn.doubts(decision)
        if stops(decision):
            self.note(turn, decision)
        return decision

    async def decide(self, turn: Turn, messages: Sequence[Message], direction: Direction) -> Decision:
        """The Warden's decision, not yet noted. Raises as `check` does."""
        started = time.perf_counter()
        limit = self.on_failure.warden_timeout
        try:
            decision = self.warden.at_once(messages, direction, turn.caller.tenant)
            if decision is None:
                with self.deadlines.within(limit):
                    decision = await self.warden.check(messages, direction, turn.caller.sender, limit)
        except TooLongToInspect as error:
            decision = self.failed("too_long", str(error), direction, error)
        except LimitExceeded:
            raise
        except InspectionFailed as error:
            decision = self.failed("busy", str(error), direction, error)
        except TimeoutError:
            decision = self.failed("timeout", f"no decision within {limit:g} s", direction)
        except Exception as error:  # noqa: BLE001 - whatever it is, the text was not inspected
            decision = self.failed("error", f"{type(error).__name__}: {error}", direction)
        self.metrics.stages.observe(time.perf_counter() - started, _STAGES[direction])
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

    def failed(self, kind: str, reason: str, direction: Direction, error: SisfError | None = None) -> Decision:
        """Fail closed (with `error`, or `InspectionFailed`) or, where the setting says so, open."""
        self.metrics.failures.labels("warden", kind).inc()
        _log.error("warden_failed", kind=kind, reason=reason[:300])
        if self.on_failure.warden == "closed":
            try:
                raise error or InspectionFailed("The text could not be inspected; try again later.")
            finally:
                del error  # its traceback holds this frame, and with it the whole request
        self.metrics.fail_opens.labels("warden").inc()
        _log.warning("fail_open", part="warden")
        return Decision(Action.ALLOW, (), self.warden.revision, direction)
