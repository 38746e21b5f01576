"""What an Adjudicator says of an exchange, and the breach that follows from it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sisf.exchange import Exchange
from sisf.taxonomy import Hazard, Technique

PERSON: Final = "person:"
"""Begins the name of a person (`person:NAME`) among judges and among the actors of the audit log."""


class Outcome(StrEnum):
    """A judge that fails, or does not know, is `undecided`; never `safe`."""

    BREACH = "breach"
    SAFE = "safe"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of one exchange by one judge (or an ensemble, which names itself)."""

    outcome: Outcome
    judge: str
    hazard: Hazard = Hazard.OTHER
    technique: Technique = Technique.OTHER
    severity: float = 0.0
    """0 (none) to 1 (catastrophic)."""
    confidence: float = 0.0
    """The judge's probability that its outcome is right, 0 to 1."""
    rationale: str = ""
    breach_probability: float | None = None
    """Calibrated probability of a breach, where the judge has one: ranking judges needs it."""

    @property
    def is_breach(self) -> bool:
        """Whether the exchange is a breach."""
        return self.outcome is Outcome.BREACH


@dataclass(frozen=True, slots=True)
class Breach:
    """An exchange with a breach verdict. Its id is the exchange's id, which makes learning idempotent."""

    exchange: Exchange
    verdict: Verdict

    @property
    def id(self) -> str:
        """The id of the exchange."""
        return self.exchange.id
