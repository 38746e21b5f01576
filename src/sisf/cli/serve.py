"""`sisf serve`: the gateway in front of a model, with the console beside it."""

import contextlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sisf.cli.base import ConfigOption, StoreOption, load_settings, origins_of
from sisf.cli.console_listener import console_running
from sisf.cli.policy_code import move_to_the_embedder_in_use

if TYPE_CHECKING:
    from sisf.bootstrap import System
    from sisf.gateway.app import Gateway
    from sisf.gateway.processes import Place
    from sisf.gateway.reload import Reloadable
    from sisf.gateway.siblings import Siblings
    from sisf.gateway.tracing import Tracing
    from sisf.gateway.webhooks import Webhooks
    from sisf.pipeline.metrics import Metrics
    from sisf.settings import Settings


def serve(
    config: ConfigOption = None,
    upstream: Annotated[str | None, typer.Option(help="Base URL of the OpenAI-compatible API to protect.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    store: StoreOption = None,
    mode: Annotated[str | None, typer.Option(help="enforce, or observe: log what would be blocked.")] = None,
    adjudication: Annotated[
        str | None,
        typer.Option(
            help="When answers are judged: async (after their release), inline (before), doubtful (before, where "
            "request or answer comes near to a policy) or off."
        ),
    ] = None,
) -> None:
    """Run the gateway until SIGTERM or SIGINT."""

    given = {
        "upstream__url": upstream,
        "listen__host": host,
        "listen__port": port,
        "store__url": store,
        "mode": mode,
        "adjudication__mode": adjudication,
    }

    def load() -> "Settings":
        return load_settings(config, **given)

    run(load(), load, origins_of(config, **given))


def run(
    settings: "Settings",
    load: Callable[[], "Settings"] | None = None,
    origins: Mapping[str, str] | None = None,
) -> None:
    """Check what can be checked, build, and serve. On SIGHUP, `load` gives the gateway's settings anew.

    Upstreams, limits, keys, modes and failure settings change then; the store, the judge and the loop stay as they are.
    `origins` says where settings come from, for the console.
    """
    from sisf.errors import ConfigurationError
    from sisf.gateway.processes import process_count
    from sisf.gateway.routing import configured
    from sisf.gateway.server import configure_logs, hear_reloads
    from sisf.gateway.upstream import Upstream
    from sisf.serving import bind

    hear_reloads()
    configure_logs(settings.log_level)
    if not settings.upstream.url and not settings.upstreams:
        raise ConfigurationError("upstream.url is not set: say which OpenAI-compatible API to protect (--upstream URL)")
    # Found out now, not after the models were loaded and the store was made.
    for name, upstream in configured(settings).items():
        Upstream(upstream, name)
    bind(settings.listen.host, settings.listen.port).close()
    if settings.admin.enabled:
        bind(settings.admin.host, settings.admin.port, section="admin").close()
    _warn(settings)
    settings = _knowing_the_probe(settings)
    if settings.embedder.rebuild:
        move_to_the_embedder_in_use(settings)
    again = (lambda: _knowing_the_probe(load())) if load else (lambda: settings)
    count = process_count(settings.listen.processes)
    if count == 1:
        _serve(settings, again, origins)
    else:
        _serve_in_processes(count, settings, again, origins)


def _serve_in_processes(
    count: int, settings: "Settings", again: Callable[[], "Settings"], origins: Mapping[str, str] | None
) -> None:
    """The parent: only the first process has a console, learns, and tells webhooks; one store holds what all do."""
    import secrets

    from sisf.gateway.processes import Processes
    from sisf.serving import address_of, bind

    _import_everything()
    listener = bind(settings.listen.host, settings.listen.port)
    token = secrets.token_urlsafe(24)

    def serve(place: "Place") -> None:
        own = settings if place.first else _for_others(settings)
        _serve(own, again, origins, place, token, address)

    address = address_of(listener)
    Processes(listener, count, serve, ready=lambda: _ready(address, settings)).run()


def _for_others(settings: "Settings") -> "Settings":
    """The settings of all processes but the first."""
    parts: dict[str, Any] = {
        "admin": settings.admin.model_copy(update={"enabled": False}),
        "loop": settings.loop.model_copy(update={"workers": 0}),
        "webhooks": type(settings.webhooks)(),
        "probe": settings.probe.model_copy(update={"enabled": False}),
    }
    return settings.model_copy(update=parts)


def _import_everything() -> None:
    """What a child needs is read before it is forked; nothing of it starts a thread."""
    import importlib

    for name in (
        "alembic.context",
        "onnxruntime",
        "sisf.bootstrap",
        "sisf.console.app",
        "sisf.gateway.app",
        "tokenizers",
        "uvicorn",
    ):
        importlib.import_module(name)
    from sisf.loop.benign_reference import shipped_reference

    shipped_reference()


def _serve(
    settings: "Settings",
    again: Callable[[], "Settings"],
    origins: Mapping[str, str] | None,
    place: "Place | None" = None,
    token: str = "",
    address: str = "",
) -> None:
    """Build and serve in this process: a port of its own, or a place among several behind `address`."""
    from sisf.bootstrap import build
    from sisf.gateway.server import serve as serve_gateway
    from sisf.gateway.server import serve_adopted
    from sisf.gateway.siblings import Siblings
    from sisf.gateway.tracing import Traced, Tracing

    tracing = Tracing.configured(settings.tracing)
    system = build(settings)
    siblings = Siblings(place.folder, place.index) if place is not None else None
    try:
        app, metrics = _application(settings, again, system, tracing, siblings)
        stack = contextlib.ExitStack()
        if settings.webhooks:
            stack.callback(webhooks_of(settings, system, metrics.failed_open).close)

        def ready(url: str) -> None:
            if place is None:
                _ready(url, settings)
            if settings.probe.enabled:
                stack.enter_context(_probing(settings, system, url))

        traced, listen = Traced(app, tracing) if tracing else app, settings.listen
        how: dict[str, Any] = {
            "reload": app.reload,
            "read_seconds": listen.read_timeout,
            "proxied": _proxied(settings),
        }
        with stack, console_running(settings, system, origins, token, metrics.failed_open):
            if place is None or siblings is None:
                serve_gateway(traced, listen.host, listen.port, ready=ready, **how)
            else:
                ready(address)
                serve_adopted(traced, place, began=lambda: siblings.listen(metrics.render), **how)
    finally:
        system.close()
        if tracing is not None:
            tracing.close()


def _application(
    settings: "Settings",
    again: Callable[[], "Settings"],
    system: "System",
    tracing: "Tracing | None",
    siblings: "Siblings | None",
) -> "tuple[Reloadable, Metrics]":
    """The gateway over a system, which takes the settings of `again` when it is told to; and what it counts."""
    import structlog

    from sisf.gateway.app import create_app
    from sisf.gateway.reload import Reloadable
    from sisf.settings.lasting import waiting_for_a_restart

    parts: dict[str, Any] = {
        "warden": system.warden,
        "loop": system.loop,
        "adjudicator": system.adjudicator,
        "store": system.store,
        "lifecycle": system.loop.lifecycle,
        "tracing": tracing,
        "siblings": siblings,
        "judges": system.breakers,
    }
    first = create_app(**parts, settings=settings)
    metrics = first.core.metrics
    system.loop.listen(metrics.heard)

    def anew() -> "Gateway":
        given = again()
        if waiting := waiting_for_a_restart(settings, given):
            structlog.get_logger("sisf.gateway").warning("restart_needed", settings=waiting)
        return create_app(**parts, settings=given, metrics=metrics)

    return Reloadable(first, anew), metrics


def _proxied(settings: "Settings") -> Callable[[str], bool] | None:
    """Says of whom a PROXY header is believed; None where connections have none."""
    from sisf.gateway.addresses import Proxies

    return Proxies(settings.callers).trusts if settings.listen.proxy_protocol else None


def _knowing_the_probe(settings: "Settings") -> "Settings":
    """The settings with the key of the probing agent: the one that is set, or that of this machine's user.

    Raises `ConfigurationError` where the gateway is to probe and there can be no key.
    """
    from pydantic import SecretStr

    from sisf.errors import ConfigurationError
    from sisf.probe.build import probe_key

    try:
        key = probe_key(settings.probe)
    except ConfigurationError:
        if settings.probe.enabled:
            raise
        return settings
    probe = settings.probe.model_copy(update={"key": SecretStr(key)})
    return settings.model_copy(update={"probe": probe})


def _probing(settings: "Settings", system: "System", url: str) -> contextlib.AbstractContextManager[object]:
    from sisf.probe.service import ProbeService

    typer.echo(f"probing itself: {settings.probe.budget} probes a round", err=True)
    return ProbeService(settings.probe, system.store, f"{url}/v1", settings.probe.key.get_secret_value())


def webhooks_of(settings: "Settings", system: "System", fail_opens: Callable[[], float]) -> "Webhooks":
    """Who is told what happens, from now on."""
    from sisf.gateway.webhooks import Webhooks

    made = Webhooks(
        settings.webhooks, system.store, tripped=system.loop.lifecycle.tripped, fail_opens=fail_opens
    ).start()
    system.loop.listen(made.heard)
    return made


def _warn(settings: "Settings") -> None:
    """Say what is open to everybody who reaches it."""
    import structlog

    from sisf.serving import is_loopback

    if not settings.keys.file and not is_loopback(settings.listen.host):
        structlog.get_logger("sisf.gateway").warning(
            "open_to_all",
            host=settings.listen.host,
            advice="no key is asked for: everybody who reaches this address may use the model. Set keys.file and make "
            "keys with `sisf key create`, or listen on 127.0.0.1",
        )
    if settings.admin.enabled and not is_loopback(settings.admin.host) and not settings.admin.url.startswith("https"):
        structlog.get_logger("sisf.gateway").warning(
            "console_open_to_all",
            host=settings.admin.host,
            advice="the console shows what clients say, and its sign-in crosses the network in clear: serve it behind "
            "TLS and set admin.url, or let it listen on 127.0.0.1",
        )


def _ready(url: str, settings: "Settings") -> None:
    typer.echo(f"SISF stands at {url}/v1 in front of {settings.upstream.url} ({settings.mode})", err=True)
