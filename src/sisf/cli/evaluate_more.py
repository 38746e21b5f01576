"""`sisf evaluate`: the protocols that have forms of their own: rapid-response, judge, poison."""

from collections.abc import Callable
from typing import Annotated

import typer

from sisf.cli.base import ConfigOption, JsonOption, emit, load_settings
from sisf.cli.evaluate import Attacks, Benign, Judge, Model, Out, Reference, Seed, Synthesiser, Trials
from sisf.cli.evaluate_frozen import app
from sisf.cli.experiments import counts_of, laboratory, names_of, show

__all__ = ["app"]


@app.command("rapid-response")
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

    from sisf.evaluation import rapid_response as protocol
    from sisf.evaluation import rapid_summary
    from sisf.evaluation.defences import learning
    from sisf.evaluation.pages import percent

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
    summary = rapid_summary.write(out, run, lab.described())
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


@app.command("judge")
def judge(
    out: Out,
    judges: Annotated[
        str, typer.Option(help="Judges, separated by commas: local, llm, guard-model, moderation, ensemble, recorded.")
    ] = "local",
    data: Annotated[
        str, typer.Option(help="Labelled exchanges (`text`, `response`, `human_label`), separated by commas.")
    ] = "judged_gptfuzz,judged_beavertails",
    strictness: Annotated[str, typer.Option(help="strict or standard [default: as configured].")] = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Judges against labelled exchanges: accuracy, AUROC, calibration, latency, side by side."""
    from rich.table import Table

    from sisf import datasets
    from sisf.cli.progress import TerminalProgress
    from sisf.evaluation import judge as protocol
    from sisf.evaluation import judge_pages
    from sisf.evaluation.results import prepare

    settings = load_settings(config, adjudication__strictness=strictness or None)
    prepare(out)
    sets = datasets.load_all(names_of(data))
    with TerminalProgress() as progress:
        asked = {name: protocol.create_judge(name, settings.adjudication, sets) for name in names_of(judges)}
        run = protocol.evaluate(asked, sets, progress)
    described = {"judges": names_of(judges), "strictness": settings.adjudication.strictness}
    summary = judge_pages.write(out, run, described)
    if json:
        emit(summary)
        return
    table = Table("judge", "data", box=None, pad_edge=False, header_style="bold")
    for heading in ("n", "AUROC", "accuracy", "precision", "recall", "undecided", "p50 ms", "p99 ms"):
        table.add_column(heading, justify="right")
    for name, entries in summary["judges"].items():
        for dataset, entry in entries.items():
            shares = [entry[key] for key in ("accuracy", "precision", "recall", "undecided_rate")]
            cells = ["–" if share is None else f"{share:.1%}" for share in shares]
            ranked = "–" if entry["auroc"] is None else f"{entry['auroc']:.3f}"
            table.add_row(
                name, dataset, f"{entry['n']:,}", ranked, *cells, f"{entry['p50_ms']:.1f}", f"{entry['p99_ms']:.1f}"
            )
    show(table, out)


@app.command()
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
    from sisf.evaluation import injection, poison_summary
    from sisf.evaluation import poison as protocol
    from sisf.evaluation.defences import Defence, learning
    from sisf.evaluation.laboratory import Laboratory, overridden
    from sisf.evaluation.poisoners import POISONERS, Poisoner
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
    summary = poison_summary.write(out, run, lab.described())
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
