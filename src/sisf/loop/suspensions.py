"""Keeps the Warden to what people suspended: every node looks into the store twice a second, and ends what is over."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime

import structlog

from sisf.errors import StoreError
from sisf.loop.enforcement import Enforcer
from sisf.policy import Suspended
from sisf.store import Scope, Store, Suspension

_SECONDS = 0.5
_log = structlog.get_logger(__name__)


class Suspensions:
    """Follows the store. While the store is away, what was last known holds until its own end."""

    def __init__(self, store: Store, warden: Enforcer) -> None:
        self._store = store
        self._warden = warden
        self._known: Sequence[Suspension] = ()
        self._told = Suspended()
        self._lock = threading.Lock()

    def run(self, stopping: threading.Event) -> None:
        """Follow until `stopping`."""
        while True:
            self.follow()
            if stopping.wait(_SECONDS):
                return

    def follow(self) -> None:
        """Look into the store now, and tell the Warden what changed."""
        with self._lock:
            try:
                self._known = self._store.oversight.suspensions()
            except StoreError as error:
                _log.warning("suspensions_not_read", error=str(error))
            wanted = _in_force(self._known, datetime.now(UTC))
            if wanted != self._told:
                self._warden.suspend(wanted)
                _log.warning(
                    "enforcement_changed",
                    everything=wanted.everything,
                    tenants=sorted(wanted.tenants),
                    policies=sorted(wanted.policies),
                )
                self._told = wanted


def _in_force(known: Sequence[Suspension], now: datetime) -> Suspended:
    lasting = [suspension for suspension in known if suspension.until > now]
    return Suspended(
        any(s.scope is Scope.ALL for s in lasting),
        frozenset(s.subject for s in lasting if s.scope is Scope.TENANT),
        frozenset(s.subject for s in lasting if s.scope is Scope.POLICY),
    )
