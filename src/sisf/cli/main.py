"""The command `sisf`: sub-commands import what they need when they run."""

import typer

import sisf

app = typer.Typer(no_args_is_help=True, add_completion=False, help=sisf.__doc__)


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Show the version and exit.")) -> None:
    if version:
        typer.echo(f"sisf {sisf.__version__}")
        raise typer.Exit


def main() -> None:
    """Entry point."""
    app()
