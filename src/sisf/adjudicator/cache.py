"""Verdicts remembered by what was judged, so that the same exchange is paid for once."""

import hashlib
import threading
from collections import OrderedDict

from sisf.exchange import Exchange
from sisf.verdict import Outcome, Verdict


class VerdictCache:
    """The most recently used verdicts. Thread-safe, bounded; keeps hashes, no texts. `undecided` is never kept."""

    def __init__(self, capacity: int = 10_000) -> None:
        self._capacity = capacity
        self._verdicts: OrderedDict[bytes, Verdict] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, exchange: Exchange) -> Verdict | None:
        """The verdict of an exchange with the same messages and answer."""
        with self._lock:
            verdict = self._verdicts.get(key := _key(exchange))
            if verdict is not None:
                self._verdicts.move_to_end(key)
            return verdict

    def put(self, exchange: Exchange, verdict: Verdict) -> None:
        """Remember a decided verdict."""
        if verdict.outcome is Outcome.UNDECIDED:
            return
        with self._lock:
            self._verdicts[_key(exchange)] = verdict
            while len(self._verdicts) > self._capacity:
                self._verdicts.popitem(last=False)


def _key(exchange: Exchange) -> bytes:
    digest = hashlib.sha256()
    texts = [part for message in exchange.messages for part in (message.role.value, message.content)]
    for text in (*texts, exchange.response or ""):
        data = text.encode(errors="surrogatepass")
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.digest()
