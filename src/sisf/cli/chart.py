"""Small charts of columns for the terminal, in eighths of a character cell."""

from collections.abc import Sequence
from itertools import pairwise

_EIGHTHS = " ▁▂▃▄▅▆▇█"


def columns(values: Sequence[float], *, width: int = 64, height: int = 8, scale: bool = True) -> list[str]:
    """Values in 0…1 as rows of text, with a scale in per cent unless `scale` is false."""
    if not values:
        return []
    if width < 1 or height < 1:
        raise ValueError("a chart needs at least one column and one row")
    means = _squeezed(values, width)
    rows = []
    for row in reversed(range(height)):
        eighths = (round(value * height * 8) - row * 8 for value in means)
        cells = "".join(_EIGHTHS[max(0, min(8, count))] for count in eighths)
        share = f"{(row + 1) / height:4.0%}" if row % 2 else "    "
        rows.append(f"{share if scale else ''} ┤{cells}")
    rows.append(f"{'    ' if scale else ''} └" + "─" * len(means))
    return rows


def _squeezed(values: Sequence[float], width: int) -> list[float]:
    """At most `width` means of neighbours."""
    count = min(width, len(values))
    edges = [round(i * len(values) / count) for i in range(count + 1)]
    return [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
