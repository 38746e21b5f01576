"""`sisf worker` and `sisf fleet`: the loop's work in a process of its own, and all who share a store."""

import signal
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from sisf.cli.base import (
    ConfigOption,
    JsonOption,
    StoreOption,
    console,
    emit,
    load_settings,
    print_rows,
    shown,
    store_of,
)
from sisf.errors import counted

if TYPE_CHECKING:
    from sisf.bootstrap import System
    from sisf.settings import Settings

_GONE_SECONDS = 15


def worker(
    config: ConfigOption = None,
    store: StoreOption = None,
    workers: Annotated[int, typer.Option(min=1, help="Exchanges that are worked on at a time.")] = 2,
) -> None:
    """Do the loop's work (judging, writing policies) until SIGTERM or SIGINT, for gateways on the same store."""
    from sisf.bootstrap import build
    from sisf.errors import ConfigurationError
    from sisf.gateway.server import configure_logs

    settings = load_settings(config, store__url=store, loop__workers=workers)
    if settings.store.url == "memory:":
        raise ConfigurationError("store.url: `memory:` is seen by one process only; a worker needs the gateways' store")
    configure_logs(settings.log_level)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    system = build(settings, role="worker")
    try:
        _show_metrics(settings, system)
        typer.echo(f"SISF works on {system.store_url} with {workers} threads", err=True)
        ended.wait()
    finally:
        system.close()


def _show_metrics(settings: "Settings", system: "System") -> None:
    """What the loop does in this process, where a port for it is set."""
    if not settings.loop.metrics_port:
        return
    from sisf.gateway.store_metrics import metrics_app
    from sisf.serving import Background

    background = Background(metrics_app(system.store, system.loop), settings.listen.host, settings.loop.metrics_port)
    background.start()
    typer.echo(f"metrics: {background.url}/metrics", err=True)


def fleet(config: ConfigOption = None, store: StoreOption = None, json: JsonOption = False) -> None:
    """Show who shares the store, which revision each enforces, and how far behind it is."""
    from datetime import UTC, datetime

    with store_of(config, store) as opened:
        nodes, latest = opened.nodes.list(), opened.policies.snapshot().revision
    now = datetime.now(UTC)
    rows = [
        {
            "name": node.name,
            "role": node.role,
            "address": node.address,
            "revision": node.revision,
            "behind": latest - node.revision,
            "seen_seconds_ago": round((now - node.seen).total_seconds(), 1),
            "gone": (now - node.seen).total_seconds() > _GONE_SECONDS,
        }
        for node in nodes
    ]
    if json:
        emit({"revision": latest, "nodes": rows})
        return
    headings = ("name", "role", "address", "revision", "behind")
    cells = [
        [*(shown(str(row[k])) for k in headings), "gone" if row["gone"] else f"{row['seen_seconds_ago']} s ago"]
        for row in rows
    ]
    print_rows(("node", *headings[1:], "seen"), cells, empty="no node has signed in to this store yet")
    nodes_said = counted(len(rows), "node")
    console().print(f"{nodes_said}, the newest revision is {latest}", style="dim")
