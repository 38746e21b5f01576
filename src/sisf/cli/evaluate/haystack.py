"""`sisf evaluate haystack`."""

from typing import Annotated

import typer

from sisf.cli.base import ConfigOption, JsonOption, emit
from sisf.cli.evaluate.common import counts_of, laboratory, names_of, show
from sisf.cli.evaluate.options import Judge, Model, Out, Reference, Seed, Synthesiser, Trials


def haystack(
    out: Out,
    learn: Annotated[str, typer.Option(help="Data sets of attacks to learn on, separated by commas.")] = "advbench",
    attacks: Annotated[str, typer.Option(help="Data sets of attacks to hide [default: those learned on].")] = "",
    benign: Annotated[str, typer.Option(help="Data sets of honest prompts and answers to hide them in.")] = (
        "alpaca_test,mixed_test,answers_test"
    ),
    lengths: Annotated[str, typer.Option(help="Tokens of the texts, separated by commas.")] = (
        "1000,4000,16000,64000,100000"
    ),
    tokens: Annotated[
        int, typer.Option(min=1, help="Tokens of honest text per kind and length; one text at least.")
    ] = (16_000),
    model: Model = "recorded",
    adjudicator: Judge = "recorded",
    synthesiser: Synthesiser = "local",
    trials: Trials = 1,
    seed: Seed = 0,
    reference: Reference = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Learn, freeze, and hide what is caught alone in honest texts of 1,000 to 100,000 tokens."""
    from rich.table import Table

    from sisf.errors import ConfigurationError
    from sisf.evaluation.defences import learning
    from sisf.evaluation.protocols.haystack import page
    from sisf.evaluation.protocols.haystack import run as protocol
    from sisf.evaluation.report.words import percent
    from sisf.evaluation.report.writer import write

    sizes = counts_of(lengths, "--lengths", "1000,4000")
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
        known = {d.name for d in lab.references} & {d.name for d in honest}
        if known:
            raise ConfigurationError(f"--benign: policies are calibrated on `{min(known)}`; name sets they never saw")
        done = protocol.haystack(
            lab.setup(), learning(lab.system), taught, sent, honest,
            embedder=lab.embedder, progress=progress, lengths=sizes, tokens=tokens,
        )  # fmt: skip
    summary = write(out, page.report(done, lab.described()))
    if json:
        emit(summary)
        return
    table = Table("tokens", box=None, pad_edge=False, header_style="bold")
    for heading in ("points of recall lost", "of", "honest blocked", "of", "95 % up to", "ms per 1,000 tokens"):
        table.add_column(heading, justify="right")
    for length, lost in summary["recall_loss"]["by_length"].items():
        blocked = summary["benign_blocked"]["by_length"][length]
        table.add_row(
            f"{int(length):,}",
            f"{lost['points']:.2f}",
            f"{lost['n']:,}",
            f"{blocked['blocked']}",
            f"{blocked['n']:,}",
            percent(blocked["ci95"][1]),
            f"{summary['ms_per_1000_tokens'][length]:.0f}",
        )
    show(table, out, f"caught alone: {summary['recall_clear']['mean']:.1%}")
