"""Waiting for the loop: what the judge said of an answer, and when learning from it is over."""

import threading
import time
from collections.abc import Sequence

from sisf.errors import StoreError, StoreUnavailable
from sisf.exchange import Message
from sisf.store import Store
from sisf.verdict import Verdict

_LOOK = 0.02
_LOOK_LATER = 0.25
_UNKNOWN = 10.0


class StoreWatch:
    """Looks into the store that the gateway shares with the agent."""

    def __init__(self, store: Store, *, patience: float = 60.0, ended: threading.Event | None = None) -> None:
        """`patience`: seconds for one exchange. `ended` ends all waiting."""
        self._store = store
        self._patience = patience
        self._ended = ended or threading.Event()

    def settled(self, exchange_id: str) -> Verdict | None:
        """The verdict once the loop has nothing more to do on the exchange; what there is of it when patience ends.

        Raises `StoreError` when the store never hears of the exchange: it is not the one of that gateway.
        """
        if not exchange_id:
            return None
        started = time.monotonic()
        verdict: Verdict | None = None
        while (spent := time.monotonic() - started) < self._patience and not self._ended.is_set():
            try:
                verdict = self._store.exchanges.get(exchange_id).verdict
            except StoreUnavailable:
                verdict = None  # whether it knows the exchange is found out when it is back
            except StoreError:
                if spent > _UNKNOWN:
                    raise StoreError(f"{self._store.url} is not the store of that gateway; name its own") from None
                verdict = None  # written in a group: it comes in a moment
            if verdict is not None and not self._store.jobs.pending(exchange_id):
                break
            self._ended.wait(_LOOK if spent < 1 else _LOOK_LATER)
        return verdict

    def messages(self, exchange_id: str) -> Sequence[Message] | None:
        """What was sent then; None when it is deleted."""
        try:
            return self._store.exchanges.get(exchange_id).exchange.messages
        except StoreError:
            return None

    def revision(self) -> int:
        """The revision of the stored policy set."""
        return self._store.policies.snapshot().revision
