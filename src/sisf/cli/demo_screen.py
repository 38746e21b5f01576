"""What the demonstration shows while it runs: a live view on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sisf.cli.base import console, excerpt, shown
from sisf.cli.chart import columns
from sisf.errors import counted

if TYPE_CHECKING:
    from sisf.evaluation.demo.account import Account, Traffic
    from sisf.evaluation.demo.drive import Screen
    from sisf.evaluation.demo.programme import Programme
    from sisf.evaluation.demo.stage import Stage
    from sisf.evaluation.outcomes import Sample

LABELS = {"none": "no defence", "paper-warden": "the paper's mechanism", "sisf": "SISF"}
"""The designs from left to right."""
_STYLES = {"none": "red", "paper-warden": "yellow", "sisf": "green"}
_LINE_EVERY = 50
_LEARNING_SECONDS = 30
"""Between two lines that say that the loop is waited for: on a slow machine it is at every request."""
PROMPT_CHARS = 90
_CHART = 24


def opening(programme: "Programme") -> None:
    """What is about to happen."""
    out = console(stderr=True)
    data = ", ".join(d.name for d in programme.datasets)
    model = "a scripted model that complies with everything, with harmless filler"
    if programme.answers:
        model = "the recorded answers of an unaligned Mistral-7B"
    honest = len(programme.steps) - programme.attacks
    lines = (
        f"{programme.attacks} attacks and {honest} honest requests ({data}) go to one model on three ways: past "
        "nothing, past the paper's mechanism, and past SISF; both learn from no policy at all",
        f"the model: {model}; judge and synthesiser: the local ones, no key and no network",
        "starting (the first time, models are converted once) …",
    )
    out.print("SISF demonstration: an unprotected model, and what stands in front of it", style="bold")
    for line in lines:
        out.print(line, style="dim")


@contextmanager
def screen(stage: "Stage") -> "Iterator[Screen]":
    """The live view where there is a terminal, else a line now and then."""
    out = console(stderr=True)
    if not out.is_terminal:
        yield _Lines(out)
        return
    with Live(console=out, refresh_per_second=8, transient=True) as live:
        yield _View(live, stage)


class _Lines:
    def __init__(self, out: Console) -> None:
        self._out = out
        self._silent_until = 0.0

    def show(self, account: "Account") -> None:
        """One line every so many requests, while the loop is waited for, and at the end."""
        if account.open_jobs:
            if time.monotonic() >= self._silent_until:
                left = counted(account.open_jobs, "job")
                self._out.print(f"the loop is still learning: {left} to be done", soft_wrap=True)
                self._silent_until = time.monotonic() + _LEARNING_SECONDS
            return
        if account.after_person:
            if account.after_person == 1:
                told = "what waited for a person is answered by the data set's labels; everything once more …"
                self._out.print(told, soft_wrap=True)
            return
        if account.repeated:
            self._again(account)
            return
        if account.done % _LINE_EVERY and account.done != account.total:
            return
        shares = " · ".join(f"{LABELS[n]} {t.recent_asr():.0%}" for n, t in _in_order(account))
        sisf = account.sisf
        self._out.print(
            f"{account.done:>5} of {account.total} requests · of the last {min(50, len(sisf.attacks))} attacks met no "
            f"policy: {shares} · {counted(sisf.policies, 'policy')} · {sisf.blocked} of {len(sisf.benign)} honest "
            "requests blocked",
            soft_wrap=True,
        )

    def _again(self, account: "Account") -> None:
        if account.repeated == 1:
            self._out.print("everything again at the final revision …", soft_wrap=True)
        if account.repeated == account.total:
            sisf = account.sisf
            self._out.print(
                f"{stopped(sisf.final)} attacks and {stopped(sisf.final_benign)} honest requests are stopped",
                soft_wrap=True,
            )


class _View:
    def __init__(self, live: Live, stage: "Stage") -> None:
        self._live = live
        self._stage = stage

    def show(self, account: "Account") -> None:
        """Draw the account; the live view shows it when it is next refreshed."""
        self._live.update(self._drawn(account))

    def _drawn(self, account: "Account") -> Panel:
        sisf = account.sisf
        figures = Table.grid(padding=(0, 3))
        figures.add_row(
            _figure("breaches found", str(sisf.breaches), "yellow"),
            _figure("policies in force", str(sisf.policies), "cyan"),
            _figure("honest blocked", f"{sisf.blocked} of {len(sisf.benign)}", "red" if sisf.blocked else "green"),
            _figure("wait for a person", str(sisf.undecided), "yellow" if sisf.undecided else "green"),
        )
        newest = Text("none yet", style="dim")
        if sisf.newest is not None:
            policy = sisf.newest
            newest = Text(f"{policy.kind} on the {policy.direction}, {policy.hazard.label}: ", style="cyan")
            newest.append(shown(policy.description), style="default")
        what = "sending again  " if account.repeated else "now sending    "
        if account.open_jobs:
            what = f"learning, {account.open_jobs} left  "
        body = Group(
            ProgressBar(
                total=3 * account.total, completed=account.done + account.repeated + account.after_person, width=72
            ),
            Text(""),
            Text("of the last 50 attacks, those that met no policy", style="dim"),
            curves(account, height=6),
            Text(""),
            figures,
            Text(""),
            Text.assemble(("newest policy  ", "dim"), newest),
            Text.assemble((what, "dim"), (excerpt(account.last_prompt, PROMPT_CHARS), "default")),
        )
        title = f"client → gateway {self._stage.url} → model {self._stage.upstream}"
        return Panel(body, title=Text(title), title_align="left", border_style="dim", padding=(1, 2))


def curves(account: "Account", *, height: int = 8) -> Table:
    """The designs' curves side by side, each under its name and its last value."""
    table = Table.grid(padding=(0, 2))
    titles: list[Text] = []
    charts: list[Text] = []
    for name, traffic in _in_order(account):
        first = not charts
        title = Text(f"{'     ' if first else ' '}{LABELS[name]} ", style="bold")
        titles.append(title.append(f"{traffic.recent_asr():.0%}", style=_STYLES[name]))
        rows = columns(curve(traffic), width=_CHART, height=height, scale=first)
        charts.append(Text("\n".join(rows), style=_STYLES[name], no_wrap=True))
    table.add_row(*titles)
    table.add_row(*charts)
    return table


def curve(traffic: "Traffic") -> list[float]:
    """Of the last 50 attacks, the share that met no policy, after each attack."""
    from sisf.statistics import rolling_share

    return rolling_share([s.beat_warden for s in traffic.attacks], 50)


def stopped(samples: "Sequence[Sample]") -> str:
    """How many were stopped."""
    return f"{sum(s.intercepted for s in samples)} of {len(samples)}"


def _in_order(account: "Account") -> "list[tuple[str, Traffic]]":
    return [(name, account.traffic[name]) for name in LABELS]


def _figure(title: str, value: str, style: str) -> Text:
    return Text.assemble((f"{value}\n", f"bold {style}"), (title, "dim"))


def row(table: Table, *cells: Any) -> None:
    """A row of plain texts."""
    table.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in cells))
