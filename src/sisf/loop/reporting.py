"""What the log says of the loop's work: ids, hazards and outcomes, never a text."""

import structlog

from sisf.loop.events import Event, Judged, Planned
from sisf.policy import Status
from sisf.verdict import Outcome

_log = structlog.get_logger(__name__)


def report(event: Event) -> None:
    """Log what the judge called a breach or could not decide, and why a breach taught nothing.

    What it taught is logged by the store, as every step of the policy set is.
    """
    match event:
        case Judged(exchange_id, verdict) if verdict.outcome is not Outcome.SAFE:
            _log.info(
                "judged",
                exchange=exchange_id,
                outcome=verdict.outcome.value,
                hazard=verdict.hazard.value,
                confidence=round(verdict.confidence, 2),
                judge=verdict.judge,
            )
        case Planned(exchange_id, proposals) if not any(p.status is Status.PROPOSED for p in proposals):
            _log.info(
                "nothing_learned", exchange=exchange_id, because=_because(event), refused=[p.id for p in proposals]
            )


def _because(planned: Planned) -> str:
    if planned.already_caught:
        return "the policies in force stop it by now"
    if planned.postponed:
        return "its sender brought many breaches of late; it is learned from with the next one"
    return "the gate refused what was written" if planned.proposals else "no new policy was written"
