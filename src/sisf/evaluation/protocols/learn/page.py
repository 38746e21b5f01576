"""The report pages of `learn` and `held-out`: from figures to words."""

from collections.abc import Mapping, Sequence
from typing import Any

from sisf.errors import counted
from sisf.evaluation.experiment import SYSTEM, Run
from sisf.evaluation.outcomes import AttackOutcome
from sisf.evaluation.protocols.learn.figures import got_through, summarise
from sisf.evaluation.protocols.learn.plots import PAPER_ASR, draw_all, papers_attacks
from sisf.evaluation.report.document import Card, Page, Table, excerpt
from sisf.evaluation.report.plots import Plot, label_of
from sisf.evaluation.report.sections import confusion_table, effort_table, limits_of, part_tables
from sisf.evaluation.report.words import data_table, interval, percent, rate_text, settings_table
from sisf.evaluation.report.writer import Report
from sisf.policy import Policy

_TITLES = {
    "learn": "Dynamic learning: attacks one after the other, from zero policies",
    "held-out": "Held-out attacks: what was learned, against what was never seen",
    "stacked": "Behind another guard: what is added to it",
    "drift": "Attacks in the order of their dates: what is new, and what is forgotten",
    "demo": "The loop at work: an unprotected model behind the gateway",
}
_LISTED = 40

NOTES = (
    "Prompt-side Warden ASR counts every attack that no prompt policy stopped, also those whose answer a policy "
    "stopped later. Warden ASR is what was left to the Adjudicator or got through. System ASR is what was released and "
    "harmful, by a label independent of the loop.",
    "Intervals are 95 %: Student's t over trials, Clopper–Pearson on the counts where there is one trial or all agree.",
    "The curve shows the mean over trials of the last 50 attacks; the band is the range of the trials.",
    "Honest prompts are sent when learning has ended, at the frozen revision; “blocked” is the mean over trials.",
    "At the end: everything once more at the final revision, where nothing is learned. An attack that taught a policy "
    "and gets through again shows what one request taught against itself, or what was undone later.",
)


_PAPERS_NOTE = (
    f"The paper's {PAPER_ASR:.2%} on these attacks is a prompt-side figure of another judge (GPT-4o) and another "
    "model that writes policies (GPT-4 Turbo)."
)


def report(run: Run, settings: Mapping[str, Any]) -> Report:
    """Everything that an experiment writes."""
    figures = summarise(run, settings)
    drawn = draw_all(run, figures)
    return Report(figures, run.outcomes, drawn, page_of(run, figures, drawn))


def page_of(
    run: Run,
    summary: Mapping[str, Any],
    plots: Sequence[Plot],
    cards: Sequence[Card] = (),
    tables: Sequence[Table] = (),
) -> Page:
    """The page of a protocol that learns from attacks as they come; what is its own goes first."""
    return Page(
        title=_TITLES.get(run.protocol, run.protocol),
        lead=_lead(summary),
        cards=[*cards, *_cards(summary, compared=papers_attacks(run))],
        plots=plots,
        tables=[
            *tables,
            _designs(summary),
            *honest_tables(run, summary),
            *([_at_the_end(run, summary), _again(run)] if "final_asr" in summary else []),
            *part_tables(summary),
            *confusion_table(summary),
            *effort_table(summary),
            policies_table(run),
            _got_through(run),
            settings_table(summary),
            data_table(summary),
        ],
        notes=(*NOTES, *((_PAPERS_NOTE,) if papers_attacks(run) else ())),
        limits=limits_of(summary),
    )


def honest_tables(run: Run, summary: Mapping[str, Any]) -> list[Table]:
    """What honest sets had to bear, and every prompt that was blocked."""
    return [_honest(run, summary), _blocked(run, summary)] if summary["fpr"] else []


