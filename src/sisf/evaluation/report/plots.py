"""The plots of a report, drawn with matplotlib, each as PNG and SVG."""

import io
import re
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from sisf.evaluation.experiment import SYSTEM

INK, MUTED, _GRID, PAPER = "#1c2330", "#667085", "#e7eaf0", "#c2410c"
COLOURS = {
    SYSTEM: "#1d4ed8",
    "paper-warden": "#b45309",
    "keyword-filter": "#7c3aed",
    "none": "#9ca3af",
    "guard": "#0f766e",
    "sisf-alone": "#0891b2",
}
INK_ON_COLOUR = "#111827"
"""Of text on coloured ground, which is the same in the dark."""
_IN_THE_DARK = {
    INK: "#e6e9ef", MUTED: "#9aa4b5", _GRID: "#2b3342", PAPER: "#fb923c", "#ffffff": "#161b24",
    "#1d4ed8": "#7aa2ff", "#b45309": "#f5a524", "#7c3aed": "#b197fc", "#0f766e": "#2dd4bf", "#0891b2": "#22d3ee",
    "#4d7c0f": "#a3e635", "#be123c": "#fb7185",
}  # fmt: skip
_LABELS = {
    SYSTEM: "SISF",
    "paper-warden": "the paper's mechanism",
    "keyword-filter": "keyword filter",
    "none": "no defence",
    "guard": "the guard alone",
    "sisf-alone": "SISF alone",
}
_COLOUR = re.compile("#[0-9a-f]{6}")
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titlepad": 14,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _GRID,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "text.color": INK,
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "sisf",
}


@dataclass(frozen=True, slots=True)
class Plot:
    """One picture."""

    name: str
    title: str
    png: bytes
    svg: bytes

    @property
    def dark(self) -> bytes:
        """The SVG for a dark screen: every colour of the house style has its counterpart."""
        return _COLOUR.sub(lambda found: _IN_THE_DARK.get(found[0], found[0]), self.svg.decode()).encode()


def label_of(design: str) -> str:
    """A design in words."""
    return _LABELS.get(design, design)


def draw(name: str, title: str, painter: Any, data: Any, *, size: tuple[float, float] = (8.4, 4.6)) -> Plot:
    """Draw with `painter(axes, data)` in the house style."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained", facecolor="white")
        axes = figure.add_subplot()
        painter(axes, data)
        axes.set_title(title)
        return Plot(name, title, _render(figure, "png"), _render(figure, "svg"))


def _render(figure: Figure, kind: str) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
    return buffer.getvalue()
