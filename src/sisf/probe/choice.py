"""What to try next: Thompson sampling over family and hazard, by what got through of late."""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from sisf.store.probes import Attempt, ProbeOutcome
from sisf.taxonomy import Hazard

HALF_LIFE = 100
"""Probes after which one weighs half: what got through before the loop learned says little of now."""
_FORGET = 0.5 ** (1 / HALF_LIFE)
_STRENGTH = 2.0
"""Probes that a cell's prior, taken from its family and its hazard, weighs as much as."""


@dataclass(slots=True)
class _Seen:
    through: float = 0.0
    stopped: float = 0.0

    def share(self) -> float:
        """Of what was tried, how much got through, after a uniform prior."""
        return (1.0 + self.through) / (2.0 + self.through + self.stopped)


@dataclass(slots=True)
class _Count:
    seen: _Seen = field(default_factory=_Seen)
    at: int = 0


class Chooser:
    """Draws cells of family × hazard. Each cell's prior is what its family and its hazard did elsewhere, so that a weak
    family is found before all of its cells were tried."""

    def __init__(self, families: Sequence[str], hazards: Sequence[Hazard], rng: random.Random) -> None:
        self._families = list(families)
        self._hazards = list(hazards)
        self._rng = rng
        self._time = 0
        self._counts: dict[object, _Count] = defaultdict(_Count)

    def learn(self, probe: Attempt) -> None:
        """What came of one probe. One that nobody could judge teaches nothing."""
        if probe.outcome is ProbeOutcome.UNDECIDED:
            return
        self._time += 1
        through = probe.outcome is ProbeOutcome.BREACHED
        for key in (probe.family, probe.hazard, (probe.family, probe.hazard)):
            seen = self._now(key)
            seen.through += through
            seen.stopped += not through

    def choose(self) -> tuple[str, Hazard]:
        """The cell whose drawn chance to get through is the highest."""
        return max(((f, h) for f in self._families for h in self._hazards), key=self._drawn)

    def failing(self, family: str, hazard: Hazard) -> bool:
        """Whether more of this cell was stopped of late than got through."""
        seen = self._now((family, hazard))
        return seen.stopped > seen.through

    def _drawn(self, cell: tuple[str, Hazard]) -> float:
        family, hazard = self._now(cell[0]), self._now(cell[1])
        prior = (family.share() * hazard.share()) ** 0.5
        seen = self._now(cell)
        return self._rng.betavariate(
            _STRENGTH * prior + seen.through + 1e-3, _STRENGTH * (1 - prior) + seen.stopped + 1e-3
        )

    def _now(self, key: object) -> _Seen:
        """The counts of a cell, a family or a hazard, as far as they are not forgotten."""
        count = self._counts[key]
        if count.at != self._time:
            fade = _FORGET ** (self._time - count.at)
            count.seen.through *= fade
            count.seen.stopped *= fade
            count.at = self._time
        return count.seen
