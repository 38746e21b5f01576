"""The command `sisf`: sub-commands import what they need when they run."""

import os
import sys
from collections.abc import Callable
from typing import Any

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
    prepare,
    probe,
    serve,
    session,
)
from sisf.cli.base import SisfGroup, say_what_can_be_said

_COMMANDS: dict[str, "typer.Typer | Callable[..., None]"] = {
    "demo": demo.demo,
    "init": init.init,
    "serve": serve.serve,
    "prepare": prepare.prepare,
    "doctor": doctor.doctor,
    "check": check.check,
    "policy": policy.app,
    "breach": breach.app,
    "exchange": exchange.app,
    "note": note.app,
    "enforcement": enforcement.app,
    "audit": audit.app,
    "key": key.app,
    "session": session.app,
    "worker": fleet.worker,
    "fleet": fleet.fleet,
    "adjudicator": adjudicator.app,
    "probe": probe.probe,
    "evaluate": evaluate.app,
    "bench": bench.app,
    "data": data.app,
    "model": model.app,
    "completion": completion.completion,
}
"""In the order in which a newcomer needs them, which is that of the help."""


class _Root(SisfGroup):
    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - one order for all
        return list(_COMMANDS)


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help=sisf.__doc__,
    cls=_Root,
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


for _name, _command in _COMMANDS.items():
    if isinstance(_command, typer.Typer):
        app.add_typer(_command, name=_name)
    else:
        app.command(_name)(_command)


def main() -> None:
    """What `sisf.__main__` runs."""
    say_what_can_be_said()
    if completion.VARIABLE in os.environ:
        completion.prepare()
    app(prog_name="sisf")
