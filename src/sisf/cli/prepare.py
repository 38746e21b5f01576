"""`sisf prepare`: what a first start would make others wait for, done beforehand."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from sisf.cli.base import ConfigOption, JsonOption, console, emit, load_settings


def prepare(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Do beforehand what the first start does: convert models, fit the local judge, embed what ships.

    For images and for machines that must be quick from their first second. All of it goes to the cache (the folder that
    SISF_CACHE_DIR names); what is there already is not done again. The store is not touched.
    """
    from sisf.bootstrap import build
    from sisf.settings import cache_dir

    settings = load_settings(config, store__url="memory:", loop__workers=0)
    folder = cache_dir()
    _require_writable(folder)
    started = time.perf_counter()
    with _said("converting models, fitting the judge, embedding what ships: one to five minutes, by the machine"):
        system = build(settings)
        try:
            system.embedder.embed(["The first text loads the encoder."])
            system.loop.prepare()
        finally:
            system.close()
    seconds = time.perf_counter() - started
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
    if json:
        emit({"cache": str(folder), "megabytes": round(size, 1), "seconds": round(seconds, 1)})
    else:
        typer.echo(f"prepared in {seconds:.0f} s: {folder} ({size:.0f} MB). The next start finds it there.")


def _require_writable(folder: Path) -> None:
    """Raises `ConfigurationError` where nothing can be kept: what is prepared would be lost."""
    from sisf.errors import ConfigurationError
    from sisf.files import make_writable

    try:
        make_writable(folder)
    except OSError as error:
        why = f"the cache {folder} cannot be written ({error.strerror})"
        raise ConfigurationError(f"{why}; set SISF_CACHE_DIR to a folder that can") from None


@contextmanager
def _said(what: str) -> Iterator[None]:
    """What is being done, on standard error: a line that moves on a terminal."""
    out = console(stderr=True)
    if not out.is_terminal:
        out.print(f"{what} …", style="dim")
        yield
        return
    with out.status(what):
        yield
