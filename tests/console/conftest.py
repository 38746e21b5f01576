"""A PostgreSQL server, for the campaigns over a large store."""

from tests.postgres import postgres_database, postgres_server

__all__ = ["postgres_database", "postgres_server"]
