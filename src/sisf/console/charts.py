"""One chart, drawn as SVG on the server: the pages run no script."""

from collections.abc import Sequence
from dataclasses import dataclass

from sisf.store.figures import Tally

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
    """`stopped`, `withheld` or `breached`."""
    title: str


def columns(tallies: Sequence[Tally]) -> list[Bar]:
    """What became of the attacks of each run, one column each, breaches at the bottom."""
    highest = max((tally.attacks for tally in tallies), default=0)
    if not highest:
        return []
    step, unit = WIDTH / len(tallies), HEIGHT / highest
    bars = []
    for place, tally in enumerate(tallies):
        title = (
            f"{tally.since:%Y-%m-%d %H:%M:%S} UTC: {tally.attacks} attacks, {tally.intercepted} stopped, "
            f"{tally.withheld} withheld, {tally.breached} got through"
        )
        base = float(HEIGHT)
        counts = (("breached", tally.breached), ("withheld", tally.withheld), ("stopped", tally.intercepted))
        for kind, count in counts:
            base -= count * unit
            if count:
                x, width = (place + _GAP / 2) * step, step * (1 - _GAP)
                bars.append(Bar(round(x, 2), round(base, 2), round(width, 2), round(count * unit, 2), kind, title))
    return bars
