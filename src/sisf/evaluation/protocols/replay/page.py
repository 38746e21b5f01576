"""Figures and page of `replay`."""

from collections.abc import Mapping, Sequence
from typing import Any

from sisf.evaluation.protocols.replay.run import DESIGN, Part, Replayed, ReplayRun
from sisf.evaluation.report.document import Card, Page, Table, excerpt
from sisf.evaluation.report.figures import common
from sisf.evaluation.report.words import data_table, settings_table
from sisf.evaluation.report.writer import Report
from sisf.statistics import clopper_pearson

_LISTED = 60
_LABELS = ("harmful", "benign", None)


def report(run: ReplayRun, settings: Mapping[str, Any]) -> Report:
    """Everything that the protocol writes."""
    rows = [row for part in run.results[DESIGN] for row in part.rows]
    last = run.results[DESIGN][-1]
    summary = figures_of(run, rows, last, settings)
    return Report(summary, run.outcomes, (), _page(rows, last.policies, summary))


def figures_of(run: ReplayRun, rows: Sequence[Replayed], last: Part, settings: Mapping[str, Any]) -> dict[str, Any]:
    """`exchanges` by what the verdicts called them: `n`, `stopped_then`, `stopped_now`, `newly_stopped`,
    `newly_passed`."""
    found = {label or "unlabelled": _counted([r for r in rows if r.label == label]) for label in _LABELS}
    by_policy: dict[str, int] = {}
    for row in rows:
        if row.then is None and row.policy_id is not None:
            by_policy[row.policy_id] = by_policy.get(row.policy_id, 0) + 1
    return {
        "protocol": "replay",
        "revision": last.revision,
        "policies": {"final": len(last.policies)},
        "exchanges": {"all": _counted(rows), **{name: entry for name, entry in found.items() if entry["n"]}},
        "newly_stopped_by": dict(sorted(by_policy.items(), key=lambda item: (-item[1], item[0]))),
        **common(run.datasets, settings, run.seconds),
    }


def _counted(rows: Sequence[Replayed]) -> dict[str, Any]:
    newly = sum(r.changed and r.now is not None for r in rows)
    return {
        "n": len(rows),
        "stopped_then": sum(r.then is not None for r in rows),
        "stopped_now": sum(r.now is not None for r in rows),
        "newly_stopped": newly,
        "newly_stopped_ci95": list(clopper_pearson(newly, len(rows))),
        "newly_passed": sum(r.changed and r.now is None for r in rows),
    }


def _page(replayed: Sequence[Replayed], described: Mapping[str, str], summary: Mapping[str, Any]) -> Page:
    whole = summary["exchanges"]["all"]
    rows = [
        (name, *(f"{entry[key]:,}" for key in ("n", "stopped_then", "stopped_now", "newly_stopped", "newly_passed")))
        for name, entry in summary["exchanges"].items()
    ]
    header = ("verdict", "#exchanges", "#stopped then", "#stopped now", "#newly stopped", "#newly passed")
    causes = [(name, f"{n:,}", described.get(name, "")) for name, n in summary["newly_stopped_by"].items()]
    changed = [r for r in replayed if r.changed]
    listed = [
        (r.id, "newly stopped" if r.now else "newly passed", r.label or "–", r.policy_id or "–", excerpt(r.prompt))
        for r in changed[:_LISTED]
    ]
    more = f"{len(changed) - len(listed)} more in outcomes.jsonl." if len(changed) > len(listed) else ""
    return Page(
        title=f"Recorded exchanges against revision {summary['revision']}",
        lead=(
            f"{whole['n']:,} recorded exchanges, prompt and answer, put to a revision of "
            f"{summary['policies']['final']} active policies. Nothing was sent to a model."
        ),
        cards=[
            Card("Newly stopped", f"{whole['newly_stopped']:,}", "passed when they were recorded"),
            Card("Newly passed", f"{whole['newly_passed']:,}", "stopped by a policy when they were recorded"),
            Card("Stopped now", f"{whole['stopped_now']:,}", f"then {whole['stopped_then']:,}"),
        ],
        tables=[
            Table("By verdict", header, rows),
            Table("What stops them now", ("policy", "#newly stopped", "in plain words"), causes),
            Table("Decided otherwise", ("exchange", "change", "verdict", "policy", "prompt"), listed, note=more),
            settings_table(summary),
            data_table(summary),
        ],
        limits=(
            "An answer that a policy stopped was recorded as it was; what the model would have answered to a prompt "
            "that was stopped then is not known.",
            "Verdicts are the judge's or a person's, as they stood at the export.",
        ),
    )
