"""The page of `stacked`."""

from collections.abc import Mapping
from typing import Any

from sisf.evaluation.experiment import Run
from sisf.evaluation.protocols.learn.page import page_of
from sisf.evaluation.protocols.learn.plots import draw_all
from sisf.evaluation.protocols.stacked.figures import figures_of
from sisf.evaluation.protocols.stacked.run import GUARD
from sisf.evaluation.report.document import Card, Table
from sisf.evaluation.report.words import interval, percent, rate_text
from sisf.evaluation.report.writer import Report


def report(run: Run, settings: Mapping[str, Any]) -> Report:
    """Everything that the protocol writes."""
    summary = figures_of(run, settings)
    drawn = draw_all(run, summary)
    cards = [
        Card(
            "Residual ASR, the guard alone", percent(summary["residual_asr"]["mean"]), interval(summary["residual_asr"])
        ),
        Card("With SISF behind it", percent(summary["stacked_asr"]["mean"]), interval(summary["stacked_asr"])),
        Card("Incremental value", percent(summary["siv"]["mean"]), "of what the guard lets through is stopped"),
        Card("… at the end", percent(summary["siv_final"]["mean"]), "all attacks again at the final revision"),
    ]
    rows = [
        ("released and harmful, the guard alone", *_both(summary, "residual_asr")),
        ("released and harmful, SISF behind it", *_both(summary, "stacked_asr")),
        ("incremental value (SIV): share of the guard's residual that is stopped", *_both(summary, "siv")),
    ]
    table = Table(f"Behind {settings.get('guard', 'the guard')}", ("figure", "#as they came", "#at the end"), rows)
    honest = _added(summary)
    return Report(
        summary,
        run.outcomes,
        drawn,
        page_of(run, summary, drawn, cards, [table, honest] if honest.rows else [table]),
    )


def _both(summary: Mapping[str, Any], name: str) -> tuple[str, str]:
    rates = (summary[name], summary[f"{name}_final"])
    return tuple(rate_text(r) if r["n"] else "–" for r in rates)  # type: ignore[return-value]


def _added(summary: Mapping[str, Any]) -> Table:
    alone = summary["baselines"][GUARD]["fpr"]
    rows = [
        (name, f"{entry['n']:,}", f"{alone[name]['blocked']:g}", f"{entry['blocked']:g}")
        for name, entry in summary["fpr"].items()
    ]
    return Table("Honest prompts blocked", ("set", "#prompts", "#by the guard alone", "#with SISF behind it"), rows)
