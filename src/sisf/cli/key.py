"""`sisf key`: who may call the gateway."""

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from sisf.cli.base import ConfigOption, JsonOption, emit, group, load_settings, moment, print_rows, shown
from sisf.errors import quoted

if TYPE_CHECKING:
    from sisf.gateway.identity import Key, KeyFile

app = group("Create, list and revoke API keys of the gateway.")

FileOption = Annotated[str | None, typer.Option("--file", help="The file of keys [default: keys.file].")]


@app.command()
def create(
    tenant: Annotated[
        str, typer.Option(help="Whose traffic it is, and, but for `default`, all that the console shows.")
    ] = "default",
    principal: Annotated[str, typer.Option(help="Who calls with it [default: the tenant].")] = "",
    role: Annotated[
        str,
        typer.Option(
            help="client, or probe for the probing agent, call the gateway; viewer, operator open the console; admin."
        ),
    ] = "client",
    requests_per_minute: Annotated[int, typer.Option(min=0, help="Requests a minute; 0: as the settings say.")] = 0,
    body_bytes: Annotated[int, typer.Option(min=0, help="Bytes that a request may hold; 0: as the settings say.")] = 0,
    file: FileOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Make a key. It is shown once; only its hash is kept."""
    from sisf.errors import ConfigurationError
    from sisf.pipeline.caller import Role

    if role not in (known := get_args(Role)):
        raise ConfigurationError(f"--role: {quoted(role)} is none of {', '.join(known)}")
    secret, key = _file(file, config).create(
        tenant=tenant,
        principal=principal,
        role=role,  # type: ignore[arg-type]
        requests_per_minute=requests_per_minute,
        body_bytes=body_bytes,
    )
    if json:
        emit({"key": secret, **_told(key)})
    else:
        typer.echo(secret)
        typer.echo(f"key {key.id} of {shown(key.principal)} ({shown(key.tenant)}): kept nowhere else", err=True)


@app.command("list")
def list_keys(file: FileOption = None, config: ConfigOption = None, json: JsonOption = False) -> None:
    """List the keys, revoked ones too. The keys themselves cannot be shown again."""
    keys = _file(file, config).keys()
    if json:
        emit([_told(key) for key in keys])
        return
    cells = [(k.id, shown(k.tenant), shown(k.principal), k.role, _shown(k.created), _shown(k.revoked)) for k in keys]
    headings = ("id", "tenant", "principal", "role", "created (UTC)", "revoked (UTC)")
    print_rows(headings, cells, empty="there are none; `sisf key create` makes one")


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `list` shows it.")],
    file: FileOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """End a key for good. Running gateways refuse it within a second."""
    key = _file(file, config).revoke(key_id)
    if json:
        emit(_told(key))
    else:
        typer.echo(f"revoked {key.id} at {_shown(key.revoked)} UTC")


def _shown(time: str) -> str:
    return moment(datetime.fromisoformat(time)) if time else ""


def _told(key: "Key") -> dict[str, Any]:
    return {name: value for name, value in asdict(key).items() if name != "hash"}


def _file(given: str | None, config: Path | None) -> "KeyFile":
    from sisf.errors import ConfigurationError
    from sisf.gateway.identity import KeyFile

    path = given or load_settings(config).keys.file
    if not path:
        raise ConfigurationError("keys.file is not set: name the file of keys with --file PATH or in sisf.yaml")
    return KeyFile(Path(path))
