"""A store that forgets everything when it is closed: for tests, trials and `sisf check`."""

from sisf.store.privacy import Privacy
from sisf.store.sql import SqlStore
from sisf.store.sqlite import SqliteMemory


class MemoryStore(SqlStore):
    """The same code as the SQLite file, over a database in memory: nothing can behave differently in a test."""

    def __init__(self, privacy: Privacy | None = None) -> None:
        super().__init__(SqliteMemory(privacy))
