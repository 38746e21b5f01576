"""`sisf evaluate`: the protocols that have forms of their own: rapid-response, obfuscation, haystack,
judge, poison."""

from collections.abc import Callable
from typing import Annotated

import typer

from sisf.cli.base import ConfigOption, JsonOption, console, emit, load_settings
from sisf.cli.evaluate import Attacks, Benign, Judge, Model, Out, Reference, Seed, Synthesiser, Trials, app, names_of

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
    """Learn from a few examples of each jailbreak strategy, then face the rest of it (RapidResponseBench)."""
    from rich.table import Table

    from sisf import datasets
    from sisf.cli.progress import TerminalProgress
    from sisf.evaluation import rapid_response as protocol
    from sisf.evaluation import rapid_summary
    from sisf.evaluation.defences import learning
    from sisf.evaluation.laboratory import Laboratory, Options
    from sisf.evaluation.pages import percent
    from sisf.evaluation.results import prepare

    settings = load_settings(config)
    counts = _counts(shots, "--shots", "0,1,5,25")
    prepare(out)
    attacks, honest = datasets.load(data), datasets.load_all(names_of(benign))
    options = Options(
        adjudicator=adjudicator,
        synthesiser=synthesiser,
        answers=True,
        baselines=(),
        trials=trials,
        seed=seed,
        reference=names_of(reference),
    )
    with TerminalProgress() as progress:
        lab = Laboratory(settings, options, [attacks, *honest])
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
    screen = console()
    screen.print(table)
    screen.print(f"report: {out / 'report.html'}", style="dim")


@app.command()
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

    from sisf import datasets
    from sisf.cli.progress import TerminalProgress
    from sisf.evaluation import obfuscation as protocol
    from sisf.evaluation import obfuscation_summary
    from sisf.evaluation.defences import learning
    from sisf.evaluation.laboratory import Laboratory, Options
    from sisf.evaluation.results import prepare

    settings = load_settings(config)
    prepare(out)
    taught, sent, honest = (datasets.load_all(names_of(names)) for names in (learn, attacks, benign))
    options = Options(
        model=model,
        adjudicator=adjudicator,
        synthesiser=synthesiser,
        baselines=(),
        trials=trials,
        seed=seed,
        reference=names_of(reference),
    )
    with TerminalProgress() as progress:
        lab = Laboratory(settings, options, [*taught, *sent, *honest])
        done = protocol.obfuscation(lab.setup(), learning(lab.system), taught, sent, honest, progress=progress)
    summary = obfuscation_summary.write(out, done, lab.described())
    if json:
        emit(summary)
        return
    table = Table("trick", box=None, pad_edge=False, header_style="bold")
    table.add_column("points of recall lost", justify="right")
    for name, points in summary["recall_loss"].items():
        table.add_row(name, f"{points:.2f}")
    screen = console()
    screen.print(f"caught in clear: {summary['recall_clear']['mean']:.1%}", style="bold")
    screen.print(table)
    screen.print(f"report: {out / 'report.html'}", style="dim")


@app.command()
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

    from sisf import datasets
    from sisf.cli.progress import TerminalProgress
    from sisf.errors import ConfigurationError
    from sisf.evaluation import haystack as protocol
    from sisf.evaluation import haystack_summary
    from sisf.evaluation.defences import learning
    from sisf.evaluation.laboratory import Laboratory, Options
    from sisf.evaluation.pages import percent
    from sisf.evaluation.results import prepare

    settings = load_settings(config)
    sizes = _counts(lengths, "--lengths", "1000,4000")
    prepare(out)
    taught, sent, honest = (datasets.load_all(names_of(names)) for names in (learn, attacks, benign))
    options = Options(
        model=model,
        adjudicator=adjudicator,
        synthesiser=synthesiser,
        baselines=(),
        trials=trials,
        seed=seed,
        reference=names_of(reference),
    )
    with TerminalProgress() as progress:
        lab = Laboratory(settings, options, [*taught, *sent, *honest])
        known = {d.name for d in lab.references} & {d.name for d in honest}
        if known:
            raise ConfigurationError(f"--benign: policies are calibrated on `{min(known)}`; name sets they never saw")
        done = protocol.haystack(
            lab.setup(), learning(lab.system), taught, sent, honest,
            embedder=lab.embedder, progress=progress, lengths=sizes, tokens=tokens,
        )  # fmt: skip
    summary = haystack_summary.write(out, done, lab.described())
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
    screen = console()
    screen.print(f"caught alone: {summary['recall_clear']['mean']:.1%}", style="bold")
    screen.print(table)
    screen.print(f"report: {out / 'report.html'}", style="dim")


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
    screen = console()
    screen.print(table)
    screen.print(f"report: {out / 'report.html'}", style="dim")


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

    from sisf import datasets
    from sisf.cli.progress import TerminalProgress
    from sisf.errors import ConfigurationError
    from sisf.evaluation import injection, poison_summary
    from sisf.evaluation import poison as protocol
    from sisf.evaluation.defences import Defence, learning
    from sisf.evaluation.laboratory import Laboratory, Options, overridden
    from sisf.evaluation.poisoners import POISONERS, Poisoner
    from sisf.evaluation.results import prepare
    from sisf.settings import AuthorModel

    settings = load_settings(config)
    wanted = _shares(shares)
    prepare(out)
    hostile, honest = datasets.load_all(names_of(attacks)), datasets.load_all(names_of(benign))
    options = Options(
        model=model,
        adjudicator=adjudicator,
        synthesiser=synthesiser,
        baselines=(),
        trials=trials,
        seed=seed,
        reference=names_of(reference),
    )
    names = names_of(attackers)
    poisoners = [p for p in POISONERS if p.name in names]
    unknown = set(names) - {p.name for p in POISONERS} - {injection.NAME}
    if unknown:
        raise ConfigurationError(f"--attackers: there is no {sorted(unknown)[0]!r}")
    with TerminalProgress() as progress, injection.obedient_server() as server:
        lab = Laboratory(settings, options, [*hostile, *honest])
        others: list[tuple[Poisoner, Callable[[], Defence]]] = []
        if injection.NAME in names:
            endpoint = AuthorModel(model="gullible", base_url=server.url, api_key=SecretStr("scripted"))
            gullible = overridden(settings, {"synthesis.llm": endpoint})
            written = Laboratory(gullible, replace(options, synthesiser="llm"), [*hostile, *honest])
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
    screen = console()
    screen.print(table)
    screen.print(f"report: {out / 'report.html'}", style="dim")


def _counts(given: str, option: str, example: str) -> list[int]:
    from sisf.errors import ConfigurationError

    names = names_of(given)
    if not names or not all(name.isdecimal() for name in names):
        raise ConfigurationError(f"{option} {given}: must be numbers separated by commas, such as {example}")
    return sorted({int(name) for name in names})


def _shares(given: str) -> list[float]:
    from sisf.errors import ConfigurationError

    try:
        shares = [float(name) for name in names_of(given)]
    except ValueError:
        shares = []
    if not shares or not all(0 < share < 1 for share in shares):
        raise ConfigurationError(f"--shares {given}: must be numbers between 0 and 1, such as 0.01,0.05,0.2")
    return shares
