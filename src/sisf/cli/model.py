"""`sisf model serve`: models behind a real HTTP API: the shipped ones, and any that `transformers` loads."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sisf.cli.base import group, text_of
from sisf.errors import quoted

if TYPE_CHECKING:
    from sisf.serving import AsgiApp

app = group("Serve a model to protect, for trials and experiments.")


@app.callback()
def _group() -> None:
    """Keep `serve` a sub-command: typer folds groups of one."""


@app.command()
def serve(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME_OR_FOLDER",
            help="unaligned (complies with everything, with filler), recorded, or a causal model that transformers "
            "loads (extra `hf`).",
        ),
    ],
    data: Annotated[
        str, typer.Option(help="Data sets whose answers `recorded` replays, separated by commas.")
    ] = "advbench",
    template: Annotated[
        Path | None, typer.Option(help="A Jinja file that renders messages to one prompt [default: the model's own].")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, …; auto takes a GPU if there is one.")] = "auto",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 takes a free one.")] = 8001,
) -> None:
    """Serve a model as an OpenAI-compatible API until SIGTERM or SIGINT.

    The shipped ones answer as Anthropic's API too, under /v1/messages.

    A transformers model answers with the paper's sampling unless a request says otherwise: 256 new tokens,
    temperature 0.6, top-p 0.9.
    """
    from sisf.gateway.server import configure_logs
    from sisf.gateway.server import serve as serve_app

    configure_logs("warning")
    served = _served(name, data, template, device)
    serve_app(
        served, host, port, section="", ready=lambda url: typer.echo(f"model {quoted(name)} at {url}/v1", err=True)
    )


def _served(name: str, data: str, template: Path | None, device: str) -> "AsgiApp":
    from sisf.llm.recorded import RecordedModel
    from sisf.llm.server import create_app
    from sisf.llm.unaligned import UnalignedModel

    if name == "unaligned":
        return create_app([UnalignedModel()])
    if name == "recorded":
        return create_app([RecordedModel(_answers(data))])
    from sisf.llm.hf import HfModel
    from sisf.llm.hf_server import create_app as create_hf_app

    return create_hf_app(HfModel(name, template=text_of(template) if template else "", device=device))


def _answers(data: str) -> Mapping[str, str]:
    from sisf import datasets

    sets = datasets.load_all(part.strip() for part in data.split(",") if part.strip())
    return {r.prompt: r.response for d in sets for r in d.records if r.response is not None}
