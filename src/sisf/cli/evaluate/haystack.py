"""`sisf evaluate haystack`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sisf.cli.evaluate.common import counts_of, names_of, show
from sisf.cli.evaluate.running import Running, experiment


@experiment("model adjudicator synthesiser trials seed reference")
def haystack(
    running: Running,
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
) -> None:
    """Learn, freeze, and hide what is caught alone in honest texts of 1,000 to 100,000 tokens."""
    from sisf.evaluation.protocols.haystack.page import report

    sizes = counts_of(lengths, "--lengths", "1000,4000")
    running.conduct(
        "haystack.run:plan",
        [names_of(learn), names_of(attacks), names_of(benign)],
        report,
        _show,
        given={"lengths": sizes, "tokens": tokens},
    )


def _show(summary: dict[str, Any], out: Path) -> None:
    from rich.table import Table

    from sisf.evaluation.report.words import percent

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
