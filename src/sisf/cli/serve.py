"""`sisf serve`: the gateway in front of a model, with the console beside it."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sisf.cli.base import ConfigOption, StoreOption, load_settings, origins_of

if TYPE_CHECKING:
    from sisf.bootstrap import System
    from sisf.gateway.webhooks import Webhooks
    from sisf.settings import Settings


def serve(
    config: ConfigOption = None,
    upstream: Annotated[str | None, typer.Option(help="Base URL of the OpenAI-compatible API to protect.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    store: StoreOption = None,
    mode: Annotated[str | None, typer.Option(help="enforce, or observe: log what would be blocked.")] = None,
    adjudication: Annotated[str | None, typer.Option(help="async, inline or off.")] = None,
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
    from sisf.bootstrap import build
    from sisf.errors import ConfigurationError
    from sisf.gateway.app import create_app
    from sisf.gateway.reload import Reloadable
    from sisf.gateway.server import configure_logs
    from sisf.gateway.server import serve as serve_gateway
    from sisf.gateway.tracing import Traced, Tracing
    from sisf.serving import bind

    configure_logs(settings.log_level)
    if not settings.upstream.url and not settings.upstreams:
        raise ConfigurationError("upstream.url is not set: say which OpenAI-compatible API to protect (--upstream URL)")
    # Found out now, not after the models were loaded.
    bind(settings.listen.host, settings.listen.port).close()
    if settings.admin.enabled:
        bind(settings.admin.host, settings.admin.port, section="admin").close()
    _warn(settings)
    tracing = Tracing.configured(settings.tracing)
    system = build(settings)
    try:
        parts: dict[str, Any] = {
            "warden": system.warden,
            "loop": system.loop,
            "adjudicator": system.adjudicator,
            "store": system.store,
            "oversight": system.loop.lifecycle,
        }
        first = create_app(**parts, settings=settings, tracing=tracing)
        system.loop.listen(first.core.metrics.heard)
        stack = contextlib.ExitStack()
        if settings.webhooks:
            stack.callback(webhooks_of(settings, system, first.core.metrics.failed_open).close)
        again = load or (lambda: settings)
        app = Reloadable(
            first, lambda: create_app(**parts, settings=again(), metrics=first.core.metrics, tracing=tracing)
        )
        with stack, console_running(settings, system, origins):
            serve_gateway(
                Traced(app, tracing) if tracing else app,
                settings.listen.host,
                settings.listen.port,
                ready=lambda url: _ready(url, settings),
                reload=app.reload,
                read_seconds=settings.listen.read_timeout,
            )
    finally:
        system.close()
        if tracing is not None:
            tracing.close()


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


@contextlib.contextmanager
def console_running(settings: "Settings", system: "System", origins: Mapping[str, str] | None = None) -> Iterator[None]:
    """The oversight pages on their own listener, while the block runs; says how to open them."""
    if not settings.admin.enabled:
        yield
        return
    import secrets
    from pathlib import Path

    from sisf.console.app import create_console, create_sessions
    from sisf.console.roles import Role
    from sisf.gateway.identity import KeyFile
    from sisf.serving import Background

    admin = settings.admin
    given = admin.token.get_secret_value()
    token = given or ("" if admin.oidc.issuer else secrets.token_urlsafe(24))
    keys = KeyFile(Path(settings.keys.file)) if settings.keys.file else None
    sessions = create_sessions(admin, keys)
    console = create_console(
        system.store,
        token=token,
        keys=keys,
        settings=admin,
        lifecycle=system.loop.lifecycle,
        warden=system.warden,
        configuration=settings,
        origins=origins,
        follow=system.loop.suspensions.follow,
        sessions=sessions,
    )
    with Background(console, admin.host, admin.port, section="admin") as listener:
        shown = admin.url or listener.url
        if given or not token:
            typer.echo(f"console: {shown}/", err=True)
        else:
            link = sessions.link("console", Role.ADMIN)
            typer.echo(f"console: {shown}/login?link={link}", err=True)
            typer.echo(f"  the link signs in once, within 15 minutes; later this token does: {token}", err=True)
        yield
