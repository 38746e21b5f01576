"""Verdicts remembered by what was judged, so that the same exchange is paid for once."""

import hashlib
import threading

from sisf.exchange import Exchange
from sisf.latest import Latest
from sisf.verdict import Outcome, Verdict


class VerdictCache:
    """The most recently used verdicts. Thread-safe, bounded; keeps hashes, no texts. `undecided` is never kept."""

    def __init__(self, capacity: int = 10_000) -> None:
        self._verdicts: Latest[bytes, Verdict] = Latest(capacity)
        self._lock = threading.Lock()

    def get(self, exchange: Exchange) -> Verdict | None:
        """The verdict of an exchange with the same messages and answer."""
        with self._lock:
            return self._verdicts.recall(_key(exchange))

    def put(self, exchange: Exchange, verdict: Verdict) -> None:
        """Remember a decided verdict."""
        if verdict.outcome is Outcome.UNDECIDED:
            return
        with self._lock:
            self._verdicts[_key(exchange)] = verdict


def _key(exchange: Exchange) -> bytes:
    digest = hashlib.sha256()
    texts = [part for message in exchange.messages for part in (message.role.value, message.content)]
    for text in (*texts, exchange.response or ""):
        data = text.encode(errors="surrogatepass")
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.digest()
