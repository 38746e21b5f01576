"""`sisf evaluate poison`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sisf.cli.evaluate.common import names_of, show
from sisf.cli.evaluate.options import (
    Attacks,
    Benign,
)
from sisf.cli.evaluate.running import Running, experiment


@experiment("model adjudicator synthesiser trials seed reference")
def poison(
    running: Running,
    attacks: Attacks = "advbench",
    benign: Benign = "sample_benign",
    shares: Annotated[str, typer.Option(help="Shares of all breaches that are steered, separated by commas.")] = (
        "0.01,0.05,0.2"
    ),
    attackers: Annotated[str, typer.Option(help="Which of topic, phrase, flood, creep, omission, injection.")] = (
        "topic,phrase,flood,creep,omission,injection"
    ),
) -> None:
    """Steer a share of the breaches and see what honest users and honest attacks notice of it."""
    from sisf.evaluation.protocols.poison.page import report

    running.conduct(
        "poison.run:plan",
        [names_of(attacks), names_of(benign)],
        report,
        _show,
        given={"attackers": names_of(attackers), "shares": _shares(shares)},
    )


def _show(summary: dict[str, Any], out: Path) -> None:
    from rich.table import Table

    table = Table("attacker", box=None, pad_edge=False, header_style="bold")
    for heading in ("share", "honest blocked, points", "target blocked, points", "recall lost, points", "policies"):
        table.add_column(heading, justify="right")
    for name, entries in summary["attackers"].items():
        for share, entry in entries.items():
            points = [f"{100 * entry[key]:+.2f}" for key in ("benign_rise", "topic_rise", "recall_fall")]
            table.add_row(name, f"{float(share):.0%}", *points, f"{entry['policies']:g}")
    show(table, out)


def _shares(given: str) -> list[float]:
    from sisf.errors import ConfigurationError

    try:
        shares = [float(name) for name in names_of(given)]
    except ValueError:
        shares = []
    if not shares or not all(0 < share < 1 for share in shares):
        raise ConfigurationError(f"--shares {given}: must be numbers between 0 and 1, such as 0.01,0.05,0.2")
    return shares
