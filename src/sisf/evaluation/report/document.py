"""One self-contained `report.html` for any protocol: cards, plots, tables. Data sets are hostile: all is escaped."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field

from sisf.evaluation.report.plots import Plot

_EXCERPT = 220


@dataclass(frozen=True, slots=True)
class Card:
    """One figure at the top of the page."""

    title: str
    value: str
    detail: str = ""
    tone: str = "plain"
    """`good`, `bad` or `plain`."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table; cells are plain text. Columns whose header starts with `#` are right-aligned figures."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    folded: bool = False
    """Whether the reader has to open it."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a report shows, in this order."""

    title: str
    lead: str
    cards: Sequence[Card] = ()
    plots: Sequence[Plot] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = field(default_factory=tuple)
    """How to read it."""
    limits: Sequence[str] = field(default_factory=tuple)
    """What the figures do not show."""


def excerpt(text: str, length: int = _EXCERPT) -> str:
    """The start of a hostile text on one line, control characters made visible."""
    flat = "".join(c if c.isprintable() else " " for c in " ".join(text.split()))
    return flat if len(flat) <= length else flat[: length - 1].rstrip() + "…"


def render(page: Page) -> str:
    """The page as HTML. It loads nothing, runs nothing, and every text is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("sisf.evaluation.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["inlined"] = lambda picture: base64.b64encode(picture).decode()
    return environment.get_template("report.html").render(page=page)
