"""Adaptive Policy Store over SQL (SQLite, PostgreSQL): policies, exchanges, durable jobs, evidence, audit."""

from pathlib import Path

from sisf.errors import ConfigurationError
from sisf.store.audit import AuditLog
from sisf.store.exchanges import ExchangeTable
from sisf.store.feedback import FeedbackTable
from sisf.store.figures import Tally
from sisf.store.jobs import JobTable
from sisf.store.nodes import NodeTable
from sisf.store.oversight import OversightTable
from sisf.store.policies import PolicyTable
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
from sisf.store.store import Store

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
        from sisf.store.sqlite import SqliteFile

        return Store(SqliteFile(Path(url.removeprefix(_SQLITE)), privacy))
    if url.startswith(("postgresql://", "postgres://")):
        from sisf.store.postgres import Postgres

        return Store(Postgres(url, privacy, offline=offline))
    scheme = url.partition(":")[0]
    raise ConfigurationError(
        f"store.url: `{scheme}:…` is no store; use sqlite:///PATH, postgresql://user:password@host/database or memory:"
    )
