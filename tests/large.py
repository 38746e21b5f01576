"""A store as it is after years, written behind its back: a million exchanges in about two minutes."""

import random
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sisf.exchange import Exchange, Fate, Message, Role, Sender
from sisf.policy import Action, Change, Decision, Direction, GateReport, Match, Pattern, Policy, Provenance, Status
from sisf.store import audit, codec, open_store
from sisf.taxonomy import Hazard
from sisf.verdict import Outcome, Verdict

WORDS = ("bread", "harbour", "window", "violin", "garden", "ladder", "copper", "winter", "saddle", "lantern")
_OTHERS = tuple(f"word{number}" for number in range(5_000))
_STATUSES = (Status.ACTIVE,) * 7 + (Status.SHADOW, Status.RETIRED, Status.RETIRED)
_REVISIONS, _BATCH = 60, 50_000
_ANSWER = "Sure, here is what you asked for. " * 8
_COLUMNS = {
    "exchange": "seq, id, time, tenant, principal, outcome, decisions, body, verdict, verdict_body, hazard",
    "verdict": "exchange_id, time, actor, outcome, body",
    "breach": "exchange_id",
    "exchange_policy": "policy_id, seq",
    "word": "exchange_id, said, actor, time, revision",
    "evidence": "policy_id, kind, tenant, principal, exchange_id, time",
    "benign_case": "exchange_id, policy_id, direction, text, actor, time",
    "audit": "sequence, time, actor, action, subject, revision, detail, hash",
}
Rows = dict[str, list[tuple[Any, ...]]]


def fill(url: str, exchanges: int, policies: int) -> None:
    """Write so many exchanges of 50 tenants and 997 principals into a new store: one in fifty stopped, one in a hundred
    a breach, one in 500 undecided, one in a thousand judged by a person; and so many policies, most of them active."""
    store = open_store(url)
    _write_policies(store, policies)
    row = store.audit.latest(1)[0]
    store.close()
    writer = _Sqlite(url) if url.startswith("sqlite") else _Postgres(url)
    chain = _Chain(row.sequence, row.hash)
    for first in range(1, exchanges + 1, _BATCH):
        numbers = range(first, min(first + _BATCH, exchanges + 1))
        rows: Rows = {name: [] for name in _COLUMNS}
        writer.texts(_exchanges(numbers, exchanges, policies, rows, chain))
        for name, found in rows.items():
            writer.rows(name, found)
    writer.close()


def _write_policies(store: Any, count: int) -> None:
    report = GateReport(passed=True, benign_total=3_000)
    hazards = list(Hazard)
    made = [
        Policy(
            Pattern(f"asks for thing {number}"),
            Action.BLOCK,
            Direction.PROMPT,
            f"No thing {number}",
            id=f"p{number}",
            hazard=hazards[number % len(hazards)],
            status=Status.PROPOSED if number % 100 == 99 else _STATUSES[number % 10],
            provenance=Provenance((f"e{number * 100 + 3}",), "local"),
            gate_report=report,
        )
        for number in range(count)
    ]
    store.policies.commit(Change(tuple(made), "loop", "learned"), expected=0)
    for revision in range(1, _REVISIONS + 1):
        changed = replace(made[revision % count], description=f"No thing, said {revision}")
        store.policies.commit(Change((changed,), "loop", "learned again"), expected=revision)


class _Chain:
    """The audit log, continued."""

    def __init__(self, sequence: int, hashed: str) -> None:
        self._sequence, self._hash = sequence, hashed

    def next(self, moment: datetime, entry: audit.Entry) -> tuple[Any, ...]:
        self._sequence += 1
        time, detail = moment.isoformat(), codec.dumps(entry.detail)
        self._hash = audit.link(self._hash, self._sequence, time, entry, detail)
        return (
            self._sequence, time, entry.actor, entry.action, entry.subject, entry.revision, detail, self._hash,
        )  # fmt: skip


