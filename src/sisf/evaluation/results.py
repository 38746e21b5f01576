"""The files of an experiment: `summary.json`, `outcomes.jsonl`, plots and `report.html`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sisf.errors import DataError
from sisf.evaluation import outcomes, pages, plots, report, summary
from sisf.evaluation.experiment import SYSTEM, Run, Trial
from sisf.evaluation.outcomes import Sample


def prepare(out: Path) -> None:
    """Make the folder before the work starts. Raises `DataError` when that is not possible."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".writable"
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        raise DataError(f"{out}: cannot be written: {error.strerror}; choose another folder with --out") from None


def write_run(out: Path, run: Run, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Write everything into `out` and return the summary."""
    figures = summary.summarise(run, settings)
    summary.write(out / "summary.json", figures)
    for name, trials in run.results.items():
        file = out / ("outcomes.jsonl" if name == SYSTEM else f"outcomes-{name}.jsonl")
        outcomes.write_jsonl(file, (s for trial in trials for s in samples(trial)))
    drawn = plots.draw_all(run, figures)
    plots.write(out, drawn)
    report.write(out / "report.html", pages.page(run, figures, drawn))
    return figures


def samples(trial: Trial) -> list[Sample]:
    """Every sample of a trial in the order sent."""
    return [*trial.learned, *trial.attacks, *(s for honest in trial.benign.values() for s in honest)]
