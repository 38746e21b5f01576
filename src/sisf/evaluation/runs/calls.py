"""What models and judges elsewhere said, kept for the length of one run; their number and cost counted and capped.

A run that is resumed asks nobody twice, and processes that work side by side hear the same answers.
"""

import hashlib
import json
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sisf.adjudicator.base import Adjudicator
from sisf.errors import SisfError
from sisf.exchange import Exchange, Message
from sisf.llm.base import ChatModel, Completion
from sisf.store.codec import verdict_from_json, verdict_to_json
from sisf.verdict import Outcome, Verdict

_BUSY_SECONDS = 60.0


class CapReached(SisfError):
    """The next call would be one too many; what was done is kept."""


class Calls:
    """The record of one run, in a file that its processes share. Thread-safe."""

    def __init__(self, path: Path | None = None, *, max_calls: int | None = None, max_usd: float | None = None) -> None:
        """Without a path, what was said is kept in memory."""
        self._lock = threading.RLock()
        self._limits = (max_calls, max_usd)
        self._refused = ""
        self._made = {"calls": 0.0, "usd": 0.0}
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._file = sqlite3.connect(
            path or ":memory:", timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        self._file.execute("CREATE TABLE IF NOT EXISTS said (key TEXT PRIMARY KEY, body TEXT NOT NULL)")
        self._file.execute("CREATE TABLE IF NOT EXISTS spent (usd REAL NOT NULL)")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    def known(self, key: str) -> str | None:
        """What was said to this before."""
        with self._lock:
            row = self._file.execute("SELECT body FROM said WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def keep(self, key: str, body: str) -> str:
        """Keep what was said; returns what stands, where another process was faster."""
        with self._lock:
            self._file.execute("INSERT OR IGNORE INTO said VALUES (?, ?)", (key, body))
        return self.known(key) or body

    def once(self, kind: str, name: str, messages: Sequence[Message], ask: Callable[[], tuple[str, float]]) -> str:
        """What `ask` says to these messages, with its cost in USD; asked once. Raises `CapReached` beyond the cap."""
        key = _key(kind, name, messages)
        said = self.known(key)
        if said is not None:
            return said
        self.may()
        self.check()
        body, usd = ask()
        self.made(usd)
        return self.keep(key, body)

    def may(self) -> bool:
        """Whether one more call is allowed. Where not, `check` will say so."""
        calls, usd = self._total()
        most_calls, most_usd = self._limits
        if most_calls is not None and calls >= most_calls:
            self._refused = f"--max-calls {most_calls} is reached"
        elif most_usd is not None and usd >= most_usd:
            self._refused = f"--max-cost {most_usd:g} is reached ({usd:.2f} USD at the prices known)"
        return not self._refused

    def made(self, usd: float) -> None:
        """A call was made."""
        with self._lock:
            self._file.execute("INSERT INTO spent VALUES (?)", (usd,))
            self._made["calls"] += 1
            self._made["usd"] += usd

    def spent(self) -> Mapping[str, float]:
        """What this process has used: `calls`, `usd`."""
        return dict(self._made)

    def check(self) -> None:
        """Raises `CapReached` where a call was not allowed: what would come of it is no result."""
        if self._refused:
            raise CapReached(f"{self._refused}; what is done is kept, the same command with a higher limit goes on")

    def _total(self) -> tuple[int, float]:
        with self._lock:
            calls, usd = self._file.execute("SELECT count(*), coalesce(sum(usd), 0) FROM spent").fetchone()
        return int(calls), float(usd)


class CountedJudge:
    """A judge elsewhere. What it could not decide is asked again when the run is resumed."""

    def __init__(self, inner: Adjudicator, calls: Calls) -> None:
        self.inner = inner
        self._calls = calls

    @property
    def counters(self) -> object | None:
        """Those of the judge, where it has any."""
        return getattr(self.inner, "counters", None)

    @property
    def name(self) -> str:
        """That of the judge."""
        return self.inner.name

    def adjudicate(self, exchange: Exchange) -> Verdict:
        """See `Adjudicator`. Beyond the cap nobody is asked, and the verdict is `undecided`."""
        key = _key("judge", self.name, exchange.messages, exchange.response or "")
        said = self._calls.known(key)
        if said is not None:
            return verdict_from_json(said)
        if not self._calls.may():
            return Verdict(Outcome.UNDECIDED, self.name, rationale="the cap on calls is reached")
        before = self._usd()
        verdict = self.inner.adjudicate(exchange)
        self._calls.made(self._usd() - before)
        if verdict.outcome is Outcome.UNDECIDED:
            return verdict
        return verdict_from_json(self._calls.keep(key, verdict_to_json(verdict)))

    def _usd(self) -> float:
        counters = getattr(self.inner, "counters", None)
        return float(counters.counts.get("cost_usd", 0.0)) if counters is not None else 0.0


class CountedModel:
    """A model elsewhere, asked without a schema."""

    def __init__(self, inner: ChatModel, calls: Calls) -> None:
        self._inner = inner
        self._calls = calls

    @property
    def id(self) -> str:
        """That of the model."""
        return self._inner.id

    def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: Mapping[str, object] | None = None,
        max_tokens: int = 1024,
        temperature: float = 0.0,
    ) -> Completion:
        """See `ChatModel`. Raises `CapReached` beyond the cap."""

        def asked() -> tuple[str, float]:
            said = self._inner.complete(messages, schema=schema, max_tokens=max_tokens, temperature=temperature)
            return said.text, said.usd

        said = self._calls.once("model", f"{self.id} {max_tokens} {temperature}", messages, asked)
        return Completion(said, model=self.id)


def _key(kind: str, name: str, messages: Sequence[Message], more: str = "") -> str:
    body = json.dumps([kind, name, [(m.role.value, m.content) for m in messages], more], ensure_ascii=True)
    return hashlib.sha256(body.encode()).hexdigest()
