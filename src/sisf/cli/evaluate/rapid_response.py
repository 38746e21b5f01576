"""`sisf evaluate rapid-response`."""

from typing import Annotated

import typer

from sisf.cli.base import ConfigOption, JsonOption, emit
from sisf.cli.evaluate.common import counts_of, laboratory, names_of, show
from sisf.cli.evaluate.options import Benign, Judge, Out, Reference, Seed, Synthesiser, Trials


def rapid_response(
    out: Out,
    data: Annotated[
        str, typer.Option(help="A set with target_model, split, attack, broke_model.")
    ] = "rapid_response_iid",
    benign: Benign = "",
    shots: Annotated[str, typer.Option(help="Numbers of seen examples, separated by commas.")] = "0,1,5,25",
    adjudicator: Judge = "recorded",
    synthesiser: Synthesiser = "local",
    trials: Trials = 1,
    seed: Seed = 0,
    reference: Reference = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Learn from prompts and answers of a few examples of each jailbreak strategy, then face the rest of it."""
    from rich.table import Table

    from sisf.evaluation.defences import learning
    from sisf.evaluation.protocols.rapid_response import page
    from sisf.evaluation.protocols.rapid_response import run as protocol
    from sisf.evaluation.report.words import percent
    from sisf.evaluation.report.writer import write

    counts = counts_of(shots, "--shots", "0,1,5,25")
    with laboratory(
        out,
        config,
        [[data], names_of(benign)],
        adjudicator=adjudicator,
        synthesiser=synthesiser,
        answers=True,
        baselines=(),
        trials=trials,
        seed=seed,
        reference=names_of(reference),
    ) as (lab, ([attacks], honest), progress):
        run = protocol.rapid_response(lab.setup(), learning(lab.system), attacks, honest, progress, shots=counts)
    summary = write(out, page.report(run, lab.described()))
    if json:
        emit(summary)
        return
    table = Table("examples seen", box=None, pad_edge=False, header_style="bold")
    for heading in ("iid", "ood", "honest blocked", "policies"):
        table.add_column(heading, justify="right")
    for count, entry in summary["shots"].items():
        rates = [percent(entry[key]) if key in entry else "–" for key in ("iid", "ood", "benign_rise")]
        table.add_row(count, *rates, f"{entry['policies']:.1f}")
    show(table, out)
