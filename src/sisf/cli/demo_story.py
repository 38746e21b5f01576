"""What the demonstration says at the end: figures side by side, one breach told, and what to try next."""

import shlex
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sisf.cli.base import console, excerpt, shown
from sisf.cli.demo_screen import LABELS, PROMPT_CHARS, curves, row, stopped
from sisf.errors import counted

if TYPE_CHECKING:
    from sisf.evaluation.demo.account import Account
    from sisf.evaluation.demo.programme import Programme
    from sisf.evaluation.demo.story import Story

_PAPER = "The paper's own figure on these 520 attacks: 45.58 % (237), with GPT-4o as judge."
_NAMED = 10


def closing(
    account: "Account",
    programme: "Programme",
    story: "Story | None",
    summary: dict[str, Any],
    out: Path,
    *,
    queue: str = "",
) -> None:
    """What happened, where it is kept, and what to try next. `queue`: where the console lists what waits for a person,
    while it is up."""
    screen = console()
    screen.print("\nOf the last 50 attacks, those that met no policy:", style="bold")
    screen.print(curves(account), soft_wrap=True)
    screen.print(
        f"     from the first attack that was sent to the last, number {len(account.sisf.attacks)}\n", style="dim"
    )
    _side_by_side(screen, account, summary)
    _about_the_paper(screen, summary)
    _measured(screen, account, summary)
    if account.by_person:
        _answered(screen, account)
    elif account.sisf.undecided:
        _waiting(screen, account, out, queue)
    if story is not None:
        _told(screen, story)
    _named(screen, account, programme)
    _next(screen, account, programme, out)


def _side_by_side(screen: Console, account: "Account", summary: dict[str, Any]) -> None:
    designs = {"sisf": summary, **summary["baselines"]}
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    table.add_column("")
    for label in LABELS.values():
        table.add_column(label, justify="right")
    first = {name: _share(designs[name]["warden_asr"]) for name in LABELS}
    row(table, "attacks that met no policy", *first.values())
    row(table, "the last 50 of them", *(f"{account.traffic[name].recent_asr():.0%}" for name in LABELS))
    row(table, "honest requests blocked", *(_blocked(account, name) for name in LABELS))
    row(table, "policies in force", *(f"{designs[name]['policies']['final']:g}" for name in LABELS))
    row(table, Text("everything again at the end:", style="dim"), "", "", "")
    row(table, "  attacks stopped", *(stopped(account.traffic[name].final) for name in LABELS))
    row(table, "  honest requests stopped", *(stopped(account.traffic[name].final_benign) for name in LABELS))
    screen.print(table)


def _share(rate: dict[str, Any]) -> str:
    return f"{rate['mean']:.1%} ({sum(rate['counts'])})"


def _blocked(account: "Account", name: str) -> str:
    traffic = account.traffic[name]
    return f"{traffic.blocked} of {len(traffic.benign)}"


def _about_the_paper(screen: Console, summary: dict[str, Any]) -> None:
    """The paper's figure stands beside its own attacks only."""
    sets = {d["name"] for d in summary["datasets"]}
    if "advbench" in sets and summary["attacks"] == 520:
        screen.print(f"\n{_PAPER}", style="dim", soft_wrap=True)
        return
    which = "some of AdvBench's 520 attacks" if "advbench" in sets else "not AdvBench's attacks"
    screen.print(
        f"\nThese are {which}: the paper's published figure belongs beside all of those. What its mechanism does on "
        "the same traffic stands in the middle.",
        style="dim",
        soft_wrap=True,
    )


def _measured(screen: Console, account: "Account", summary: dict[str, Any]) -> None:
    from sisf.evaluation.report.words import rate_text
    from sisf.statistics import clopper_pearson

    table = Table.grid(padding=(0, 2))
    row(
        table, "prompt-side Warden ASR", rate_text(summary["warden_asr_prompt"]), "95 % interval; prompt policies alone"
    )
    row(table, "Warden ASR", rate_text(summary["warden_asr"]), "with policies on answers")
    upper = clopper_pearson(account.sisf.blocked, len(account.sisf.benign))[1]
    row(table, "honest requests blocked", _blocked(account, "sisf"), f"95 % sure: under {upper:.2%}")
    row(table, "breaches found", f"{summary['breaches']:g}", "what the policies were learned from")
    if account.learning_ms:
        row(table, "from breach to enforced", f"{median(account.learning_ms):,.0f} ms", "median")
    judged = summary["judge_agreement"]
    if judged["n"]:
        agreed = f"{judged['agreed']} of {judged['n']}"
        row(table, "judge agreed with labels", agreed, f"{judged['rate']:.1%} of the answers to attacks it judged")
    row(table, "time", f"{summary['seconds']:.0f} s", "")
    screen.print("\nSISF:", style="bold")
    screen.print(table)


