"""A store that forgets everything when it is closed: for tests, trials and `sisf check`."""

from sisf.store.privacy import Privacy
from sisf.store.sqlite import SqliteMemory
from sisf.store.store import Store


class MemoryStore(Store):
    """The same code as the SQLite file, over a database in memory: nothing can behave differently in a test."""

    def __init__(self, privacy: Privacy | None = None) -> None:
        super().__init__(SqliteMemory(privacy))
