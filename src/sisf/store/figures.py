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
