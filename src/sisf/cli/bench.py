"""`sisf bench`: speed, always as a ratio to a reference measured in the same run."""

from typing import Annotated, Any

import typer

from sisf.cli.base import JsonOption, console, emit, group

app = group("Measure speed against references in the same run.")

Seed = Annotated[int, typer.Option(help="Seed of the generated policies and texts.")]


@app.command()
def warden(seed: Seed = 0, json: JsonOption = False) -> None:
    """The Warden: heuristics against a loop over `re`, a check against one forward pass, growth, swaps, memory."""
    from sisf.evaluation.bench_warden import bench_warden

    _told(bench_warden(seed=seed), json=json)


@app.command()
def gateway(seed: Seed = 0, json: JsonOption = False) -> None:
    """The gateway: added latency, CPU against a pass-through, streaming."""
    from sisf.evaluation.bench_gateway import bench_gateway

    _told(bench_gateway(seed=seed), json=json)


@app.command()
def loop(seed: Seed = 0, json: JsonOption = False) -> None:
    """The loop: rows and iterations per second for each store, and the time from verdict to enforcement."""
    from sisf.evaluation.bench_loop import bench_loop

    _told(bench_loop(seed=seed), json=json)


def _told(result: Any, *, json: bool) -> None:
    if json:
        emit(result)
        return
    from rich.table import Table

    table = Table("figure", "value", box=None, pad_edge=False, header_style="bold")
    for section in ("ratios", "figures"):
        for name, value in result[section].items():
            shown = value if isinstance(value, dict) else {"": value}
            for key, number in shown.items():
                label = f"{name} {key}".strip()
                table.add_row(label, f"{number:,.3g}×" if section == "ratios" else f"{number:,.4g}")
    console().print(table)
