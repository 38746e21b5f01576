"""A small line of columns for the terminal, in eighths of a character cell."""

from collections.abc import Sequence
from itertools import pairwise

_EIGHTHS = " ▁▂▃▄▅▆▇█"


def columns(values: Sequence[float], *, width: int = 64, height: int = 8, mark: float | None = None) -> list[str]:
    """Values in 0…1 as rows of text with a scale in per cent; `mark` is a level drawn where no column stands."""
    if not values:
        return []
    if width < 1 or height < 1:
        raise ValueError("a chart needs at least one column and one row")
    means = _squeezed(values, width)
    marked = None if mark is None else min(height - 1, int(mark * height))
    rows = []
    for row in reversed(range(height)):
        cells = ""
        for value in means:
            eighths = round(value * height * 8) - row * 8
            cell = _EIGHTHS[max(0, min(8, eighths))]
            cells += "╌" if cell == " " and row == marked else cell
        scale = f"{(row + 1) / height:4.0%}" if row % 2 else "    "
        rows.append(f"{scale} ┤{cells}")
    rows.append("     └" + "─" * len(means))
    return rows


def _squeezed(values: Sequence[float], width: int) -> list[float]:
    """At most `width` means of neighbours."""
    count = min(width, len(values))
    edges = [round(i * len(values) / count) for i in range(count + 1)]
    return [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
