"""`sisf demo`: an unprotected model, attacks, and a gateway that learns; on this machine, in a minute or two."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sisf.cli.base import JsonOption, emit

if TYPE_CHECKING:
    from sisf.evaluation.demo.stage import Stage

_DEFAULT_PORT = 8400


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the report and the store.")] = Path("sisf-demo"),
    attacks: Annotated[int | None, typer.Option(min=1, help="Send at most so many attacks.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the order.")] = 0,
    serve: Annotated[bool, typer.Option("--serve", help="Keep the gateway up afterwards, until Ctrl-C.")] = False,
    json: JsonOption = False,
) -> None:
    """Show the whole loop at work: attacks come in, breaches are found, policies written, attacks stopped."""
    from sisf.cli.demo_screen import closing, opening, screen
    from sisf.evaluation.demo.drive import as_run, drive
    from sisf.evaluation.demo.programme import choose
    from sisf.evaluation.demo.stage import stage
    from sisf.evaluation.protocols.learn.page import report
    from sisf.evaluation.report.writer import prepare, write
    from sisf.gateway.server import configure_logs

    configure_logs("error")
    prepare(out)
    programme = choose(attacks, seed=seed)
    port = _free(_DEFAULT_PORT) if serve else 0
    opening(programme)
    with stage(programme, out, port=port) as running:
        started = time.monotonic()
        with screen(running) as view:
            account = drive(running, programme, view)
        run = as_run(running, programme, account, seed=seed, seconds=time.monotonic() - started)
        summary = write(out, report(run, _settings(running)))
        if json:
            emit({**summary, "out": str(out)})
        else:
            closing(account, summary, out)
        if serve:
            _stay(running)


def _settings(running: "Stage") -> dict[str, Any]:
    return {
        "model": "recorded answers, else the scripted model `unaligned`",
        "adjudicator": running.system.adjudicator.name,
        "labels": "recorded",
        "labels_independent": True,
        "synthesiser": running.system.synthesiser.name,
        "mode": "async, over HTTP",
        "baselines": [],
        "embedder": running.system.embedder.id,
    }


def _free(port: int) -> int:
    """The usual port when nobody has it, else any free one."""
    from sisf.errors import ConfigurationError
    from sisf.serving import bind

    try:
        bind("127.0.0.1", port).close()
    except ConfigurationError:
        return 0
    return port


def _stay(running: "Stage") -> None:
    import threading

    from sisf.cli.serve import console_running

    port = _free(running.settings.admin.port)
    typer.echo(f"\nThe gateway stays up at {running.url} with what it has learned; Ctrl-C ends it.", err=True)
    settings = running.settings.model_copy(update={"admin": running.settings.admin.model_copy(update={"port": port})})
    with console_running(settings, running.system):
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            typer.echo("stopped", err=True)
