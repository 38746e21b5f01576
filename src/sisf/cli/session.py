"""`sisf session`: who is signed in on a running console; the sessions live in its process, so it is asked."""

import json as jsons
import urllib.error
import urllib.request
from typing import Annotated, Any

import typer

from sisf.cli.base import ConfigOption, JsonOption, emit, group, load_settings, print_rows, shown

app = group("List and end the sessions of a running console, and make sign-in links.")

Console = Annotated[str | None, typer.Option("--console", help="Its address [default: admin.host and admin.port].")]
Key = Annotated[
    str | None,
    typer.Option("--key", envvar="SISF_CONSOLE_KEY", help="A token or admin key [default: admin.token]."),
]
_SECONDS = 10.0


@app.command("list")
def list_sessions(
    address: Console = None, key: Key = None, config: ConfigOption = None, json: JsonOption = False
) -> None:
    """Show who is signed in, the newest first."""
    found = _ask(config, address, key, "GET", "/api/sessions")
    if json:
        emit(found)
        return
    cells = [[shown(str(s[name] or "–")) for name in ("id", "name", "role", "began", "address", "key")] for s in found]
    print_rows(("id", "name", "role", "since", "from", "key"), cells, empty="nobody is signed in")


@app.command()
def end(
    session: Annotated[str, typer.Argument(metavar="ID", help="As `sisf session list` shows it.")],
    address: Console = None,
    key: Key = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Sign somebody out."""
    from urllib.parse import quote

    ended = _ask(config, address, key, "DELETE", f"/api/sessions/{quote(session, safe='')}")
    if json:
        emit(ended)
    else:
        typer.echo(f"the session of {shown(ended['name'])} is over")


@app.command()
def link(
    name: Annotated[str, typer.Argument(help="Who is let in.")],
    role: Annotated[str, typer.Option(help="What that person may do: viewer, operator or admin.")] = "viewer",
    address: Console = None,
    key: Key = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Make a link that signs somebody in once, within 15 minutes."""
    made = _ask(config, address, key, "POST", "/api/sessions", {"name": name, "role": role})
    whole = {**made, "url": f"{_address(config, address)}{made['path']}"}
    if json:
        emit(whole)
    else:
        typer.echo(whole["url"])


def _address(config: Any, given: str | None) -> str:
    from sisf.errors import ConfigurationError

    admin = load_settings(config).admin
    address = (given or admin.url or f"http://{admin.host}:{admin.port}").rstrip("/")
    if not address.startswith(("http://", "https://")):
        raise ConfigurationError(f"--console {address}: must begin with http:// or https://")
    return address


def _ask(config: Any, address: str | None, key: str | None, method: str, path: str, body: Any = None) -> Any:
    """What the console answers. Raises `ConfigurationError` that says what to do when it does not let us in."""
    from sisf.errors import ConfigurationError

    secret = key or load_settings(config).admin.token.get_secret_value()
    if not secret:
        raise ConfigurationError("give the console's token or an admin key: --key, SISF_CONSOLE_KEY or admin.token")
    where = _address(config, address)
    headers = {"authorization": f"Bearer {secret}", "content-type": "application/json"}
    data = None if body is None else jsons.dumps(body).encode()
    request = urllib.request.Request(f"{where}{path}", data, headers, method=method)  # noqa: S310 - checked above
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - checked above
            return jsons.load(answer)
    except urllib.error.HTTPError as error:
        raise ConfigurationError(f"{where}: {_said(error)}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise ConfigurationError(f"{where}: no console answers there ({reason}); name it with --console") from None


def _said(error: urllib.error.HTTPError) -> str:
    try:
        return str(jsons.load(error)["error"])
    except (ValueError, KeyError, TypeError):
        return f"status {error.code}"
