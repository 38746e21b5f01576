"""Adaptive Policy Store: protocol, SQL (SQLite, PostgreSQL), migrations, audit."""

from pathlib import Path

from sisf.errors import ConfigurationError
from sisf.store.base import AuditLog, FeedbackTable, JobTable, NodeTable, Store
from sisf.store.exchange_table import ExchangeTable
from sisf.store.figures import Tally
from sisf.store.oversight import OversightTable
from sisf.store.policy_table import PolicyTable
from sisf.store.privacy import Keep, Privacy, privacy_of
from sisf.store.records import (
    AuditRow,
    BenignCase,
    BundleMark,
    ExchangeRecord,
    Feedback,
    FeedbackKind,
    Job,
    Label,
    Node,
    Note,
    NoteKind,
    RevisionRow,
    Said,
    Scope,
    Spoken,
    Stage,
    Suspension,
    Urgency,
    Word,
)
from sisf.store.search import Found, Query

__all__ = [
    "AuditLog",
    "AuditRow",
    "BenignCase",
    "BundleMark",
    "ExchangeRecord",
    "ExchangeTable",
    "Feedback",
    "FeedbackKind",
    "FeedbackTable",
    "Found",
    "Job",
    "JobTable",
    "Keep",
    "Label",
    "Node",
    "NodeTable",
    "Note",
    "NoteKind",
    "OversightTable",
    "PolicyTable",
    "Privacy",
    "Query",
    "RevisionRow",
    "Said",
    "Scope",
    "Spoken",
    "Stage",
    "Store",
    "Suspension",
    "Tally",
    "Urgency",
    "Word",
    "open_store",
    "privacy_of",
]

_SQLITE = "sqlite:///"


def open_store(url: str, privacy: Privacy | None = None, *, offline: bool = False) -> Store:
    """Open the store at `url`, bringing its schema up to date: `sqlite:///path`, `postgresql://…` or `memory:`.

    `privacy` says what is kept of exchanges; without it everything is, readably. With `offline`, a server that cannot
    be reached now is no error: calls fail until it can.
    Raises `ConfigurationError` for another URL, `StoreError` when the database cannot be used, for instance because a
    newer program wrote it.
    """
    if url == "memory:":
        from sisf.store.memory import MemoryStore

        return MemoryStore(privacy)
    if url.startswith(_SQLITE) and len(url) > len(_SQLITE):
        from sisf.store.sql import SqlStore
        from sisf.store.sqlite import SqliteFile

        return SqlStore(SqliteFile(Path(url.removeprefix(_SQLITE)), privacy))
    if url.startswith(("postgresql://", "postgres://")):
        from sisf.store.postgres import Postgres
        from sisf.store.sql import SqlStore

        return SqlStore(Postgres(url, privacy, offline=offline))
    scheme = url.partition(":")[0]
    raise ConfigurationError(
        f"store.url: `{scheme}:…` is no store; use sqlite:///PATH, postgresql://user:password@host/database or memory:"
    )
