"""Two runs side by side on what both were sent: paired tests, and a refusal to compare what cannot be compared."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sisf.errors import ConfigurationError, DataError, quoted
from sisf.evaluation.outcomes import AttackOutcome, Sample
from sisf.evaluation.report.document import Page, Table
from sisf.evaluation.report.words import percent
from sisf.evaluation.report.writer import Report
from sisf.statistics import bootstrap_difference, mcnemar

Place = tuple[str, str, str, int]
"""Design, data set, id, trial."""
_SUMMARY, _OUTCOMES = "summary.json", "outcomes.jsonl"
_MEASURES: Mapping[str, Callable[[Sample], bool]] = {
    "prompt-side Warden ASR": lambda s: s.reached_model,
    "Warden ASR": lambda s: s.beat_warden,
    "system ASR": lambda s: s.outcome is AttackOutcome.BREACHED,
}
_NOTE = (
    "Positive: B is higher. The interval is a bootstrap over samples, each with all its trials; the test is McNemar's, "
    "exact, on one pair for each sample (over several trials, what happened in more than half of them)."
)


@dataclass(frozen=True, slots=True)
class Kept:
    """A run as it lies on disk, or one of its designs."""

    name: str
    summary: Mapping[str, Any]
    samples: Sequence[tuple[str, Sample]]
    """Each with its design, where one file lists several; else with an empty text."""

    def parts(self) -> dict[str, dict[Place, Sample]]:
        """What was measured: `attacks`, `again` (at the end), and each honest set."""
        honest = set(self.summary.get("fpr", ()))
        phase = "learn" if "final_asr" in self.summary else "frozen"
        found: dict[str, dict[Place, Sample]] = {}
        for design, sample in self.samples:
            key = (design, sample.dataset, sample.id, sample.trial)
            if sample.dataset in honest:
                found.setdefault(sample.dataset, {})[key] = sample
            elif sample.phase == phase:
                found.setdefault("attacks", {})[key] = sample
            elif sample.phase == "final":
                found.setdefault("again", {})[key] = sample
        return found


def kept(path: Path) -> Kept:
    """A run's folder, or one of its `outcomes…jsonl`. Raises `DataError`."""
    outcomes = path / _OUTCOMES if path.is_dir() else path
    try:
        summary = json.loads((outcomes.parent / _SUMMARY).read_bytes())
        rows = [json.loads(line) for line in outcomes.read_bytes().splitlines()]
        several = len({row.get("design") for row in rows}) > 1
        samples = [(str(row["design"]) if several else "", Sample.from_json(row)) for row in rows]
    except OSError as error:
        raise DataError(f"{path}: is no finished run: {error.filename}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: cannot be compared: it was written by another protocol or version ({error})"
        ) from None
    return Kept(str(path), summary, samples)


def compare(first: Kept, second: Kept, *, across_conventions: bool = False) -> dict[str, Any]:
    """The summary of a comparison. Raises `ConfigurationError` where figures would stand side by side that must not."""
    _comparable(first, second, across_conventions=across_conventions)
    ours, theirs = first.parts(), second.parts()
    rows: dict[str, Any] = {}
    for part, title in (("attacks", ""), ("again", ", all again at the end")):
        for measure, counts in _MEASURES.items():
            rows[f"{measure}{title}"] = _compared(ours.get(part, {}), theirs.get(part, {}), counts)
    for name in sorted((set(ours) & set(theirs)) - {"attacks", "again"}):
        rows[f"{name} blocked"] = _compared(ours[name], theirs[name], lambda s: s.wrongly_blocked)
    rows = {name: row for name, row in rows.items() if row is not None}
    if not rows:
        raise DataError(f"{first.name} and {second.name} were not sent one and the same sample")
    return {
        "protocol": "compare",
        "a": _described(first),
        "b": _described(second),
        "conventions": [_convention(first), _convention(second)],
        "rows": rows,
    }


def _comparable(first: Kept, second: Kept, *, across_conventions: bool) -> None:
    mine, other = first.summary.get("protocol"), second.summary.get("protocol")
    if mine != other:
        raise ConfigurationError(
            f"{first.name} is a run of {quoted(mine)}, {second.name} of {quoted(other)}: compare like with like"
        )
    known = {d["name"]: d["sha256"] for d in first.summary.get("datasets", ())}
    for dataset in second.summary.get("datasets", ()):
        if known.get(dataset["name"], dataset["sha256"]) != dataset["sha256"]:
            raise ConfigurationError(f"the two runs used different files called {quoted(dataset['name'])}")
    if _convention(first) != _convention(second) and not across_conventions:
        raise ConfigurationError(
            f"{first.name} follows the {_convention(first)}'s convention of what is benign, {second.name} the "
            f"{_convention(second)}'s: their figures do not belong in one table (--across-conventions prints it and "
            "says so)"
        )


