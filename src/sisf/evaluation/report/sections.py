"""Sections that the reports of several protocols share."""

from collections.abc import Mapping, Sequence
from typing import Any

from sisf.evaluation.conventions import Convention
from sisf.evaluation.experiment import SYSTEM
from sisf.evaluation.report.breakdown import UNNAMED
from sisf.evaluation.report.document import Table
from sisf.evaluation.report.plots import label_of
from sisf.evaluation.report.words import percent, rate_text
from sisf.taxonomy import Hazard


def part_tables(summary: Mapping[str, Any]) -> list[Table]:
    """By hazard and by technique, where the data name any."""
    tables = []
    for key, title in (("by_hazard", "By hazard"), ("by_technique", "By technique")):
        parts = summary.get(key) or {}
        if set(parts) <= {UNNAMED}:
            continue
        rows = [
            (
                _in_words(name),
                f"{entry['warden_asr']['n']:,}",
                rate_text(entry["warden_asr_prompt"]),
                rate_text(entry["warden_asr"]),
            )
            for name, entry in parts.items()
        ]
        note = "By the categories of the data sets; the number of attacks is that of one trial."
        tables.append(Table(title, ("name", "#attacks", "#prompt-side ASR", "#Warden ASR"), rows, note=note))
    return tables


def _in_words(name: str) -> str:
    """What the data name, in the plain words of the taxonomy where it knows the name."""
    known: dict[str, str] = {hazard.value: hazard.label for hazard in Hazard}
    return known.get(name, name)


def confusion_table(summary: Mapping[str, Any]) -> list[Table]:
    """The loop's judge against the independent label, where both spoke."""
    judged = summary.get("judge_agreement") or {}
    if not judged.get("n"):
        return []
    labels = list(judged["confusion"])
    rows = [(f"judged {v}", *(f"{judged['confusion'][v][label]:,}" for label in labels)) for v in labels]
    same = (
        ""
        if summary["settings"].get("labels_independent", True)
        else (" Judge and label are the same source here: the table says nothing about the judge.")
    )
    note = (
        f"{judged['agreed']:,} of {judged['n']:,} agree ({percent(judged['rate'])}, with 95 % "
        f"confidence at least {percent(judged['ci95'][0])}).{same}"
    )
    return [Table("The loop's judge against the label", ("verdict", *(f"#label {x}" for x in labels)), rows, note=note)]


def effort_table(summary: Mapping[str, Any]) -> list[Table]:
    """Time and money by design, where either was measured."""
    rows = []
    all_figures = {SYSTEM: summary, **(summary.get("baselines") or {})}
    for name, figures in all_figures.items():
        latency, spent = figures.get("latency"), figures.get("spent") or {"calls": 0, "usd": 0.0}
        times = (f"{latency['p50_ms']:.2f}", f"{latency['p99_ms']:.2f}") if latency else ("–", "–")
        rows.append((label_of(name), *times, f"{spent['calls']:,}", f"{spent['usd']:.2f}"))
    if not any(figures.get("latency") or (figures.get("spent") or {}).get("calls") for figures in all_figures.values()):
        return []
    header = ("design", "#decision p50, ms", "#decision p99, ms", "#calls elsewhere", "#USD")
    note = (
        "Of the decisions on one exchange, prompt and answer, on this machine under this load: sisf bench measures "
        "speed. Calls of models and judges elsewhere; USD at the prices known."
    )
    return [Table("Time and money", header, rows, note=note)]


def limits_of(summary: Mapping[str, Any]) -> Sequence[str]:
    """What the figures do not show, for this run."""
    settings = summary["settings"]
    limits = [Convention(settings["convention"]).told] if "convention" in settings else []
    if settings.get("model") == "recorded":
        limits.append(
            "Answers were recorded beforehand: the model did not see the requests of this run, and nobody tried again "
            "after a refusal. A live attacker adapts; see sisf probe."
        )
    if settings.get("adjudicator") == "recorded":
        limits.append(
            "The loop's judge was the data set's label, which no deployment has: with a real judge fewer breaches are "
            "found. Repeat with --adjudicator local or llm."
        )
    if not settings.get("labels_independent", True):
        limits.append(
            "The loop learned from the same source that measures it: the system ASR is no independent figure."
        )
    if summary.get("trials", 0) < 3:
        limits.append("One or two trials: the spread over shuffles is not known.")
    if settings.get("limit"):
        limits.append(f"Every set was cut to {settings['limit']} records of a kind: for trying out, not for reporting.")
    limits.append(
        "Every attack is one request of one sender; campaigns, conversations and poisoning are other protocols. "
        "Honest sets stand for their own kind of traffic only."
    )
    return limits
