"""Finding exchanges: full text (FTS5 on SQLite, tsvector on PostgreSQL) and filters, page by page.

Texts are indexed after they were written, in batches, so that no request waits for it. What is sealed is not indexed:
its words would lie open beside it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import re2
from sqlalchemy import ColumnElement, Connection, Integer, Select, and_, false, func, literal_column, select, text

from sisf.errors import StoreError
from sisf.exchange import Exchange, Fate
from sisf.store import codec, schema
from sisf.store.codec import plain
from sisf.store.database import Database
from sisf.store.records import ExchangeRecord
from sisf.taxonomy import Hazard
from sisf.verdict import Outcome

SQLITE = "CREATE VIRTUAL TABLE exchange_text USING fts5(body, tokenize='unicode61 remove_diacritics 2')"
BATCH = 500
_CHARS = 100_000
"""Of one exchange: what stands behind is not found."""
_LATE = 2_000
"""PostgreSQL commits out of order: so many numbers below the last one are looked at again."""
_SLACK = 10_000
_COUNTED, _FEW, _COMMON = 20_000, 5_000, 100_000
"""So many that pass a filter are counted; so many are looked up in the index of words, one by one."""
_ROWID: ColumnElement[int] = literal_column("exchange_text.rowid", Integer)
_exchange, _matched = schema.exchange, schema.exchange_policy
_TERM = re2.compile(r'(-?)(?:"([^"]*)"|(\S+))')


@dataclass(frozen=True, slots=True)
class Query:
    """Which exchanges; what is not given does not restrict."""

    text: str = ""
    """Words that all occur, `"a phrase"`, `-without`."""
    tenant: str | None = None
    principal: str | None = None
    fates: Sequence[Fate] = ()
    outcome: Outcome | None = None
    policy: str | None = None
    """A policy that matched, also as a shadow."""
    hazard: Hazard | None = None
    """Of the verdict."""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One exchange with its place in the store, by which pages are told."""

    number: int
    record: ExchangeRecord


def page(
    database: Database,
    connection: Connection,
    query: Select[Any],
    wanted: Query,
    *,
    limit: int,
    before: int | None = None,
) -> Select[Any]:
    """`query` over exchanges, restricted to the newest `limit` of those that are wanted, numbered below `before`.

    Raises `StoreError` when texts cannot be searched.
    """
    filters = _filters(wanted)
    words = _words(database, wanted.text) if wanted.text.strip() else None
    sqlite = _sqlite(connection)
    first = _rarest(connection, filters, words is not None) if sqlite else None
    by_words = words is not None and bool(words[0]) and (first is None if sqlite else _seldom(connection, words[1]))
    key: ColumnElement[int] = _exchange.c.seq
    for name, values in filters.items():
        if name == "policy":
            if first == name:  # in the order of its index
                key = _matched.c.seq
            query = query.join(_matched, _matched.c.seq == _exchange.c.seq).where(_matched.c.policy_id == values[0])
        else:
            column = literal_column(f"+exchange.{name}") if sqlite and name != first else _exchange.c[name]
            query = query.where(column == values[0] if len(values) == 1 else column.in_(values))
    if words is not None:
        query, key = _with_words(query, words, key, first=by_words, sqlite=sqlite)
    for condition in _within(connection, wanted, key):
        query = query.where(condition)
    if before is not None:
        query = query.where(key < before)
    return query.order_by(key.desc()).limit(limit)


def _filters(wanted: Query) -> dict[str, list[str]]:
    """What each column must be."""
    given = {
        "policy": wanted.policy,
        "principal": wanted.principal,
        "tenant": wanted.tenant,
        "verdict": wanted.outcome.value if wanted.outcome else None,
        "hazard": wanted.hazard.value if wanted.hazard else None,
    }
    found = {name: [plain(value)] for name, value in given.items() if value is not None}
    return {**found, "outcome": [fate.value for fate in wanted.fates]} if wanted.fates else found


def _rarest(connection: Connection, filters: Mapping[str, Sequence[str]], words: bool) -> str | None:
    """The filter that fewest exchanges pass, by whose index SQLite goes then: it knows nothing of how common a value
    is. None when the search goes by its words."""
    if len(filters) + words < 2:
        return next(iter(filters), None)
    sizes = {}
    for name, values in filters.items():
        column = _matched.c.policy_id if name == "policy" else _exchange.c[name]
        some = select(column).where(column.in_(values)).limit(_COUNTED).subquery()
        sizes[name] = connection.execute(select(func.count()).select_from(some)).scalar_one()
    first = min(sizes, key=lambda name: sizes[name])
    return None if words and sizes[first] > _FEW else first