def _waiting(screen: Console, account: "Account", out: Path, queue: str) -> None:
    count = account.sisf.undecided
    screen.print(f"\nWaiting for a person: {count}", style="bold")
    screen.print("  answers to attacks that the judge could not decide on; nothing is learned from them until you do.")
    if queue:
        screen.print(f"  decide in the console: {queue}", soft_wrap=True)
        return
    screen.print(f"  sisf breach list --outcome undecided {_store(out)}", soft_wrap=True)
    screen.print("  or in the console: sisf demo --serve", soft_wrap=True)


def _answered(screen: Console, account: "Account") -> None:
    """A person's turn. Nothing of it is in the figures above."""
    sisf = account.sisf
    screen.print(f"\nWhat waited for a person: {account.by_person}", style="bold")
    lines = (
        f"answers that the judge could not decide on ({sisf.undecided} to attacks), and breaches that one judge alone "
        "calls one.",
        "Here the data set's labels answered in your place, and the loop learned from that. Sent once more:",
    )
    for line in lines:
        screen.print(f"  {line}", soft_wrap=True)
    screen.print(
        f"  {stopped(sisf.answered)} attacks and {stopped(sisf.answered_benign)} honest requests are stopped, by "
        f"{counted(sisf.policies, 'policy')}",
        style="green",
        soft_wrap=True,
    )
    screen.print("  decide yourself, in the console: sisf demo --serve", soft_wrap=True)


def _told(screen: Console, story: "Story") -> None:
    """From request to verdict to policy, and what it did later."""
    screen.print("\nOne breach, from the request to the policy:", style="bold")
    verdict, policy = story.verdict, story.policy
    table = Table.grid(padding=(0, 2))
    row(table, "  the request", excerpt(story.request, 110))
    row(table, "  the model", excerpt(story.answer, 110))
    said = f"{verdict.outcome.value}: {verdict.hazard.label} ({verdict.confidence:.0%} sure, {verdict.judge})"
    row(table, "  the verdict", Text(said, style="red"))
    if verdict.rationale:
        row(table, "", excerpt(verdict.rationale, 110))
    row(table, "  the policy", Text(excerpt(f"{policy.kind}: {policy.description}", 110), style="cyan"))
    if policy.gate_report is not None and policy.gate_report.benign_total:
        row(table, "  the gate", excerpt(policy.gate_report.harm(), 140))
    if story.paraphrase is not None:
        echo = story.paraphrase
        row(table, "  in other words", excerpt(echo.text, 110))
        row(table, "", Text(f"stopped, {echo.later} requests later (alike: {echo.likeness:.2f})", style="green"))
    if story.twin is not None:
        row(table, "  an honest twin", excerpt(story.twin.text, 110))
        row(table, "", Text(f"passes, then and at the end (alike: {story.twin.likeness:.2f})", style="green"))
    screen.print(table)


def _named(screen: Console, account: "Account", programme: "Programme") -> None:
    """Every honest request that is stopped at the end, by name."""
    sisf = account.sisf
    blocked = {(s.dataset, s.id): s for s in (*sisf.final_benign, *sisf.answered_benign) if s.intercepted}
    if not blocked:
        return
    screen.print("\nHonest requests that are stopped at the end:", style="bold")
    texts = {(step.dataset, step.record.id): step.record.prompt for step in programme.steps}
    for key, sample in list(blocked.items())[:_NAMED]:
        screen.print(f"  {sample.id}  {excerpt(texts[key], PROMPT_CHARS)}", soft_wrap=True)
    if len(blocked) > _NAMED:
        screen.print(f"  and {len(blocked) - _NAMED} more, in the report", soft_wrap=True)


def _next(screen: Console, account: "Account", programme: "Programme", out: Path) -> None:
    attack = shlex.quote(shown(account.stopped_prompt))
    lines = [
        f"  open {out / 'report.html'}        (learning_curve.png, summary.json, outcomes.jsonl beside it)",
        f"  sisf check {attack} {_store(out)}",
        f"  sisf policy list {_store(out)}",
        f"  sisf breach list {_store(out)}",
    ]
    screen.print("\nLook at what it learned:", style="bold")
    for line in lines:
        screen.print(line, soft_wrap=True)
    if programme.shipped:
        screen.print("On the paper's attacks, fetched once:", style="bold")
        screen.print("  sisf demo --data advbench", soft_wrap=True)
    screen.print("Put it in front of a model:", style="bold")
    screen.print("  sisf serve --upstream http://127.0.0.1:8000/v1", soft_wrap=True)
    screen.print("Measure it by the paper's protocol:", style="bold")
    screen.print("  sisf evaluate learn --attacks sample_attacks --benign sample_benign --out results", soft_wrap=True)
    screen.print(
        f"\nKept: requests, answers, verdicts and policies of this demonstration, in {out}/ only. Nothing left this "
        f"machine; delete the folder and it is gone.",
        style="dim",
        soft_wrap=True,
    )


def _store(out: Path) -> str:
    return f"--store sqlite:///{out / 'demo.db'}"
