"""What the loop needs of the Warden, and the one place where it hands over a policy set."""

import threading
from collections.abc import Sequence
from typing import Protocol

import structlog

from sisf.embedding.base import Embedder
from sisf.errors import StoreError
from sisf.exchange import Exchange, Message
from sisf.loop.lastgood import LastGood
from sisf.policy import Action, Decision, Direction, Snapshot, Suspended
from sisf.store import Store

_log = structlog.get_logger(__name__)


class Inspector(Protocol):
    """A compiled policy set."""

    @property
    def revision(self) -> int:
        """The revision it was compiled from."""
        ...

    def inspect(self, messages: Sequence[Message], direction: Direction, tenant: str) -> Decision:
        """Inspect one side of an exchange."""
        ...


class Enforcer(Protocol):
    """The Warden."""

    embedder: Embedder
    """The embedder of its semantic policies."""

    @property
    def policy_set(self) -> Inspector:
        """The policy set in force."""
        ...

    def suspend(self, suspended: Suspended) -> None:
        """Enforce from now on only what `suspended` leaves in force."""
        ...

    def activate(self, snapshot: Snapshot) -> object:
        """Compile `snapshot` and put it in force, unless it, or a newer one, already is. Safe from several threads."""
        ...


class Enforcement:
    """The Warden as the loop sees it."""

    def __init__(self, store: Store, warden: Enforcer, last_good: LastGood | None = None) -> None:
        self._store = store
        self._warden = warden
        self._last_good = last_good
        self._saving = threading.Lock()
        self._saved = -1

    @property
    def revision(self) -> int:
        """The revision in force."""
        return self._warden.policy_set.revision

    def enforce(self, snapshot: Snapshot) -> None:
        """Put `snapshot` in force unless it, or a newer one, already is; and keep a local copy."""
        self._warden.activate(snapshot)
        if self._last_good is None:
            return
        with self._saving:
            if snapshot.revision > self._saved:
                self._saved = snapshot.revision
                try:
                    self._last_good.save(snapshot)
                except StoreError as error:
                    # Enforcement itself is not in danger; the next start without a store would be.
                    _log.error("local_copy_failed", error=str(error))

    def follow(self) -> None:
        """Enforce the store's latest policy set."""
        self.enforce(self._store.policies.snapshot())

    def begin(self) -> None:
        """Enforce the store's policy set or, while the store is away, the local copy.

        Raises `StoreError` when there is neither.
        """
        try:
            self.follow()
        except StoreError as error:
            snapshot = self._last_good.load() if self._last_good else None
            if snapshot is None:
                raise
            _log.warning("local_copy_enforced", revision=snapshot.revision, error=str(error))
            self._warden.activate(snapshot)

    def stops(self, exchange: Exchange) -> bool:
        """Whether the policies now in force stop this exchange before a model is asked.

        One that only an answer-side policy would stop is still worth learning from: the model would be asked again.
        """
        return self._inspected(exchange).blocked

    def recognises(self, exchange: Exchange) -> bool:
        """Whether a policy recognises it before a model is asked, be it a shadow."""
        return any(match.action is Action.BLOCK for match in self._inspected(exchange).matches)

    def _inspected(self, exchange: Exchange) -> Decision:
        return self._warden.policy_set.inspect(exchange.messages, Direction.PROMPT, exchange.tenant)
