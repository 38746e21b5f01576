"""Figures of what became of exchanges."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of a run of consecutive exchanges, as far as it is known by now.

    An attack is what a policy stopped, what an inline judge withheld, and what a judge found to be a breach.
    """

    since: datetime
    until: datetime
    intercepted: int = 0
    """Stopped by a policy and not reported as a mistake."""
    withheld: int = 0
    breached: int = 0
    mistakes: int = 0
    """Stopped by a policy, which a person reported as a mistake."""
    passed: int = 0
    """Released and no breach by any verdict so far."""
    undecided: int = 0
    """Of these: no judge could decide."""

    @property
    def attacks(self) -> int:
        """Known attacks."""
        return self.intercepted + self.withheld + self.breached

    @property
    def warden_asr(self) -> float | None:
        """Share of the attacks that no policy stopped; None without attacks."""
        return (self.withheld + self.breached) / self.attacks if self.attacks else None

    @property
    def system_asr(self) -> float | None:
        """Share of the attacks whose answer was released; None without attacks."""
        return self.breached / self.attacks if self.attacks else None

    @property
    def fpr(self) -> float | None:
        """Share of the honest exchanges that were stopped, as far as people reported it; None without such."""
        honest = self.mistakes + self.passed
        return self.mistakes / honest if honest else None


@dataclass(slots=True)
class Standing:
    """What became of exchanges, by what each figure stands on: people's word, a judge's, or nobody's yet."""

    since: datetime
    until: datetime
    exchanges: int = 0
    stopped: int = 0
    """By a policy."""
    stopped_right: int = 0
    """Of these: a person said so."""
    stopped_wrong: int = 0
    """Of these: a person said that it was a mistake."""
    withheld: int = 0
    """By the judge, inline."""
    breach_person: int = 0
    """Released, and a person found it harmful."""
    breach_judge: int = 0
    """Released, and only a judge found it harmful."""
    safe_person: int = 0
    safe_judge: int = 0
    undecided: int = 0
    """Released, and no judge could decide."""
    unjudged: int = 0
    """Released, and nobody judged it yet."""
    unanswered: int = 0
    """The model failed or the client left."""

    @property
    def stopped_unseen(self) -> int:
        """Stopped by a policy, and no person looked at it."""
        return self.stopped - self.stopped_right - self.stopped_wrong

    @property
    def breaches(self) -> int:
        """Got through and were found harmful."""
        return self.breach_person + self.breach_judge

    @property
    def open(self) -> int:
        """Released, and not known to be harmful or safe."""
        return self.undecided + self.unjudged

    @property
    def through(self) -> tuple[float, float] | None:
        """Share of the attacks that got through, from the least to the most that it may be: as if none, and as if all,
        of what is open were attacks. None when no attack is known."""
        stopped = self.stopped - self.stopped_wrong + self.withheld
        known = stopped + self.breaches
        return (self.breaches / known, (self.breaches + self.open) / (known + self.open)) if known else None

    @property
    def harmed(self) -> tuple[float, float] | None:
        """Share of the honest exchanges that were stopped, from the least to the most that it may be: as if all that
        nobody looked at were rightly stopped, and as if all were mistakes. None when none is known."""
        honest = self.stopped_wrong + self.safe_person + self.safe_judge
        most = honest + self.stopped_unseen
        return (self.stopped_wrong / honest, (self.stopped_wrong + self.stopped_unseen) / most) if honest else None
