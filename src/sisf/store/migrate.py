"""Bring a database to this program's schema, or to another; refuse one that a newer program wrote."""

from collections.abc import Callable
from pathlib import Path

import structlog
from sqlalchemy import Connection, inspect, text

from sisf.errors import StoreError

HEAD = "0011"
"""The schema version that this program reads and writes."""
_log = structlog.get_logger(__name__)
_SCRIPTS = Path(__file__).parent / "migrations"


def upgrade(connection: Connection, describe: str) -> None:
    """Upgrade to `HEAD` within the caller's transaction. Raises `StoreError` for a newer database."""
    found = version(connection)
    if found == HEAD:
        return
    if found is not None and found not in known():
        raise StoreError(
            f"{describe} was written by a newer program (schema {found}, this one knows up to {HEAD}); "
            "install that version of sisf, or open a backup made before the upgrade"
        )
    _run(connection, lambda command, config: command.upgrade(config, HEAD))
    if found is not None:
        # There is no way back for programs of the former version that are on the same store: operators should know.
        _log.warning("store_migrated", store=describe, before=found, now=HEAD)


def downgrade(connection: Connection, target: str) -> None:
    """Go back to an earlier schema version (`base`: none at all) within the caller's transaction."""
    _run(connection, lambda command, config: command.downgrade(config, target))


def version(connection: Connection) -> str | None:
    """The schema version of the database; None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def known() -> set[str]:
    """The schema versions that this program can start from."""
    return {path.name.split("_")[0] for path in (_SCRIPTS / "versions").glob("[0-9]*.py")}


def _run(connection: Connection, step: Callable[..., None]) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    step(command, config)
