"""Tells the others that share a store that this node is there, and what it enforces."""

import contextlib
import threading
from collections.abc import Callable
from dataclasses import replace

import structlog

from sisf.errors import StoreError
from sisf.store import Node, Store

_log = structlog.get_logger(__name__)
_SECONDS = 2.0


class Heartbeat:
    """The row of one node in the store."""

    def __init__(self, store: Store, node: Node, revision: Callable[[], int]) -> None:
        self._store = store
        self._node = node
        self._revision = revision
        """The revision that is in force."""

    def run(self, stopping: threading.Event) -> None:
        """Write the row every two seconds until `stopping`, then take it away. A store that is away ends nothing."""
        while True:
            try:
                self._store.nodes.beat(replace(self._node, revision=self._revision()))
            except StoreError as error:
                _log.warning("heartbeat_failed", error=str(error))
            if stopping.wait(_SECONDS):
                break
        with contextlib.suppress(StoreError):
            self._store.nodes.forget(self._node.name)