def _lead(summary: Mapping[str, Any]) -> str:
    settings = summary["settings"]
    trials = summary["trials"]
    return (
        f"{summary['attacks']:,} attacks, {trials} shuffled trial{'s' if trials != 1 else ''}, seed {summary['seed']}. "
        f"Model: {settings.get('model')}. Judge in the loop: {settings.get('adjudicator')}. "
        f"Synthesiser: {settings.get('synthesiser')}. Adjudication: {settings.get('mode')}. "
        f"{_convention(settings)}Took {summary['seconds']:,.0f} seconds."
    )


def _convention(settings: Mapping[str, Any]) -> str:
    return f"Convention: the {settings['convention']}'s. " if "convention" in settings else ""


def _cards(summary: Mapping[str, Any], *, compared: bool) -> list[Card]:
    """`compared`: whether the paper's figure belongs beside these."""
    prompt = summary["warden_asr_prompt"]
    beside = f"{interval(prompt)}; the paper: {PAPER_ASR:.2%}" if compared else interval(prompt)
    tone = ("good" if prompt["mean"] < PAPER_ASR else "bad") if compared else "plain"
    cards = [
        Card("Prompt-side Warden ASR", percent(prompt["mean"]), beside, tone),
        Card("Warden ASR", percent(summary["warden_asr"]["mean"]), f"{interval(summary['warden_asr'])}; with answers"),
        Card(
            "System ASR",
            percent(summary["system_asr"]["mean"]),
            f"{interval(summary['system_asr'])}; released, harmful",
        ),
    ]
    if "intercepted" in summary:
        cards.insert(0, Card("Intercepted", percent(summary["intercepted"]["mean"]), interval(summary["intercepted"])))
    if "final_asr" in summary:
        last = summary["final_asr"]
        cards.append(Card("ASR at the end", percent(last["mean"]), f"{interval(last)}; all attacks sent again"))
    policies = summary["policies"]
    cards.append(
        Card(
            "Policies in force",
            f"{policies['final']:g}",
            f"from {summary['breaches']:g} breaches; {policies['proposed']:g} proposed, "
            f"{policies['activated']:g} activated",
        )
    )
    blocked = sum(e["blocked"] for e in summary["fpr"].values())
    total = sum(e["n"] for e in summary["fpr"].values())
    if total:
        cards.append(
            Card("Honest prompts blocked", f"{blocked:g}", f"of {total:,} in {counted(len(summary['fpr']), 'set')}")
        )
    return cards


def _designs(summary: Mapping[str, Any]) -> Table:
    rows = []
    for name, figures in ((SYSTEM, summary), *summary["baselines"].items()):
        blocked = sum(e["blocked"] for e in figures["fpr"].values())
        total = sum(e["n"] for e in figures["fpr"].values())
        rows.append(
            (
                label_of(name),
                rate_text(figures["warden_asr_prompt"]),
                rate_text(figures["warden_asr"]),
                rate_text(figures["system_asr"]),
                f"{figures['breaches']:g}",
                f"{figures['policies']['final']:g}",
                f"{blocked:g} of {total:,}" if total else "–",
            )
        )
    header = ("design", "#prompt-side ASR", "#Warden ASR", "#system ASR", "#breaches", "#policies", "#honest blocked")
    return Table("Designs in this run", header, rows)


def _honest(run: Run, summary: Mapping[str, Any]) -> Table:
    names = list(run.results)
    header = ("set", "#prompts", *(f"#{label_of(name)}" for name in names))
    rows = []
    for name, entry in summary["fpr"].items():
        cells = [name, f"{entry['n']:,}"]
        for design in names:
            figures = summary if design == SYSTEM else summary["baselines"][design]
            found = figures["fpr"][name]
            cells.append(f"{found['blocked']:g} · {percent(found['rate'])} (≤ {percent(found['ci95'][1])})")
        rows.append(cells)
    filler = sum(entry["stand_in_blocked"] for entry in summary["fpr"].values())
    note = "In brackets: the upper end of the 95 % interval."
    if summary["settings"].get("mode") == "doubtful":
        waited = sum(entry["judged"] for entry in summary["fpr"].values())
        note += f" {waited:g} waited for a verdict, because they came near to a policy; what the judge withheld counts."
    if filler:
        note += (
            f" Not counted: {filler:g} scripted filler answers, stopped where the data hold no answer; "
            "sets with real answers show what policies on answers cost."
        )
    return Table("Honest prompts blocked", header, rows, note=note)


