"""`sisf bench`: speed, always as a ratio to a reference measured in the same run."""

import importlib
from typing import Annotated, Any

import typer

from sisf.cli.base import JsonOption, console, emit, group

app = group("Measure speed against references in the same run.")

Seed = Annotated[int, typer.Option(help="Seed of the generated policies and texts.")]


@app.command()
def warden(seed: Seed = 0, json: JsonOption = False) -> None:
    """Measure the Warden: heuristics against a loop over `re`, a check against one forward pass, growth, swaps,
    memory.
    """
    _bench("warden", seed, json=json)


@app.command()
def gateway(seed: Seed = 0, json: JsonOption = False) -> None:
    """Measure the gateway: added latency, CPU against a pass-through, streaming."""
    _bench("gateway", seed, json=json)


@app.command()
def loop(seed: Seed = 0, json: JsonOption = False) -> None:
    """Measure the loop: rows and iterations per second for each store, and the time from verdict to enforcement."""
    _bench("loop", seed, json=json)


@app.command()
def judge(seed: Seed = 0, json: JsonOption = False) -> None:
    """Measure the local judge: time for a pair, also with an answer of 200,000 characters, against one forward pass."""
    _bench("judge", seed, json=json)


def _bench(what: str, seed: int, *, json: bool) -> None:
    """Every bench is a module of `sisf.evaluation.bench` with `run(seed)`, which returns `ratios` and `figures`."""
    from sisf.gateway.server import configure_logs

    configure_logs("warning")  # a line for each exchange would hide the figures
    result = importlib.import_module(f"sisf.evaluation.bench.{what}").run(seed)
    if json:
        emit(result)
    else:
        _show(result)


def _show(result: Any) -> None:
    from rich.table import Table

    table = Table("figure", "value", box=None, pad_edge=False, header_style="bold")
    for section in ("ratios", "figures"):
        for name, value in result[section].items():
            for key, number in (value if isinstance(value, dict) else {"": value}).items():
                table.add_row(f"{name} {key}".strip(), f"{number:,.3g}×" if section == "ratios" else f"{number:,.4g}")
    console().print(table)
