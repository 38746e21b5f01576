"""The report of a round of probing."""

from collections.abc import Mapping, Sequence
from typing import Any

from sisf.evaluation.report.document import Card, Page, Table
from sisf.evaluation.report.writer import Report
from sisf.probe.coverage import Coverage
from sisf.store.probes import Attempt, ProbeOutcome


def report(summary: Mapping[str, Any], covered: Coverage, probes: Sequence[Attempt]) -> Report:
    """The coverage map, what each family did, and what got through."""
    rows = [
        {
            "id": p.exchange_id,
            "family": p.family,
            "technique": p.technique.value,
            "hazard": p.hazard.value,
            "recipe": p.recipe,
            "outcome": p.outcome.value,
            "policy_id": p.policy_id,
            "revision": p.revision,
            "mended": p.mended,
        }
        for p in probes
    ]
    return Report(summary, {"outcomes.jsonl": rows}, (), _page(summary, covered, probes))


def _page(summary: Mapping[str, Any], covered: Coverage, probes: Sequence[Attempt]) -> Page:
    total, median = covered.total, covered.median_mending
    cards = [
        Card("Got through", str(total.breached), f"of {total.probed} probes", "bad" if total.breached else "good"),
        Card("Stopped by now", str(total.mended), f"of the {total.breached} that got through"),
        Card("Undecided", str(total.undecided), "wait for a person"),
    ]
    if median is not None:
        cards.append(Card("Time to mitigation", f"{median:.2f} s", f"median; longest {max(covered.mending):.2f} s"))
    return Page(
        title="Probing",
        lead=f"{total.probed} attacks sent to {summary['target']} in {summary['seconds']:,.0f} seconds, each judged by "
        "the gateway's own judge: what that judge misses is missing here.",
        cards=cards,
        tables=[_map(covered), _families(covered), _through(probes)],
    )


def _map(covered: Coverage) -> Table:
    techniques = sorted({technique for _, technique in covered.cells})
    rows = []
    for hazard in sorted({hazard for hazard, _ in covered.cells}):
        cells = [covered.cells.get((hazard, technique)) for technique in techniques]
        rows.append((hazard.label, *(cell.shown if cell else "–" for cell in cells)))
    header = ("hazard", *(f"#{technique.value.replace('_', ' ')}" for technique in techniques))
    return Table("Coverage", header, rows, note="Probed · got through · stopped by now. –: not probed.")


def _families(covered: Coverage) -> Table:
    rows = [
        (name.replace("_", " "), str(cell.probed), str(cell.breached), str(cell.mended))
        for name, cell in sorted(covered.families.items(), key=lambda item: -item[1].breached)
    ]
    return Table("Families", ("family", "#probed", "#got through", "#stopped by now"), rows)


def _through(probes: Sequence[Attempt]) -> Table:
    rows = [
        (p.exchange_id, p.family.replace("_", " "), p.hazard.label, "–" if p.mended is None else f"{p.mended:.2f}")
        for p in probes
        if p.outcome is ProbeOutcome.BREACHED
    ]
    title = f"What got through ({len(rows)})"
    return Table(title, ("exchange", "family", "hazard", "#seconds to mitigation"), rows, folded=len(rows) > 20)