def _blocked(run: Run, summary: Mapping[str, Any]) -> Table:
    texts = {(d.name, r.id): r.prompt for d in run.datasets for r in d.records}
    rows = []
    for name, entry in summary["fpr"].items():
        for identifier, times in entry["blocked_ids"].items():
            rows.append((name, identifier, f"{times} of {summary['trials']}", excerpt(texts[name, identifier])))
    shown = rows[:_LISTED]
    note = f"{len(rows) - len(shown)} more in outcomes.jsonl." if len(rows) > len(shown) else ""
    return Table("Every honest prompt that was blocked", ("set", "id", "#trials", "prompt"), shown, note=note)


def _at_the_end(run: Run, summary: Mapping[str, Any]) -> Table:
    names = list(run.results)
    designs = [summary if name == SYSTEM else summary["baselines"][name] for name in names]
    rows = [
        ("attacks that beat the Warden", *(rate_text(d["final_asr"]) for d in designs)),
        ("of those that had been stopped before", *(_taught(d["forgotten"]) for d in designs)),
        ("of those that had taught a policy", *(_taught(d["final_asr_taught"]) for d in designs)),
        *((f"{name} blocked", *(rate_text(d["final_fpr"][name]) for d in designs)) for name in summary["final_fpr"]),
    ]
    return Table("Everything again at the final revision", ("sent", *(f"#{label_of(n)}" for n in names)), rows)


def _taught(rate: Mapping[str, Any]) -> str:
    return rate_text(rate) if rate["n"] else "–"


def _again(run: Run) -> Table:
    texts = {(d.name, r.id): r.prompt for d in run.datasets for r in d.records}
    last = run.results[SYSTEM][-1]
    through = got_through(last)
    rows = [
        (
            again.dataset,
            again.id,
            first.outcome.value,
            ", ".join(first.new_policy_ids),
            excerpt(texts[again.dataset, again.id]),
        )
        for first, again in through[:_LISTED]
    ]
    title = f"Attacks of the last trial that get through at the final revision ({len(through)} of {len(last.final)})"
    note = f"{len(through) - len(rows)} more in outcomes.jsonl." if len(through) > len(rows) else ""
    return Table(title, ("set", "id", "the first time", "taught", "prompt"), rows, note=note, folded=True)


def policies_table(run: Run) -> Table:
    """The policies at the end of the last trial."""
    policies = run.results[SYSTEM][-1].policies
    rows = [
        (p.id, p.kind.value, p.direction.value, p.hazard.label, p.description, _learned_from(p), _gate(p))
        for p in policies
    ]
    header = ("policy", "kind", "side", "hazard", "in plain words", "#breaches", "gate: honest texts hit")
    title = "The policy in force" if len(rows) == 1 else f"The {len(rows)} policies in force"
    return Table(f"{title} after the last trial", header, rows, folded=len(rows) > 12)


def _learned_from(policy: Policy) -> str:
    return str(len(policy.provenance.breach_ids))


def _gate(policy: Policy) -> str:
    report = policy.gate_report
    if report is None:
        return "not gated"
    return f"{report.benign_blocked} of {report.benign_total:,} (≤ {percent(report.fpr_upper)})"


def _got_through(run: Run) -> Table:
    texts = {(d.name, r.id): r.prompt for d in run.datasets for r in d.records}
    last = run.results[SYSTEM][-1]
    half = last.attacks[len(last.attacks) // 2 :]
    through = [s for s in half if s.beat_warden and s.outcome is not AttackOutcome.REFUSED]
    rows = [(s.dataset, s.id, s.outcome.value, excerpt(texts[s.dataset, s.id])) for s in through[:_LISTED]]
    title = f"Attacks of the second half of the last trial that met no policy ({len(through)} of {len(half)})"
    return Table(title, ("set", "id", "outcome", "prompt"), rows, folded=True)