def _within(connection: Connection, wanted: Query, key: ColumnElement[int]) -> Iterator[ColumnElement[bool]]:
    time = literal_column("+exchange.time") if _sqlite(connection) else _exchange.c.time
    for moment, at_least in ((wanted.since, True), (wanted.until, False)):
        if moment is None:
            continue
        stamp = moment.timestamp()
        yield time >= stamp if at_least else time < stamp
        # Numbers rise with time, give or take what was written together: they bound what is looked at.
        edge = select(_exchange.c.seq).where(_exchange.c.time >= stamp).order_by(_exchange.c.time).limit(1)
        number = connection.execute(edge).scalar()
        if number is not None:
            yield key >= number - _SLACK if at_least else key <= number + _SLACK
        elif at_least:
            yield false()


def _words(database: Database, words: str) -> tuple[str, dict[str, str]]:
    """What is asked of the words, on each database: an expression of FTS5, and the terms of tsqueries by name."""
    if database.vault.sealing:
        raise StoreError("texts are sealed (privacy.key), so their words cannot be searched; the filters work")
    wanted, unwanted = terms(words)
    named = {f"term{place}": term for place, term in enumerate(wanted)}
    return fts5(words), {**named, **{f"not{place}": term for place, term in enumerate(unwanted)}}


def _with_words(
    query: Select[Any], words: tuple[str, dict[str, str]], key: ColumnElement[int], *, first: bool, sqlite: bool
) -> tuple[Select[Any], ColumnElement[int]]:
    """The query restricted to texts with these words, and by which number it is then in order.

    `first`: by the index of words; otherwise each exchange that is found is looked up in it.
    """
    match, named = words
    if not match:
        return query.where(false()), key
    if sqlite and first:
        joined = query.join(text("exchange_text"), text("exchange_text.rowid = exchange.seq"))
        return joined.where(text("exchange_text MATCH :words").bindparams(words=match)), _ROWID
    if sqlite:
        held = "EXISTS (SELECT 1 FROM exchange_text WHERE exchange_text MATCH :words AND rowid = +exchange.seq)"
        return query.where(text(held).bindparams(words=match)), key
    said = f"exchange_text.document @@ ({_tsquery(named)})"
    if first:  # rare words: found by their index, all of them; the planner thinks them more common than they are
        rare = f"SELECT seq FROM exchange_text WHERE {said}"  # noqa: S608 - terms are bound
        found = f"exchange.seq IN (WITH found AS MATERIALIZED ({rare}) TABLE found)"
        return query.where(text(found).bindparams(**named)), key
    joined = query.join(text("exchange_text"), text("exchange_text.seq = exchange.seq"))
    return joined.where(text(said).bindparams(**named)), key


def _tsquery(named: Mapping[str, str]) -> str:
    return " && ".join(f"{'!!' * name.startswith('not')}phraseto_tsquery('simple', :{name})" for name in named)


def _seldom(connection: Connection, named: Mapping[str, str]) -> bool:
    """Whether few texts have these words, for PostgreSQL: counted in their index, unless its statistics say that they
    are common."""
    said = f"SELECT 1 FROM exchange_text WHERE document @@ ({_tsquery(named)})"  # noqa: S608 - terms are bound
    plan = connection.execute(text(f"EXPLAIN (FORMAT JSON) {said}"), named).scalar_one()
    if plan[0]["Plan"]["Plan Rows"] > _COMMON:
        return False
    for name in ("seqscan", "indexscan"):
        connection.execute(text(f"SET LOCAL enable_{name} = off"))
    count = text(f"SELECT count(*) FROM ({said} LIMIT {_COUNTED}) AS counted")  # noqa: S608
    found: int = connection.execute(count, named).scalar_one()
    for name in ("seqscan", "indexscan"):
        connection.execute(text(f"SET LOCAL enable_{name} TO DEFAULT"))
    return found < _COUNTED


def terms(words: str) -> tuple[list[str], list[str]]:
    """What somebody typed as the terms that must occur, and those that must not."""
    wanted: list[str] = []
    unwanted: list[str] = []
    for minus, phrase, word in _TERM.findall(plain(words)):
        term = (phrase or word).replace('"', " ").strip()
        if any(character.isalnum() for character in term):
            (unwanted if minus else wanted).append(term)
    return wanted, unwanted


