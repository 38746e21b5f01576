"""The tables of a report as Markdown and as LaTeX. Data sets are hostile: what has a meaning in either is escaped."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from sisf.errors import ConfigurationError
from sisf.evaluation.report.document import Page, Table

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~!&])")
_LATEX = MappingProxyType(
    {
        "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%",
        "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "…": r"\dots{}",
        "≤": r"$\le$", "·": r"$\cdot$", "→": r"$\to$", "×": r"$\times$", "<": r"\textless{}", ">": r"\textgreater{}",
        "|": r"\textbar{}", '"': r"\textquotedbl{}",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Format:
    """One way to write the tables of a page."""

    file: str
    render: Callable[[Page], str]


def formats_of(given: str) -> Sequence[str]:
    """Names of formats, separated by commas. Raises `ConfigurationError`."""
    names = [name.strip() for name in given.split(",") if name.strip()]
    unknown = [name for name in names if name not in FORMATS]
    if unknown:
        raise ConfigurationError(f"--format {unknown[0]}: must be of {', '.join(FORMATS)}")
    return names


def markdown(page: Page) -> str:
    """All of the page but its plots, which lie beside it."""
    parts = [f"# {_md(page.title)}", _md(page.lead)]
    if page.cards:
        parts.append("\n".join(f"- **{_md(c.title)}**: {_md(c.value)} ({_md(c.detail)})" for c in page.cards))
    parts += [f"![{_md(plot.title)}]({plot.name}.png)" for plot in page.plots]
    parts += [_markdown_table(table) for table in page.tables]
    for title, lines in (("What these figures do not show", page.limits), ("How to read this", page.notes)):
        if lines:
            parts.append(f"## {title}\n\n" + "\n".join(f"- {_md(line)}" for line in lines))
    return "\n\n".join(parts)


def latex(page: Page) -> str:
    """The open tables, each a `table` of its own, for `booktabs`."""
    head = f"% {_one_line(page.title)}\n% {_one_line(page.lead)}\n% Needs \\usepackage{{booktabs}}."
    return "\n\n".join([head, *(_latex_table(table) for table in page.tables if not table.folded)])


FORMATS: Mapping[str, Format] = MappingProxyType(
    {"markdown": Format("report.md", markdown), "latex": Format("tables.tex", latex)}
)


def _markdown_table(table: Table) -> str:
    heads = [_md(cell.removeprefix("#")) for cell in table.header]
    marks = ["---:" if cell.startswith("#") else "---" for cell in table.header]
    rows = [[_md(cell) for cell in row] for row in table.rows] or [["none", *[""] * (len(heads) - 1)]]
    lines = [f"| {' | '.join(cells)} |" for cells in (heads, marks, *rows)]
    note = f"\n\n{_md(table.note)}" if table.note else ""
    return f"## {_md(table.title)}\n\n" + "\n".join(lines) + note


def _latex_table(table: Table) -> str:
    columns = "".join("r" if cell.startswith("#") else "l" for cell in table.header)
    heads = " & ".join(_tex(cell.removeprefix("#")) for cell in table.header)
    rows = "\n".join(" & ".join(_tex(cell) for cell in row) + r" \\" for row in table.rows)
    caption = _tex(f"{table.title}. {table.note}" if table.note else table.title)
    return (
        f"\\begin{{table}}\n\\centering\n\\caption{{{caption}}}\n\\begin{{tabular}}{{{columns}}}\n\\toprule\n"
        f"{heads} \\\\\n\\midrule\n{rows}\n\\bottomrule\n\\end{{tabular}}\n\\end{{table}}"
    )


def _md(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", _one_line(text))


def _tex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in _one_line(text))


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))