def _exchanges(numbers: range, total: int, policies: int, rows: Rows, chain: _Chain) -> Iterator[tuple[int, str]]:
    """Collects the rows of these exchanges; yields the words of each."""
    chance, now = random.Random(numbers.start), datetime.now(UTC)
    said = {outcome: codec.verdict_to_json(Verdict(outcome, "local", rationale="it did")) for outcome in Outcome}
    hazards = list(Hazard)
    for number in numbers:
        moment = now - timedelta(seconds=10 * (total - number))
        stamp, name, sender = moment.timestamp(), f"e{number}", Sender(f"t{number % 50}", f"u{number % 997}")
        words = " ".join(chance.choices(_OTHERS, k=8))
        prompt = f"{WORDS[number % 10]} {WORDS[number // 10 % 10]} {words} number {number}"
        stopped, breach = number % 50 == 0, number % 100 == 3
        outcome = Outcome.BREACH if breach else Outcome.UNDECIDED if number % 500 == 1 else Outcome.SAFE
        policy, fate = f"p{number // 50 % policies}", Fate.INTERCEPTED_PROMPT if stopped else Fate.RELEASED
        matches = (Match(policy, Action.BLOCK, 1.0, 1.0),) if stopped else ()
        decision = Decision(Action.BLOCK if stopped else Action.ALLOW, matches, 1, Direction.PROMPT)
        response = None if stopped else _ANSWER
        exchange = Exchange((Message(Role.USER, prompt),), response, id=name, sender=sender, time=moment)
        judged = None if stopped else outcome
        hazard = hazards[number // 100 % len(hazards)].value if breach else Hazard.OTHER.value
        rows["exchange"].append((
            number, name, stamp, sender.tenant, sender.principal, fate.value, codec.decisions_to_json((decision,)),
            codec.exchange_to_bytes(exchange), judged.value if judged else None, said[judged] if judged else None,
            hazard if judged else None,
        ))  # fmt: skip
        if judged:
            rows["verdict"].append((name, stamp, "loop", judged.value, said[judged]))
            if number % 1_000 == 7:
                rows["verdict"].append((name, stamp, "person:ann", judged.value, said[judged]))
        if breach:
            rows["breach"].append((name,))
            entry = audit.Entry("loop", "verdict.breach", name, 0, {"judge": "local"})
            rows["audit"].append(chain.next(moment, entry))
        if stopped:
            rows["exchange_policy"].append((policy, number))
            entry = audit.Entry("warden", "exchange.block", name, 1, {"policy": policy, "tenant": sender.tenant})
            rows["audit"].append(chain.next(moment, entry))
            if number % 1_000 == 0:
                _word(number, policy, stamp, prompt, rows)
        yield number, f"{prompt}\n{exchange.response or ''}"


def _word(number: int, policy: str, stamp: float, prompt: str, rows: Rows) -> None:
    name, wrong = f"e{number}", number % 3_000 == 0
    rows["word"].append((name, "mistake" if wrong else "right", "person:ann", stamp, 0))
    kind = "false_positive" if wrong else "confirmation"
    rows["evidence"].append((policy, kind, "", f"person:ann{number}", name, stamp))
    if wrong:
        rows["benign_case"].append((name, policy, "prompt", prompt.encode(), "person:ann", stamp))


class _Sqlite:
    """One transaction, one sync."""

    def __init__(self, url: str) -> None:
        self._connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        for pragma in ("synchronous=OFF", "cache_size=-400000"):
            self._connection.execute(f"PRAGMA {pragma}")

    def texts(self, texts: Iterable[tuple[int, str]]) -> None:
        self._connection.executemany("INSERT INTO exchange_text (rowid, body) VALUES (?, ?)", texts)

    def rows(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        names = _COLUMNS[table]
        places = ", ".join("?" * (names.count(",") + 1))
        self._connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({places})", rows)

    def close(self) -> None:
        self._connection.commit()
        self._connection.close()


class _Postgres:
    """COPY, then the statistics that autovacuum would gather."""

    def __init__(self, url: str) -> None:
        import psycopg

        self._connection = psycopg.connect(url)
        self._connection.execute("CREATE TEMP TABLE said (seq BIGINT, body TEXT)")

    def texts(self, texts: Iterable[tuple[int, str]]) -> None:
        self._copy("said (seq, body)", texts)
        self._connection.execute("INSERT INTO exchange_text SELECT seq, to_tsvector('simple', body) FROM said")
        self._connection.execute("TRUNCATE said")

    def rows(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        self._copy(f"{table} ({_COLUMNS[table]})", rows)

    def _copy(self, into: str, rows: Iterable[tuple[Any, ...]]) -> None:
        with self._connection.cursor() as cursor, cursor.copy(f"COPY {into} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    def close(self) -> None:
        self._connection.execute("SELECT setval('exchange_seq_seq', (SELECT max(seq) FROM exchange))")
        self._connection.commit()
        self._connection.autocommit = True
        self._connection.execute("ANALYZE")
        self._connection.close()
