"""`sisf evaluate poison`."""

from collections.abc import Callable
from typing import Annotated

import typer

from sisf.cli.base import ConfigOption, JsonOption, emit
from sisf.cli.evaluate.common import laboratory, names_of, show
from sisf.cli.evaluate.options import Attacks, Benign, Judge, Model, Out, Reference, Seed, Synthesiser, Trials


def poison(
    out: Out,
    attacks: Attacks = "advbench",
    benign: Benign = "sample_benign",
    shares: Annotated[str, typer.Option(help="Shares of all breaches that are steered, separated by commas.")] = (
        "0.01,0.05,0.2"
    ),
    attackers: Annotated[str, typer.Option(help="Which of topic, phrase, flood, creep, omission, injection.")] = (
        "topic,phrase,flood,creep,omission,injection"
    ),
    model: Model = "recorded",
    adjudicator: Judge = "recorded",
    synthesiser: Synthesiser = "local",
    trials: Trials = 1,
    seed: Seed = 0,
    reference: Reference = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Steer a share of the breaches and see what honest users and honest attacks notice of it."""
    from dataclasses import replace

    from pydantic import SecretStr
    from rich.table import Table

    from sisf.errors import ConfigurationError
    from sisf.evaluation.defences import Defence, learning
    from sisf.evaluation.laboratory import Laboratory, overridden
    from sisf.evaluation.protocols.poison import injection, page
    from sisf.evaluation.protocols.poison import run as protocol
    from sisf.evaluation.protocols.poison.poisoners import POISONERS, Poisoner
    from sisf.evaluation.report.writer import write
    from sisf.settings import AuthorModel

    wanted, names = _shares(shares), names_of(attackers)
    poisoners = [p for p in POISONERS if p.name in names]
    unknown = set(names) - {p.name for p in POISONERS} - {injection.NAME}
    if unknown:
        raise ConfigurationError(f"--attackers: there is no {sorted(unknown)[0]!r}")
    opened = laboratory(
        out,
        config,
        [names_of(attacks), names_of(benign)],
        model=model,
        adjudicator=adjudicator,
        synthesiser=synthesiser,
        baselines=(),
        trials=trials,
        seed=seed,
        reference=names_of(reference),
    )
    with opened as (lab, (hostile, honest), progress), injection.obedient_server() as server:
        others: list[tuple[Poisoner, Callable[[], Defence]]] = []
        if injection.NAME in names:
            endpoint = AuthorModel(model="gullible", base_url=server.url, api_key=SecretStr("scripted"))
            gullible = overridden(lab.settings, {"synthesis.llm": endpoint})
            written = Laboratory(gullible, replace(lab.options, synthesiser="llm"), [*hostile, *honest])
            others = [(injection.InjectionPoisoner(), learning(written.system))]
        run = protocol.poison(
            lab.setup(), learning(lab.system), hostile, honest, progress,
            shares=wanted, poisoners=poisoners, at_others=others,
        )  # fmt: skip
    summary = write(out, page.report(run, lab.described()))
    if json:
        emit(summary)
        return
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
