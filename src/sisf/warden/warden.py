"""The Warden: the policy set in force, swapped atomically, and safe to call from the event loop."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from sisf.embedding.base import Embedder
from sisf.exchange import Message
from sisf.policy import Decision, Direction, Snapshot
from sisf.warden.policy_set import PolicySet
from sisf.warden.stream import StreamInspector


class Warden:
    """Holds one `PolicySet`. A check runs on the set that was in force when it began."""

    def __init__(self, embedder: Embedder, *, threads: int = 2, window_chars: int = 512) -> None:
        self.embedder = embedder
        self._set = PolicySet.compile(Snapshot(), embedder)
        self._window = window_chars
        self._swap = threading.Lock()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="warden")

    @property
    def policy_set(self) -> PolicySet:
        """The set in force now."""
        return self._set

    @property
    def revision(self) -> int:
        """The revision in force now."""
        return self._set.revision

    def activate(self, snapshot: Snapshot) -> None:
        """Compile and swap. An older or equal revision changes nothing; a failed compile keeps the old set and raises
        `PolicyError`."""
        with self._swap:
            if snapshot.revision > self._set.revision:
                self._set = PolicySet.compile(snapshot, self.embedder)

    def inspect(self, messages: Sequence[Message], direction: Direction, tenant: str = "") -> Decision:
        """Inspect now, in the calling thread."""
        return self._set.inspect(messages, direction, tenant)

    async def check(self, messages: Sequence[Message], direction: Direction, tenant: str = "") -> Decision:
        """Inspect without holding up the event loop."""
        running = asyncio.get_running_loop()
        return await running.run_in_executor(self._pool, self._set.inspect, messages, direction, tenant)

    def stream(self, tenant: str = "") -> StreamInspector:
        """Inspect an answer while it is written."""
        return StreamInspector(self.check, tenant, self._window)

    def close(self) -> None:
        """End the threads. Idempotent."""
        self._pool.shutdown(wait=False, cancel_futures=True)
