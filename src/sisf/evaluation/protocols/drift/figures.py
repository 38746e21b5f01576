"""The figures of `drift`."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from sisf.evaluation.experiment import SYSTEM, Run, Trial
from sisf.evaluation.protocols.drift.run import date_of
from sisf.evaluation.protocols.learn.figures import summarise
from sisf.statistics import rate

WINDOWS = 5


def figures_of(run: Run, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The summary, with `windows`: the attacks in parts of equal size by date, each with what got past the Warden when
    it was new (`new_asr`), and when all was sent again at the end (`final_asr`)."""
    summary = summarise(run, settings)
    summary["windows"] = windows(run, run.results[SYSTEM], int(settings.get("windows") or WINDOWS))
    for name, entry in summary["baselines"].items():
        entry["windows"] = windows(run, run.results[name], int(settings.get("windows") or WINDOWS))
    return summary


def windows(run: Run, trials: Sequence[Trial], count: int) -> list[dict[str, Any]]:
    """The windows of one design."""
    dates = {(d.name, r.id): date_of(r, d.name) for d in run.datasets for r in d.records if r.label == "harmful"}
    total = len(trials[0].attacks)
    edges = [round(i * total / min(count, total)) for i in range(min(count, total) + 1)]
    made = []
    for start, end in itertools.pairwise(edges):
        first, last = ([t.attacks[i] for t in trials] for i in (start, end - 1))
        made.append(
            {
                "from": min(dates[s.dataset, s.id] for s in first).date().isoformat(),
                "to": max(dates[s.dataset, s.id] for s in last).date().isoformat(),
                "new_asr": _share([t.attacks[start:end] for t in trials]),
                "final_asr": _share([t.final[start:end] for t in trials]),
            }
        )
    return made


def _share(sent: Sequence[Sequence[Any]]) -> dict[str, Any]:
    return rate([sum(s.beat_warden for s in part) for part in sent], [len(part) for part in sent]).as_json()
