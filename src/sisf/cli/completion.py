"""`sisf completion`: what a shell needs to complete commands and options."""

from typing import Annotated

import typer

VARIABLE = "_SISF_COMPLETE"
SHELLS = ("bash", "zsh", "fish")


def completion(
    shell: Annotated[str, typer.Argument(help="bash, zsh or fish.")],
) -> None:
    """Print a completion script: `sisf completion bash >> ~/.bashrc`, and the same for zsh (~/.zshrc); for fish,
    `sisf completion fish > ~/.config/fish/completions/sisf.fish`."""
    from typer._completion_shared import get_completion_script

    from sisf.errors import ConfigurationError, quoted

    if shell not in SHELLS:
        raise ConfigurationError(f"completion is there for {', '.join(SHELLS)}, not for {quoted(shell)}")
    typer.echo(get_completion_script(prog_name="sisf", complete_var=VARIABLE, shell=shell))


def prepare() -> None:
    """The command line is asked to complete what somebody types: use the protocol of the scripts above."""
    from typer._completion_classes import completion_init

    completion_init()
