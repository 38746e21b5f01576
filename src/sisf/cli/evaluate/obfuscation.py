"""`sisf evaluate obfuscation`."""

from typing import Annotated

import typer

from sisf.cli.base import ConfigOption, JsonOption, emit
from sisf.cli.evaluate.common import laboratory, names_of, show
from sisf.cli.evaluate.options import Benign, Judge, Model, Out, Reference, Seed, Synthesiser, Trials


def obfuscation(
    out: Out,
    learn: Annotated[str, typer.Option(help="Data sets of attacks to learn on, separated by commas.")] = "advbench",
    attacks: Annotated[str, typer.Option(help="Data sets of attacks to send [default: those learned on].")] = "",
    benign: Benign = "scripts_benign",
    model: Model = "recorded",
    adjudicator: Judge = "recorded",
    synthesiser: Synthesiser = "local",
    trials: Trials = 1,
    seed: Seed = 0,
    reference: Reference = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Learn, freeze, and send what is caught in clear again: by twelve tricks on characters, encoded, encoded twice."""
    from rich.table import Table

    from sisf.evaluation.defences import learning
    from sisf.evaluation.protocols.obfuscation import page
    from sisf.evaluation.protocols.obfuscation import run as protocol
    from sisf.evaluation.report.writer import write

    groups = [names_of(names) for names in (learn, attacks, benign)]
    with laboratory(
        out,
        config,
        groups,
        model=model,
        adjudicator=adjudicator,
        synthesiser=synthesiser,
        baselines=(),
        trials=trials,
        seed=seed,
        reference=names_of(reference),
    ) as (lab, (taught, sent, honest), progress):
        done = protocol.obfuscation(lab.setup(), learning(lab.system), taught, sent, honest, progress=progress)
    summary = write(out, page.report(done, lab.described()))
    if json:
        emit(summary)
        return
    table = Table("trick", box=None, pad_edge=False, header_style="bold")
    table.add_column("points of recall lost", justify="right")
    for name, points in summary["recall_loss"].items():
        table.add_row(name, f"{points:.2f}")
    show(table, out, f"caught in clear: {summary['recall_clear']['mean']:.1%}")
