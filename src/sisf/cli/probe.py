"""`sisf probe`: attack the running gateway before others do."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sisf.cli.base import ConfigOption, JsonOption, console, emit, load_settings

if TYPE_CHECKING:
    from sisf.probe.agent import Findings
    from sisf.probe.attacks import Attack


def probe(
    url: Annotated[str | None, typer.Option(help="The gateway's base URL [default: from the settings].")] = None,
    api_key: Annotated[str, typer.Option(envvar="OPENAI_API_KEY", help="Key for the gateway.")] = "",
    model: Annotated[str, typer.Option(help="Name of the model to ask for.")] = "default",
    each: Annotated[int, typer.Option(min=0, help="Goals for each jailbreak frame.")] = 3,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many attacks.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the choice.")] = 0,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Send the shipped attacks, plain and in every technique, to a gateway; its loop judges what gets an answer."""
    from sisf.cli.progress import TerminalProgress
    from sisf.probe.agent import ProbingAgent
    from sisf.probe.target import GatewayTarget

    settings = load_settings(config)
    address = url or f"http://{settings.listen.host}:{settings.listen.port}/v1"
    attacks = _attacks(each, seed)[:limit]
    target = GatewayTarget(address, api_key=api_key, model=model)
    with TerminalProgress() as progress:
        progress.begin(f"probing {address}", len(attacks))
        findings = ProbingAgent(target).probe(attacks, seen=lambda _: progress.advance())
        progress.end()
    target.close()
    _told(findings, address, json=json)


def _attacks(each: int, seed: int) -> "list[Attack]":
    from sisf import corpus
    from sisf.probe.attacks import direct, framed

    goals = corpus.sample_attacks()
    return [*direct(goals), *framed(goals, corpus.techniques(), each=each, seed=seed)]


def _told(findings: "Findings", address: str, *, json: bool) -> None:
    from sisf.probe.target import Reaction

    reactions = findings.reactions()
    if json:
        data: dict[str, Any] = {
            "target": address,
            "attacks": len(findings.attempts),
            "answered": len(findings.answered()),
            "techniques": {t.value: {r.value: n for r, n in counts.items()} for t, counts in reactions.items()},
            "answered_ids": [a.attack.id for a in findings.answered()],
        }
        emit(data)
        return
    from rich.table import Table

    table = Table("technique", box=None, pad_edge=False, header_style="bold")
    for reaction in Reaction:
        table.add_column(reaction.value, justify="right")
    for technique, counts in reactions.items():
        table.add_row(technique.value, *(str(counts.get(r, 0)) for r in Reaction))
    out = console()
    out.print(table)
    out.print(f"{len(findings.answered())} of {len(findings.attempts)} attacks got an answer", style="bold")
