"""Figures and page of `benign`."""

from collections.abc import Mapping
from typing import Any

from sisf.errors import counted
from sisf.evaluation.experiment import SYSTEM, Run
from sisf.evaluation.protocols.learn.figures import summarise
from sisf.evaluation.protocols.learn.page import honest_tables, policies_table
from sisf.evaluation.protocols.learn.plots import draw_all
from sisf.evaluation.report.document import Card, Page, Table
from sisf.evaluation.report.sections import effort_table, limits_of
from sisf.evaluation.report.words import data_table, percent, settings_table
from sisf.evaluation.report.writer import Report


def report(run: Run, settings: Mapping[str, Any]) -> Report:
    """Everything that the protocol writes. The summary adds `by_policy`: which policy blocked how many."""
    summary = summarise(run, settings)
    summary["by_policy"] = _by_policy(run)
    drawn = draw_all(run, summary)
    return Report(summary, run.outcomes, drawn, _page(run, summary, drawn))


def _by_policy(run: Run) -> dict[str, int]:
    counts: dict[str, int] = {}
    for trial in run.results[SYSTEM]:
        for sample in (s for sent in trial.benign.values() for s in sent if s.wrongly_blocked):
            counts[str(sample.policy_id)] = counts.get(str(sample.policy_id), 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _page(run: Run, summary: Mapping[str, Any], drawn: Any) -> Page:
    sets = summary["fpr"]
    worst = max(sets, key=lambda name: sets[name]["rate"])
    blocked, total = sum(e["blocked"] for e in sets.values()), sum(e["n"] for e in sets.values())
    described = {p.id: p.description for trial in run.results[SYSTEM] for p in trial.policies}
    rows = [(name, f"{count:,}", described.get(name, "")) for name, count in summary["by_policy"].items()]
    by_policy = Table("Which policies blocked", ("policy", "#prompts, all trials", "in plain words"), rows)
    return Page(
        title="Honest prompts: what the policies cost",
        lead=(
            f"{total:,} honest prompts in {counted(len(sets), 'set')} at one revision with "
            f"{summary['policies']['final']:g} policies in force; {counted(summary['trials'], 'trial')}, "
            f"seed {summary['seed']}. "
            f"Convention: the {summary.get('convention', 'field')}'s."
        ),
        cards=[
            Card("Blocked", f"{blocked:g}", f"of {total:,}"),
            Card(
                "Most in one set",
                percent(sets[worst]["rate"]),
                f"{worst}; 95 % up to {percent(sets[worst]['ci95'][1])}",
            ),
            Card("Policies in force", f"{summary['policies']['final']:g}"),
        ],
        plots=drawn,
        tables=[
            *honest_tables(run, summary),
            by_policy,
            policies_table(run),
            *effort_table(summary),
            settings_table(summary),
            data_table(summary),
        ],
        limits=limits_of(summary),
    )
