"""`sisf init`: a configuration to start from."""

from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

UPSTREAM = "http://127.0.0.1:8000/v1"


def init(
    file: Annotated[Path, typer.Argument(help="The file to write.")] = Path("sisf.yaml"),
    upstream: Annotated[str, typer.Option(help="Base URL of the OpenAI-compatible API to protect.")] = UPSTREAM,
) -> None:
    """Write a commented starter configuration that `sisf serve` accepts. Never overwrites a file."""
    from sisf.errors import ConfigurationError
    from sisf.gateway.upstream import Upstream
    from sisf.settings import load

    text = starter(upstream)
    try:
        with file.open("x", encoding="utf-8") as new:
            try:
                new.write(text)
                new.flush()
                Upstream(load(file, environment={}).upstream)
            except BaseException:
                file.unlink()
                raise
    except FileExistsError:
        raise ConfigurationError(f"{file} exists and stays as it is: name another file, or move it away") from None
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be written: {error.strerror}") from None
    typer.echo(f"{file} written. Next: sisf serve --config {file}")


def starter(upstream: str) -> str:
    """The text of the starter."""
    import json

    template = resources.files("sisf.cli").joinpath("starter.yaml").read_text(encoding="utf-8")
    return template.replace(f'"{UPSTREAM}"', json.dumps(upstream), 1)
