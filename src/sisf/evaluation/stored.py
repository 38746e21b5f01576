"""What a store has in force, or had, as a defence that learns nothing more."""

from collections.abc import Callable, Sequence

from sisf.embedding import Embedder
from sisf.evaluation.defences import Defence, Tally, Unlearned
from sisf.policy import Policy, Snapshot
from sisf.settings import Settings
from sisf.store import open_store, privacy_of
from sisf.verdict import Verdict
from sisf.warden import Warden


class StoredPolicies(Unlearned):
    """A Warden with one revision in force."""

    def __init__(self, snapshot: Snapshot, settings: Settings, embedder: Embedder) -> None:
        self.settings = settings
        self._snapshot = snapshot
        self._warden = Warden(embedder)
        self._warden.activate(snapshot)

    @property
    def warden(self) -> Warden:
        """See `Defence`."""
        return self._warden

    def settle(self, exchange_id: str) -> Verdict | None:  # noqa: ARG002
        """It does not learn."""
        return None

    def policies(self) -> Sequence[Policy]:
        """Those of the revision."""
        return self._snapshot.active

    def tally(self) -> Tally:
        """Those of the revision."""
        count = len(self._snapshot.active)
        return Tally(count, count, count)

    def close(self) -> None:
        """End the Warden's threads."""
        self._warden.close()


def snapshot_of(url: str, revision: int | None, settings: Settings) -> Snapshot:
    """What the store has in force, or had at `revision`. Raises `StoreError`."""
    store = open_store(url, privacy_of(settings.privacy))
    try:
        return store.policies.snapshot(revision)
    finally:
        store.close()


def stored(url: str, revision: int | None, settings: Settings, embedder: Embedder) -> Callable[[], Defence]:
    """Makes such defences; the store is read once."""
    snapshot = snapshot_of(url, revision, settings)
    return lambda: StoredPolicies(snapshot, settings, embedder)
