"""`sisf demo`: an unprotected model, attacks, and a gateway that learns; on this machine, in a minute or two."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sisf.cli.base import JsonOption, emit

if TYPE_CHECKING:
    from sisf.evaluation.demo.stage import Stage

_DEFAULT_PORT = 8400


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the report and the store.")] = Path("sisf-demo"),
    data: Annotated[
        str | None,
        typer.Option(
            help="Data set of attacks, fetched once where it is public [default: advbench if there, else samples]."
        ),
    ] = None,
    attacks: Annotated[int | None, typer.Option(min=1, help="Send at most so many attacks.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the order.")] = 0,
    serve: Annotated[bool, typer.Option("--serve", help="Keep the gateway up afterwards, until Ctrl-C.")] = False,
    json: JsonOption = False,
) -> None:
    """Show the whole loop at work: attacks come in, breaches are found, policies written, attacks stopped."""
    from sisf.cli.demo_screen import opening, screen
    from sisf.cli.demo_story import closing
    from sisf.evaluation.demo.account import after_person
    from sisf.evaluation.demo.drive import as_run, drive
    from sisf.evaluation.demo.programme import choose
    from sisf.evaluation.demo.stage import stage
    from sisf.evaluation.demo.story import tell
    from sisf.evaluation.protocols.learn.page import report
    from sisf.evaluation.report.writer import prepare, write
    from sisf.gateway.server import configure_logs

    configure_logs("error")
    programme = choose(attacks, seed=seed, data=data)
    prepare(out)
    port = _free(_DEFAULT_PORT) if serve else 0
    opening(programme)
    with stage(programme, out, port=port) as running:
        started = time.monotonic()
        with screen(running) as view:
            account = drive(running, programme, view, person=not serve)
        run = as_run(running, programme, account, seed=seed, seconds=time.monotonic() - started)
        summary = write(out, report(run, _settings(running) | after_person(account)))
        told = None if json else tell(running, programme, account)
        with _console(running) if serve else nullcontext("") as queue:
            if json:
                emit({**summary, "out": str(out)})
            else:
                closing(account, programme, told, summary, out, queue=queue)
            if serve:
                _stay(running)


def _settings(running: "Stage") -> dict[str, Any]:
    return {
        "model": "recorded answers, else the scripted model that complies",
        "adjudicator": running.system.adjudicator.name,
        "labels": "recorded",
        "labels_independent": True,
        "synthesiser": running.system.synthesiser.name,
        "mode": "async, over HTTP",
        "baselines": [design.name for design in running.designs[1:]],
        "embedder": running.system.embedder.id,
    }


def _free(port: int) -> int:
    """The usual port when nobody has it, else one that the system offers."""
    from sisf.errors import ConfigurationError
    from sisf.serving import bind

    try:
        bind("127.0.0.1", port).close()
    except ConfigurationError:
        with bind("127.0.0.1", 0) as offered:
            port = offered.getsockname()[1]
    return port


@contextmanager
def _console(running: "Stage") -> Iterator[str]:
    """The console over what was learned; the address of its queue."""
    from sisf.cli.console_listener import console_running

    port = _free(running.settings.admin.port)
    admin = running.settings.admin.model_copy(update={"port": port})
    typer.echo("", err=True)
    with console_running(running.settings.model_copy(update={"admin": admin}), running.system):
        yield f"http://{admin.host}:{port}/queue"


def _stay(running: "Stage") -> None:
    import threading

    typer.echo(f"\nThe gateway stays up at {running.url} with what it has learned; Ctrl-C ends it.", err=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)
