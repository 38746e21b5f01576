"""`sisf adjudicator`: train the local judge on your own labels, look at its versions, go back."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sisf.cli.base import JsonOption, console, emit, group

if TYPE_CHECKING:
    from sisf.adjudicator.training import Version
    from sisf.datasets import Dataset

app = group("Train the local judge on your own labels, list its versions, roll back.")


@app.command()
def train(
    data: Annotated[str, typer.Option(help="Labelled exchanges: `text`, `response`, `human_label` (breach or safe).")],
    json: JsonOption = False,
) -> None:
    """Fit the local judge to labelled exchanges, measure it before and after, and put the new version in use."""
    from sisf import datasets
    from sisf.adjudicator.local.judge import LocalAdjudicator
    from sisf.adjudicator.training import train as fit
    from sisf.cli.progress import TerminalProgress
    from sisf.embedding.factory import create_embedder

    labelled = _labelled(datasets.load(data))
    embedder = create_embedder("harm-aware")
    with TerminalProgress() as progress:
        progress.begin("reading exchanges", len(labelled))
        version = fit(
            LocalAdjudicator(embedder),
            labelled,
            embedder_id=embedder.id,
            progress=lambda *_: progress.advance(),
        )
    if json:
        emit(_as_json(version, current=True))
    else:
        _show([version], version.number)


@app.command("list")
def list_versions(json: JsonOption = False) -> None:
    """The versions of the local judge, with their cross-validated figures. 0 is the judge as shipped."""
    from sisf.adjudicator.training import Versions

    versions = Versions()
    current = versions.current()
    if json:
        emit([_as_json(v, current=v.number == current) for v in versions.list()])
    else:
        _show(versions.list(), current)


@app.command()
def rollback(
    number: Annotated[int, typer.Argument(min=0, help="The version to use; 0 is the judge as shipped.")],
) -> None:
    """Put an earlier version in use. No version is deleted."""
    from sisf.adjudicator.training import Versions

    Versions().use(number)
    console().print(f"the local judge is version {number} now; restart `sisf serve` to use it")


def _labelled(dataset: "Dataset") -> list[Any]:
    from sisf.adjudicator.training import LabelledExchange
    from sisf.evaluation.protocols.judge.run import label_of

    return [
        LabelledExchange(record.exchange(record.response), label)
        for record in dataset.records
        if record.response and (label := label_of(record)) is not None
    ]


def _as_json(version: "Version", *, current: bool) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(version), "current": current}


def _show(versions: "list[Version]", current: int) -> None:
    from rich.table import Table

    table = Table("version", "trained", box=None, pad_edge=False, header_style="bold")
    for heading in ("labels", "breaches", "AUROC before", "AUROC after", "accuracy before", "accuracy after", ""):
        table.add_column(heading, justify="right")
    if current == 0:
        table.add_row("0", "as shipped", *[""] * 6, "in use")
    for v in versions:
        figures = (v.before.auroc, v.after.auroc, v.before.accuracy, v.after.accuracy)
        table.add_row(
            str(v.number), v.time, f"{v.rows:,}", f"{v.breaches:,}", *(f"{f:.3f}" for f in figures),
            "in use" if v.number == current else "",
        )  # fmt: skip
    console().print(table)
