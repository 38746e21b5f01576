"""What the demonstration shows: a live view on a terminal, plain lines elsewhere."""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sisf.cli.base import console, shown
from sisf.cli.chart import columns

if TYPE_CHECKING:
    from sisf.evaluation.demo.drive import Account, Screen
    from sisf.evaluation.demo.programme import Programme
    from sisf.evaluation.demo.stage import Stage
    from sisf.evaluation.outcomes import Sample

_LINE_EVERY = 50
_PROMPT_CHARS = 90
_FIRST = 10


def opening(programme: "Programme") -> None:
    """What is about to happen."""
    out = console(stderr=True)
    data = ", ".join(d.name for d in programme.datasets)
    model = "a scripted model that complies with everything, with harmless filler"
    if programme.answers:
        model = "the recorded answers of an unaligned Mistral-7B"
    out.print("SISF demonstration: an unprotected model, and a gateway that starts with no policy at all", style="bold")
    out.print(f"{programme.attacks} attacks and {len(programme.steps) - programme.attacks} honest requests ({data})")
    out.print(f"behind the gateway: {model}; judge and synthesiser: the local ones, no key and no network", style="dim")
    out.print("starting (the first time, the packaged embedder is converted once) …", style="dim")


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
    def __init__(self, out: Any) -> None:
        self._out = out

    def show(self, account: "Account") -> None:
        """One line every so many requests, while the loop is waited for, and at the end."""
        if account.open_jobs:
            self._out.print(f"the loop is still learning: {account.open_jobs} jobs left", soft_wrap=True)
            return
        if account.repeated:
            self._again(account)
            return
        if account.done % _LINE_EVERY and account.done != account.total:
            return
        self._out.print(
            f"{account.done:>5} of {account.total} requests · ASR of the last {min(50, len(account.attacks))} attacks "
            f"{account.recent_asr():.0%} · {account.breaches} breaches · {account.policies} policies · "
            f"{account.blocked} of {len(account.benign)} honest requests blocked",
            soft_wrap=True,
        )

    def _again(self, account: "Account") -> None:
        if account.repeated == 1:
            self._out.print("everything again at the final revision …", soft_wrap=True)
        if account.repeated == account.total:
            self._out.print(
                f"{_stopped(account.final)} attacks and {_stopped(account.final_benign)} honest requests are stopped",
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
        figures = Table.grid(padding=(0, 3))
        figures.add_row(
            _figure(
                "ASR, last 50 attacks", f"{account.recent_asr():.0%}", "red" if account.recent_asr() > 0.5 else "green"
            ),
            _figure("breaches found", str(account.breaches), "yellow"),
            _figure("policies in force", str(account.policies), "cyan"),
            _figure(
                "honest blocked", f"{account.blocked} of {len(account.benign)}", "red" if account.blocked else "green"
            ),
        )
        newest = Text("none yet", style="dim")
        if account.newest is not None:
            policy = account.newest
            newest = Text(f"{policy.kind} on the {policy.direction}, {policy.hazard.label}: ", style="cyan")
            newest.append(shown(policy.description), style="default")
        chart = Text("\n".join(columns(_curve(account), height=6)), style="red")
        what = "sending again  " if account.repeated else "now sending    "
        if account.open_jobs:
            what = f"learning, {account.open_jobs} left  "
        body = Group(
            ProgressBar(total=2 * account.total, completed=account.done + account.repeated, width=72),
            Text(""),
            figures,
            Text(""),
            Text("of the last 50 attacks, those that met no policy", style="dim"),
            chart,
            Text(""),
            Text.assemble(("newest policy  ", "dim"), newest),
            Text.assemble(
                (what, "dim"),
                (_short(account.last_prompt), "default"),
            ),
        )
        title = f"client → gateway {self._stage.url} → model {self._stage.upstream}"
        return Panel(body, title=Text(title), title_align="left", border_style="dim", padding=(1, 2))


def closing(account: "Account", summary: dict[str, Any], out: Path) -> None:
    """What happened, where it is kept, and what to try next."""
    from sisf.evaluation.report.words import rate_text
    from sisf.statistics import clopper_pearson

    screen = console()
    n = summary["attacks"]
    screen.print("\nAttacks that met no policy, of the last 50:", style="bold")
    for row in columns(_curve(account)):
        screen.print(row, soft_wrap=True)
    middle = max(12, min(64, n) - 6)
    screen.print(f"      1{'attacks sent':^{middle}}{n:>5}", style="dim")
    table = Table.grid(padding=(0, 2))
    table.add_row("prompt-side Warden ASR", rate_text(summary["warden_asr_prompt"]), "")
    table.add_row("Warden ASR", rate_text(summary["warden_asr"]), "with policies on answers")
    first = account.attacks[:_FIRST]
    got = sum(s.beat_warden for s in first) / len(first)
    table.add_row("last 50 attacks", f"{account.recent_asr():.0%}", f"the first {len(first)}: {got:.0%}")
    policies = summary["policies"]
    table.add_row("policies in force", f"{policies['final']:g}", f"from {summary['breaches']:g} breaches")
    blocked, sent = account.blocked, len(account.benign)
    upper = clopper_pearson(blocked, sent)[1]
    table.add_row("honest requests blocked", f"{blocked} of {sent}", f"95 % sure: under {upper:.2%}")
    if account.undecided:
        table.add_row("waiting for a person", str(account.undecided), "attacks whose answers no judge could decide on")
    if account.learning_ms:
        middle = sorted(account.learning_ms)[len(account.learning_ms) // 2]
        table.add_row("from breach to enforced", f"{middle:,.0f} ms", "median")
    judged = summary["judge_agreement"]
    if judged["n"]:
        agreed = f"{judged['agreed']} of {judged['n']}"
        table.add_row("judge agreed with labels", agreed, f"{judged['rate']:.1%} of the answers to attacks it judged")
    table.add_row("time", f"{summary['seconds']:.0f} s", "")
    screen.print()
    screen.print(table)
    screen.print("\nEverything again at the final revision:", style="bold")
    screen.print(f"  attacks stopped          {_stopped(account.final)}", soft_wrap=True)
    screen.print(f"  honest requests stopped  {_stopped(account.final_benign)}", soft_wrap=True)
    store = f"--store sqlite:///{out / 'demo.db'}"
    screen.print("\nLook at what it learned:", style="bold")
    for line in (
        f"  open {out / 'report.html'}        (learning_curve.png, summary.json, outcomes.jsonl beside it)",
        f"  sisf policy list {store}",
        f"  sisf breach list {store}",
        f"  sisf check {shlex.quote(shown(account.stopped_prompt))} {store}",
    ):
        screen.print(line, soft_wrap=True)
    screen.print("Put it in front of a model:", style="bold")
    screen.print("  sisf serve --upstream http://127.0.0.1:8000/v1", soft_wrap=True)
    screen.print("Measure it by the paper's protocol:", style="bold")
    screen.print("  sisf evaluate learn --attacks sample_attacks --benign sample_benign --out results", soft_wrap=True)
    screen.print(
        f"\nKept: requests, answers, verdicts and policies of this demonstration, in {out}/ only. Nothing left this "
        f"machine; delete the folder and it is gone.",
        style="dim",
    )


def _curve(account: "Account") -> list[float]:
    from sisf.statistics import rolling_share

    return rolling_share([s.beat_warden for s in account.attacks], 50)


def _stopped(samples: "Sequence[Sample]") -> str:
    return f"{sum(s.intercepted for s in samples)} of {len(samples)}"


def _figure(title: str, value: str, style: str) -> Text:
    return Text.assemble((f"{value}\n", f"bold {style}"), (title, "dim"))


def _short(prompt: str) -> str:
    flat = shown(" ".join(prompt.split()))
    return flat if len(flat) <= _PROMPT_CHARS else flat[: _PROMPT_CHARS - 1] + "…"
