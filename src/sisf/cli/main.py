"""The command `sisf`: sub-commands import what they need when they run."""

import os
import sys

import typer

import sisf
from sisf.cli import (
    adjudicator,
    audit,
    bench,
    breach,
    check,
    completion,
    data,
    demo,
    doctor,
    enforcement,
    evaluate,
    exchange,
    fleet,
    init,
    key,
    model,
    note,
    policy,
    probe,
    serve,
    session,
)
from sisf.cli.base import SisfGroup, say_what_can_be_said

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help=sisf.__doc__,
    cls=SisfGroup,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Show the version and exit.")) -> None:
    if version:
        typer.echo(f"sisf {sisf.__version__}")
        raise typer.Exit
    _log_to_standard_error()


def _log_to_standard_error() -> None:
    """Standard output is for what was asked, standard error for what went wrong. Commands that serve configure their
    logs further."""
    import logging

    import structlog

    if not structlog.is_configured():
        structlog.configure(
            wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
            logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        )


app.command("demo")(demo.demo)
app.command("serve")(serve.serve)
app.command("worker")(fleet.worker)
app.command("fleet")(fleet.fleet)
app.command("init")(init.init)
app.command("check")(check.check)
app.add_typer(data.app, name="data")
app.command("completion")(completion.completion)
app.add_typer(policy.app, name="policy")
app.add_typer(breach.app, name="breach")
app.add_typer(audit.app, name="audit")
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(bench.app, name="bench")
app.command("probe")(probe.probe)
app.command("doctor")(doctor.doctor)
app.add_typer(model.app, name="model")
app.add_typer(adjudicator.app, name="adjudicator")
app.add_typer(exchange.app, name="exchange")
app.add_typer(enforcement.app, name="enforcement")
app.add_typer(key.app, name="key")
app.add_typer(note.app, name="note")
app.add_typer(session.app, name="session")


def main() -> None:
    """Entry point."""
    say_what_can_be_said()
    if completion.VARIABLE in os.environ:
        completion.prepare()
    app(prog_name="sisf")
