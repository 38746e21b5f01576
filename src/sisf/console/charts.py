"""One chart, drawn as SVG on the server: the pages run no script."""

from collections.abc import Sequence
from dataclasses import dataclass

from sisf.errors import counted
from sisf.store.figures import Standing
from sisf.store.records import RevisionRow

WIDTH, HEIGHT = 720, 150
_GAP = 0.25


@dataclass(frozen=True, slots=True)
class Bar:
    """One piece of a column, in the chart's own units."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    """`stopped`, `withheld`, `open` or `breached`."""
    title: str


@dataclass(frozen=True, slots=True)
class Mark:
    """Where the policy set changed."""

    x: float
    title: str


def columns(runs: Sequence[Standing]) -> list[Bar]:
    """What became of the attacks of each run, and what is not known to be one, breaches at the bottom."""
    highest = max((run.breaches + run.open + run.withheld + run.stopped for run in runs), default=0)
    if not highest:
        return []
    step, unit = WIDTH / len(runs), HEIGHT / highest
    bars = []
    for place, run in enumerate(runs):
        title = (
            f"{run.since:%Y-%m-%d %H:%M:%S} UTC, {counted(run.exchanges, 'exchange')}: "
            f"{run.stopped} stopped by policies, "
            f"{run.withheld} withheld, {run.breaches} got through, {run.open} undecided or not judged yet"
        )
        base = float(HEIGHT)
        counts = (("breached", run.breaches), ("open", run.open), ("withheld", run.withheld), ("stopped", run.stopped))
        for kind, count in counts:
            base -= count * unit
            if count:
                x, width = (place + _GAP / 2) * step, step * (1 - _GAP)
                bars.append(Bar(round(x, 2), round(base, 2), round(width, 2), round(count * unit, 2), kind, title))
    return bars


def marks(runs: Sequence[Standing], revisions: Sequence[RevisionRow]) -> list[Mark]:
    """Where in the chart the policy set changed; several in one run are one mark."""
    step = WIDTH / len(runs) if runs else 0.0
    found = []
    for place, run in enumerate(runs):
        until = runs[place + 1].since if place + 1 < len(runs) else run.until
        within = [row.number for row in revisions if run.since <= row.time < until]
        if within:
            which = f"revision {within[-1]}" if len(within) == 1 else f"revisions {within[-1]} to {within[0]}"
            found.append(Mark(round((place + 0.5) * step, 2), which))
    return found