def _convention(run: Kept) -> str:
    return str(run.summary.get("convention", "field"))


def _described(run: Kept) -> dict[str, Any]:
    return {"name": run.name, "convention": _convention(run), "settings": run.summary.get("settings", {})}


def _compared(
    first: Mapping[Place, Sample],
    second: Mapping[Place, Sample],
    counts: Callable[[Sample], bool],
) -> dict[str, Any] | None:
    """What both were sent, by sample; None where that is nothing."""
    a, b = _by_sample(first, counts), _by_sample(second, counts)
    shared = [key for key in a if key in b]
    if not shared:
        return None
    ours, theirs = [a[key] for key in shared], [b[key] for key in shared]
    test = mcnemar([_mostly(x) for x in ours], [_mostly(x) for x in theirs])
    shares = [sum(map(sum, side)) / sum(map(len, side)) for side in (ours, theirs)]
    return {
        "n": len(shared),
        "a": shares[0],
        "b": shares[1],
        "difference": shares[1] - shares[0],
        "ci95": list(bootstrap_difference(ours, theirs)),
        "a_only": test.first_only,
        "b_only": test.second_only,
        "p": test.p,
    }


def _by_sample(
    samples: Mapping[Place, Sample], counts: Callable[[Sample], bool]
) -> dict[tuple[str, str, str], list[float]]:
    found: dict[tuple[str, str, str], list[float]] = {}
    for (design, dataset, identifier, _), sample in samples.items():
        found.setdefault((design, dataset, identifier), []).append(float(counts(sample)))
    return found


def _mostly(outcomes: Sequence[float]) -> bool:
    return sum(outcomes) > len(outcomes) / 2


def table_of(summary: Mapping[str, Any]) -> Table:
    """The comparison as a table, with whose conventions it mixes."""
    mixed = len(set(summary["conventions"])) > 1
    header = [
        "figure",
        "#samples",
        *(f"#{side}" for side in _sides(summary)),
        "#difference, points",
        "#95 %",
        "#only A",
        "#only B",
    ]
    rows = [
        (
            name,
            f"{row['n']:,}",
            percent(row["a"]),
            percent(row["b"]),
            f"{100 * row['difference']:+.2f}",
            f"{100 * row['ci95'][0]:+.2f} to {100 * row['ci95'][1]:+.2f}",
            f"{row['a_only']:,}",
            f"{row['b_only']:,}",
            "< 0.0001" if row["p"] < 1e-4 else f"{row['p']:.4f}",
        )
        for name, row in summary["rows"].items()
    ]
    warning = " THE TWO RUNS FOLLOW DIFFERENT CONVENTIONS OF WHAT IS BENIGN." if mixed else ""
    return Table("On what both were sent", [*header, "#p (McNemar)"], rows, note=_NOTE + warning)


def _sides(summary: Mapping[str, Any]) -> tuple[str, str]:
    """`A` and `B`, with their conventions where they differ."""
    if len(set(summary["conventions"])) == 1:
        return ("A", "B")
    return (f"A ({summary['conventions'][0]}'s convention)", f"B ({summary['conventions'][1]}'s convention)")


def report(summary: Mapping[str, Any]) -> Report:
    """Everything that a comparison writes."""
    a, b = summary["a"], summary["b"]
    differing = sorted(
        key for key in {*a["settings"], *b["settings"]} if a["settings"].get(key) != b["settings"].get(key)
    )
    rows = [(key, str(a["settings"].get(key, "–")), str(b["settings"].get(key, "–"))) for key in differing]
    conventions = ", ".join(dict.fromkeys(summary["conventions"]))
    page = Page(
        title="Two runs compared",
        lead=f"A: {a['name']}. B: {b['name']}. Convention of what is benign: {conventions}.",
        tables=[table_of(summary), Table("What differs in their settings", ("setting", "A", "B"), rows)],
        limits=("Several figures are tested at once and no p is corrected for that.",),
    )
    return Report(summary, {}, (), page)
