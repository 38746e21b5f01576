"""`sisf probe`: attack the running gateway before others do."""

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sisf.cli.base import ConfigOption, JsonOption, StoreOption, complain, console, emit, load_settings, store_of

if TYPE_CHECKING:
    from sisf.probe.coverage import Coverage
    from sisf.settings import ProbeSettings
    from sisf.store import Store
    from sisf.store.probes import Attempt


def probe(
    url: Annotated[str | None, typer.Option(help="The gateway's base URL [default: from the settings].")] = None,
    api_key: Annotated[str, typer.Option(help="A key of role `probe` [default: probe.key, else this user's].")] = "",
    model: Annotated[str | None, typer.Option(help="Name of the model to ask for.")] = None,
    budget: Annotated[int | None, typer.Option(min=1, help="Probes that one round sends.")] = None,
    per_minute: Annotated[int | None, typer.Option(min=0, help="Probes a minute; 0 sets no limit.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the choices.")] = None,
    continuous: Annotated[bool, typer.Option("--continuous", help="Round after round, until Ctrl-C.")] = False,
    every: Annotated[float | None, typer.Option(min=0.1, help="A round every so many minutes, until Ctrl-C.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for a report.")] = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Attack a gateway with composed attacks, choosing by what got through before, and wait for its loop each time.

    Remembers in the gateway's store. Exits with 1 when something got through, whether it is mended by now or not.
    """
    from sisf.evaluation.report.writer import prepare
    from sisf.probe.build import probe_key

    given = {"model": model, "budget": budget, "per_minute": per_minute, "seed": seed}
    settings = load_settings(config, store__url=store, **{f"probe__{key}": value for key, value in given.items()})
    address = url or f"http://{settings.listen.host}:{settings.listen.port}/v1"
    key = api_key or probe_key(settings.probe)
    if out is not None:
        prepare(out)
    found: list[Attempt] = []
    started = time.monotonic()
    # Ctrl-C ends probing, and what was found is told.
    with store_of(config, store) as shared, contextlib.suppress(KeyboardInterrupt):
        _rounds(settings.probe, shared, address, key, found, pause=0.0 if continuous else every and every * 60)
    _told(found, address, out, json=json, seconds=time.monotonic() - started)
    if any(each.outcome.value == "breached" for each in found):
        raise typer.Exit(1)


def _rounds(
    settings: "ProbeSettings", store: "Store", address: str, key: str, found: "list[Attempt]", *, pause: float | None
) -> None:
    """One round, or with `pause` (seconds from the start of one to the start of the next) one after the other."""
    from sisf.cli.progress import TerminalProgress
    from sisf.probe.build import create_agent
    from sisf.probe.target import GatewayTarget

    target = GatewayTarget(address, api_key=key, model=settings.model)
    try:
        while True:
            began = time.monotonic()
            with TerminalProgress() as progress:
                progress.begin(f"probing {address}", settings.budget)

                def seen(probe: "Attempt", progress: TerminalProgress = progress) -> None:
                    if not found:
                        _warn_of_strangers(store, probe)
                    found.append(probe)
                    progress.advance(_figures(found))

                create_agent(settings, target, store).probe(settings.budget, seen=seen)
                progress.end()
            if pause is None:
                return
            time.sleep(max(0.0, pause - (time.monotonic() - began)))
    finally:
        target.close()


def _figures(found: "Sequence[Attempt]") -> dict[str, str]:
    from sisf.probe.coverage import cover

    total = cover(found).total
    recent = cover(found[-100:]).total
    return {
        "through": str(total.breached),
        "mended": str(total.mended),
        "of the last 100": str(recent.breached),
    }


def _warn_of_strangers(store: "Store", probe: "Attempt") -> None:
    from sisf.errors import StoreError

    try:
        known = store.exchanges.get(probe.exchange_id).exchange.sender.is_probe
    except StoreError:
        return
    if not known:
        complain(
            "the gateway does not know the agent, and takes it for a user: set probe.key for both, or use a key of "
            "`sisf key create --role probe`"
        )


def _told(found: "Sequence[Attempt]", address: str, out: Path | None, *, json: bool, seconds: float) -> None:
    from sisf.probe.coverage import cover

    covered = cover(found)
    summary: dict[str, Any] = {"protocol": "probe", "target": address, "seconds": seconds, **covered.as_json()}
    if out is not None:
        from sisf.evaluation.report.probing import report
        from sisf.evaluation.report.writer import write

        write(out, report(summary, covered, found))
    if json:
        emit(summary)
        return
    _shown(covered)
    if out is not None:
        typer.echo(f"report: {out / 'report.html'}")


def _shown(covered: "Coverage") -> None:
    from rich.table import Table

    techniques = sorted({technique for _, technique in covered.cells})
    table = Table("probed · through · mended", box=None, pad_edge=False, header_style="bold")
    for technique in techniques:
        table.add_column(technique.value.replace("_", " "), justify="right")
    for hazard in sorted({hazard for hazard, _ in covered.cells}):
        cells = [covered.cells.get((hazard, technique)) for technique in techniques]
        table.add_row(hazard.label, *(cell.shown if cell else "–" for cell in cells))
    out = console()
    out.print(table)
    total, median = covered.total, covered.median_mending
    out.print(f"{total.breached} of {total.probed} probes got through; {total.mended} of these are stopped now")
    if median is not None:
        out.print(f"time to mitigation: half within {median:.2f} s, all within {max(covered.mending):.2f} s")
    if total.undecided:
        out.print(f"{total.undecided} answers are undecided and wait for a person")
