"""The coverage map: by hazard and technique, how often it was probed, what got through, and what is mended."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

from sisf.store.probes import Attempt, ProbeOutcome
from sisf.taxonomy import Hazard, Technique


@dataclass(slots=True)
class Cell:
    """One hazard in one technique."""

    probed: int = 0
    breached: int = 0
    mended: int = 0
    undecided: int = 0

    def count(self, probe: Attempt) -> None:
        """One more."""
        breached = probe.outcome is ProbeOutcome.BREACHED
        self.probed += 1
        self.breached += breached
        self.mended += breached and probe.mended is not None
        self.undecided += probe.outcome is ProbeOutcome.UNDECIDED

    @property
    def open(self) -> int:
        """Got through, and nothing stops it yet."""
        return self.breached - self.mended

    @property
    def shown(self) -> str:
        """Probed, got through, mended."""
        return f"{self.probed} · {self.breached} · {self.mended}"

    def as_json(self) -> dict[str, int]:
        """By name."""
        return {n: getattr(self, n) for n in ("probed", "breached", "mended", "undecided")}


@dataclass(frozen=True, slots=True)
class Coverage:
    """What some probes covered."""

    cells: dict[tuple[Hazard, Technique], Cell]
    families: dict[str, Cell]
    total: Cell
    mending: tuple[float, ...]
    """Seconds from each mended breach's answer to when the same attack was stopped."""

    @property
    def median_mending(self) -> float | None:
        """Half of the mended breaches took at most so many seconds."""
        return median(self.mending) if self.mending else None

    def as_json(self) -> dict[str, Any]:
        """For `--json`, the report and the console."""
        cells = [{"hazard": h.value, "technique": t.value, **c.as_json()} for (h, t), c in sorted(self.cells.items())]
        mending = {"median": self.median_mending, "longest": max(self.mending, default=None), "n": len(self.mending)}
        families = {name: cell.as_json() for name, cell in sorted(self.families.items())}
        return {**self.total.as_json(), "mitigation_seconds": mending, "families": families, "cells": cells}


def cover(probes: Iterable[Attempt]) -> Coverage:
    """Count probes."""
    cells: dict[tuple[Hazard, Technique], Cell] = {}
    families: dict[str, Cell] = {}
    total = Cell()
    mending = []
    for probe in probes:
        cells.setdefault((probe.hazard, probe.technique), Cell()).count(probe)
        families.setdefault(probe.family, Cell()).count(probe)
        total.count(probe)
        if probe.mended is not None:
            mending.append(probe.mended)
    return Coverage(cells, families, total, tuple(mending))
