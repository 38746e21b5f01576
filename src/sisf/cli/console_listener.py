"""The oversight pages beside a gateway, on a listener of their own."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from sisf.bootstrap import System
    from sisf.llm.base import ChatModel
    from sisf.settings import Settings


@contextlib.contextmanager
def console_running(
    settings: "Settings",
    system: "System",
    origins: Mapping[str, str] | None = None,
    made: str = "",
    fail_opens: Callable[[], float] | None = None,
) -> Iterator[None]:
    """The oversight pages on their own listener, while the block runs; says how to open them. `made`: the token that
    opens them where the settings have none."""
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
    token = given or ("" if admin.oidc.issuer else made or secrets.token_urlsafe(24))
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
        model=_model_to_ask(settings),
        fail_opens=fail_opens,
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


def _model_to_ask(settings: "Settings") -> "ChatModel | None":
    """The protected model as people may ask it from the console."""
    if not settings.admin.try_model or not settings.upstream.url:
        return None
    from pydantic import SecretStr

    from sisf.llm.client import OpenAIChatModel
    from sisf.settings.learning import ModelEndpoint

    key = settings.upstream.api_key.get_secret_value() or "none"
    endpoint = ModelEndpoint(
        model=settings.admin.try_model, base_url=settings.upstream.url, api_key=SecretStr(key), timeout=60.0, retries=0
    )
    return OpenAIChatModel(endpoint)
