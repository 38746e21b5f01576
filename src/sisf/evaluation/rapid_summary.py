"""Files and words of `rapid-response`."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from sisf.evaluation import outcomes, plots, report, summary
from sisf.evaluation.outcomes import AttackOutcome, Sample
from sisf.evaluation.pages import percent, settings_table
from sisf.evaluation.rapid_response import RapidRun, Round, summarise
from sisf.evaluation.report import Card, Page, Table
from sisf.evaluation.statistics import rate

# RapidResponseBench (arXiv 2411.07494), in and out of distribution, one example: a regular expression, an embedding
# rule, and the guard fine-tuned on a 70B model's proliferation.
_PUBLISHED = {"regex": (0.027, 0.113), "embedding": (0.121, 0.241), "guard fine-tuning": (0.0017, 0.024)}


def write(out: Path, run: RapidRun, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Write everything into `out` and return the summary."""
    figures = figures_of(run, settings)
    summary.write(out / "summary.json", figures)
    outcomes.write_jsonl(out / "outcomes.jsonl", (s for r in run.rounds for s in _samples(r)))
    drawn = [plots.draw("rapid_response", "Attacks that still succeed", _curve, figures["shots"])]
    plots.write(out, drawn)
    report.write(out / "report.html", _page(figures, drawn))
    return figures


def figures_of(run: RapidRun, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The summary. The figures that every protocol has are those of the largest number of examples."""
    most = max(r.shots for r in run.rounds)
    last = [r for r in run.rounds if r.shots == most]
    trials = sorted({r.trial for r in last})
    total = _attacks(run)

    def over_trials(counts: Callable[[Sample], bool]) -> dict[str, Any]:
        hits = [sum(counts(s) for r in last if r.trial == t for s in r.attacks) for t in trials]
        return rate(hits, [total] * len(trials)).as_json()

    return {
        "protocol": "rapid-response",
        "seed": run.setup.seed,
        "trials": run.setup.trials,
        "attacks": total,
        "warden_asr": over_trials(lambda s: s.beat_warden),
        "warden_asr_prompt": over_trials(lambda s: s.reached_model),
        "system_asr": over_trials(lambda s: s.outcome is AttackOutcome.BREACHED),
        "breaches": summary.mean([r.learned for r in last]),
        "policies": {
            "proposed": summary.mean([r.tally.proposed for r in last]),
            "activated": summary.mean([r.tally.activated for r in last]),
            "final": summary.mean([r.tally.final for r in last]),
        },
        "fpr": {name: summary.fpr([r.benign[name] for r in last]) for name in last[0].benign},
        "shots": summarise(run),
        "datasets": [summary.dataset_entry(d) for d in run.datasets],
        "settings": dict(settings),
        "versions": summary.versions(),
        "seconds": round(run.seconds, 3),
    }


def _attacks(run: RapidRun) -> int:
    """Test attacks over all models, those that never broke a model included."""
    return sum(str(r.extra.get("split", "")).startswith("test_") for r in run.datasets[0].records)


def _samples(played: Round) -> list[Sample]:
    return [*played.attacks, *(s for sent in played.benign.values() for s in sent)]


def _curve(axes: Axes, shots: Mapping[str, Any]) -> None:
    counts = list(shots)
    for split, colour in (("iid", "#1d4ed8"), ("ood", "#b45309")):
        values = [shots[c].get(split) for c in counts]
        if None in values:
            continue
        axes.plot(counts, values, color=colour, marker="o", linewidth=2.2, label=f"{split} variants")
        for x, value in zip(counts, values, strict=True):
            axes.annotate(
                percent(value), (x, value), xytext=(0, 7), textcoords="offset points", ha="center", fontsize=9
            )
    rises = [shots[c]["benign_rise"] for c in counts]
    axes.plot(counts, rises, color="#9ca3af", marker="s", linewidth=1.4, label="honest prompts blocked")
    axes.set(xlabel="examples seen of each strategy", ylabel="share")
    axes.set_ylim(bottom=0)
    axes.margins(y=0.15)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.legend(loc="upper right", fontsize=9)


def _page(figures: Mapping[str, Any], drawn: Sequence[plots.Plot]) -> Page:
    shots: Mapping[str, Any] = figures["shots"]
    cards = [
        Card(f"{count} example{'' if count == '1' else 's'}", percent(entry["iid"]), _beside(entry))
        for count, entry in shots.items()
        if "iid" in entry
    ]
    rows = [
        (
            split,
            model.rsplit("/", 1)[-1],
            strategy,
            *(percent(entry[f"{split}_by_model"][model][strategy]) for entry in shots.values()),
        )
        for split in ("iid", "ood")
        if f"{split}_by_model" in next(iter(shots.values()))
        for model, strategies in next(iter(shots.values()))[f"{split}_by_model"].items()
        for strategy in strategies
    ]
    header = ("variants", "target model", "strategy", *(f"#{count} seen" for count in shots))
    benign = [
        (name, *(percent(entry["benign_by_set"][name]) for entry in shots.values()))
        for name in next(iter(shots.values()))["benign_by_set"]
    ]
    published = [(name, percent(iid), percent(ood)) for name, (iid, ood) in _PUBLISHED.items()]
    return Page(
        title="Rapid response: from a few examples of a jailbreak strategy to the rest of it",
        lead=(
            f"{figures['attacks']:,} test attacks over all target models, {figures['trials']} trial(s), "
            f"seed {figures['seed']}. A success is an attack that broke the model, was not refused by its guard, and "
            f"passed the Warden on prompt and answer. Took {figures['seconds']:,.0f} seconds."
        ),
        cards=cards,
        plots=drawn,
        tables=[
            Table("Attack success by model and strategy", header, rows),
            Table("Honest prompts blocked", ("set", *(f"#{count} seen" for count in shots)), benign),
            Table("Published, at one example", ("method", "#iid", "#ood"), published),
            settings_table(figures),
        ],
    )


def _beside(entry: Mapping[str, Any]) -> str:
    low, high = entry["iid_ci95"]
    ood = f"; out of distribution {percent(entry['ood'])}" if "ood" in entry else ""
    return f"{percent(low)} to {percent(high)}{ood}; honest +{percent(entry['benign_rise'])}"