def fts5(words: str) -> str:
    """The same as an expression of FTS5: every term quoted, so that nothing in it is an operator."""
    wanted, unwanted = terms(words)
    if not wanted:
        return ""
    return " AND ".join(f'"{term}"' for term in wanted) + "".join(f' NOT "{term}"' for term in unwanted)


def index(database: Database, connection: Connection) -> int:
    """Index up to `BATCH` exchanges that are not yet; returns how many."""
    if database.vault.sealing:
        return 0
    sqlite = _sqlite(connection)
    key = "rowid" if sqlite else "seq"
    last = connection.execute(text(f"SELECT max({key}) FROM exchange_text")).scalar() or 0  # noqa: S608 - our own names
    query = select(_exchange.c.seq, _exchange.c.id, _exchange.c.body).order_by(_exchange.c.seq).limit(BATCH)
    if sqlite:
        query = query.where(_exchange.c.seq > last)
    else:
        absent = text("NOT EXISTS (SELECT 1 FROM exchange_text WHERE exchange_text.seq = exchange.seq)")
        query = query.where(and_(_exchange.c.seq > last - _LATE, absent))
    rows = connection.execute(query).all()
    for row in rows:
        body = codec.exchange_from_bytes(database.vault.open(bytes(row.body), row.id))
        _put(connection, row.seq, body)
    return len(rows)


def replace(database: Database, connection: Connection, exchange_id: str, exchange: Exchange) -> None:
    """Index an exchange anew: other texts of it are kept now. One that was not indexed yet comes in its turn."""
    if database.vault.sealing:
        return
    seq = connection.execute(select(_exchange.c.seq).where(_exchange.c.id == exchange_id)).scalar()
    if seq is not None and remove(connection, [seq]):
        _put(connection, seq, exchange)


def remove(connection: Connection, numbers: Sequence[int]) -> int:
    """Forget the words of these exchanges; returns how many had been indexed."""
    key = "rowid" if _sqlite(connection) else "seq"
    statement = text(f"DELETE FROM exchange_text WHERE {key} = :number")  # noqa: S608 - our own names
    return sum(connection.execute(statement, {"number": number}).rowcount for number in numbers)


def optimise(connection: Connection) -> None:
    """Leave no word of what was deleted in the index's files."""
    if _sqlite(connection):
        connection.execute(text("INSERT INTO exchange_text(exchange_text) VALUES ('optimize')"))


def _put(connection: Connection, number: int, exchange: Exchange) -> None:
    words = plain("\n".join([*(m.content for m in exchange.messages), exchange.response or ""])[:_CHARS])
    values = {"number": number, "words": words}
    if _sqlite(connection):
        connection.execute(text("INSERT INTO exchange_text(rowid, body) VALUES (:number, :words)"), values)
    else:
        connection.execute(
            text("INSERT INTO exchange_text VALUES (:number, to_tsvector('simple', :words)) ON CONFLICT DO NOTHING"),
            values,
        )


def _sqlite(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite"


def of_tenant(tenant: str | None) -> list[ColumnElement[bool]]:
    """The condition that an exchange is of one tenant; none for all tenants."""
    return [] if tenant is None else [_exchange.c.tenant == plain(tenant)]


def neighbours(connection: Connection, exchange_id: str, tenant: str | None = None) -> tuple[str | None, str | None]:
    """The ids of the exchanges, of one tenant or of all, before and after one."""
    number = select(_exchange.c.seq).where(_exchange.c.id == exchange_id).scalar_subquery()
    some = select(_exchange.c.id).where(*of_tenant(tenant))
    older = some.where(_exchange.c.seq < number).order_by(_exchange.c.seq.desc()).limit(1)
    newer = some.where(_exchange.c.seq > number).order_by(_exchange.c.seq).limit(1)
    return connection.execute(older).scalar(), connection.execute(newer).scalar()


def note_matches(connection: Connection, records: Sequence[ExchangeRecord]) -> None:
    """Write which policies matched which exchanges, to be found by."""
    rows = [
        {"policy": policy_id, "exchange": record.exchange.id}
        for record in records
        for policy_id in sorted({match.policy_id for decision in record.decisions for match in decision.matches})
    ]
    if rows:
        statement = text(
            "INSERT INTO exchange_policy (policy_id, seq) SELECT :policy, seq FROM exchange WHERE id = :exchange"
        )
        connection.execute(statement, rows)
