"""`sisf model serve`: the shipped models behind a real HTTP API, to try the gateway on."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from sisf.cli.base import group

if TYPE_CHECKING:
    from sisf.llm.base import ChatModel

app = group("Models to protect, for trials and experiments.")


@app.callback()
def _group() -> None:
    """Keep `serve` a sub-command: typer folds groups of one."""


@app.command()
def serve(
    name: Annotated[str, typer.Argument(help="unaligned (complies with everything, with filler) or recorded.")],
    data: Annotated[
        str, typer.Option(help="Data sets whose answers `recorded` replays, separated by commas.")
    ] = "advbench",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8001,
) -> None:
    """Serve a shipped model as an OpenAI-compatible API until SIGTERM or SIGINT."""
    from sisf.gateway.server import configure_logs
    from sisf.gateway.server import serve as serve_app
    from sisf.llm.server import create_app

    configure_logs("warning")
    model = _model(name, data)
    serve_app(create_app([model]), host, port, ready=lambda url: typer.echo(f"model `{name}` at {url}/v1", err=True))


def _model(name: str, data: str) -> "ChatModel":
    from sisf.errors import ConfigurationError
    from sisf.llm.recorded import RecordedModel
    from sisf.llm.unaligned import UnalignedModel

    if name == "unaligned":
        return UnalignedModel()
    if name != "recorded":
        raise ConfigurationError(f"there is no model {name!r}: choose `unaligned` or `recorded`")
    return RecordedModel(_answers(data))


def _answers(data: str) -> Mapping[str, str]:
    from sisf.evaluation import datasets

    sets = datasets.load_all(part.strip() for part in data.split(",") if part.strip())
    return {r.prompt: r.response for d in sets for r in d.records if r.response is not None}
