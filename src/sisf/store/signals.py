"""In-process signals: work may be due; there is a new revision."""

import threading
from collections.abc import Callable

import structlog

_log = structlog.get_logger(__name__)


class Signal:
    """A wake-up that cannot be lost: whoever looked before it was raised does not wait."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._generation = 0
        self._seen = threading.local()

    def raise_(self) -> None:
        """Wake all who wait."""
        with self._condition:
            self._generation += 1
            self._condition.notify_all()

    def look(self) -> None:
        """Remember, for this thread, that it looks for work now."""
        self._seen.generation = self._generation

    def wait(self, timeout: float) -> None:
        """Return at once when raised since this thread last looked, else when raised or after `timeout` seconds."""
        seen = getattr(self._seen, "generation", -1)
        with self._condition:
            self._condition.wait_for(lambda: self._generation != seen, timeout)


class Announcer:
    """Calls subscribers back with each new revision, in rising order; once, unless one of them failed."""

    def __init__(self, watch: Callable[[Callable[[int], bool], threading.Event], None]) -> None:
        self._watch = watch
        self._lock = threading.RLock()
        self._callbacks: list[Callable[[int], None]] = []
        self._latest = -1
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def subscribe(self, callback: Callable[[int], None]) -> Callable[[], None]:
        """Add a callback; returns the function that removes it."""
        with self._lock:
            self._callbacks.append(callback)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._watch, args=(self.tell, self._ended), name="sisf-store-watcher", daemon=True
                )
                self._thread.start()

        def unsubscribe() -> None:
            with self._lock:
                if callback in self._callbacks:
                    self._callbacks.remove(callback)

        return unsubscribe

    def tell(self, revision: int) -> bool:
        """Announce a revision; one that was announced already, or is older, is left out.

        False when a subscriber failed: the revision then counts as not announced, to be told again.
        """
        with self._lock:
            if revision <= self._latest:
                return True
            before, self._latest = self._latest, revision
            for callback in tuple(self._callbacks):
                try:
                    callback(revision)
                except Exception as error:  # noqa: BLE001 - one subscriber's failure must not keep the others from the revision
                    _log.error("subscriber_failed", revision=revision, error=f"{type(error).__name__}: {error}")
                    self._latest = before
            return self._latest == revision

    def close(self) -> None:
        """End the watcher."""
        self._ended.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=5)
