"""The search of exchanges as the address bar says it, and exports that no spreadsheet takes for formulas."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import msgspec
from starlette.exceptions import HTTPException

from sisf.exchange import Fate
from sisf.store import Store
from sisf.store.search import Found, Query
from sisf.taxonomy import Hazard
from sisf.verdict import Outcome

PAGE = 50
MOST_EXPORTED = 50_000
_BATCHES = 10
SHOW = ("all", "breach", "undecided", "safe", "stopped", "released")
FIELDS = ("q", "show", "tenant", "principal", "policy", "hazard", "since", "until")
RANGES = {"1h": timedelta(hours=1), "24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
_LABELS = {Outcome.BREACH: "harmful", Outcome.SAFE: "benign"}
_STOPPED = tuple(fate for fate in Fate if fate.stopped)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠")
_COLUMNS = (
    "id", "time", "tenant", "principal", "model", "fate", "verdict", "judge", "hazard", "policies", "prompt",
    "response",
)  # fmt: skip


def asked(given: Mapping[str, str]) -> dict[str, str]:
    """What the address bar asks for, without what it leaves open."""
    return {name: given[name].strip() for name in FIELDS if given.get(name, "").strip()}


def row_number(given: str) -> int | None:
    """The number of a row that an address names; `None` for what can be none."""
    return int(given) if given.isdecimal() and len(given) < 19 else None


def query_of(fields: Mapping[str, str]) -> Query:
    """The search of these fields. Raises `HTTPException` (400) that says which one is wrong."""
    show = fields.get("show", "all")
    if show not in SHOW:
        raise HTTPException(400, f"show must be one of {', '.join(SHOW)}")
    hazard = fields.get("hazard")
    if hazard is not None and hazard not in set(Hazard):
        raise HTTPException(400, f"hazard must be one of {', '.join(Hazard)}")
    fates = _STOPPED if show == "stopped" else (Fate.RELEASED,) if show == "released" else ()
    return Query(
        fields.get("q", ""),
        fields.get("tenant"),
        fields.get("principal"),
        fates,
        Outcome(show) if show in set(Outcome) else None,
        fields.get("policy"),
        Hazard(hazard) if hazard else None,
        moment(fields.get("since", ""), "since"),
        moment(fields.get("until", ""), "until"),
    )


def moment(given: str, name: str) -> datetime | None:
    """A time as a person gives it: `24h` ago, `2026-03-01`, `2026-03-01T12:30`; UTC unless it says otherwise."""
    if not given:
        return None
    if given in RANGES:
        return datetime.now(UTC) - RANGES[given]
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        raise HTTPException(400, f"{name} must be a time such as 2026-03-01T12:30, or {', '.join(RANGES)}") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def address(path: str, fields: Mapping[str, str], **more: str) -> str:
    """The address of this search."""
    merged = {name: value for name, value in {**fields, **more}.items() if value}
    return f"{path}?{urlencode(merged)}" if merged else path


def searched(store: Store, wanted: Query, limit: int, *, before: int | None = None) -> Sequence[Found]:
    """A page of what is found. Words of the last minutes are indexed first; much older ones come in the background."""
    if wanted.text:
        for _ in range(_BATCHES):
            if not store.exchanges.index():
                break
    return store.exchanges.search(wanted, limit, before=before)


def all_of(store: Store, wanted: Query) -> Iterator[Found]:
    """Everything that is found, page by page, newest first; at most `MOST_EXPORTED`."""
    before, count = None, 0
    while count < MOST_EXPORTED:
        page = searched(store, wanted, 500, before=before)
        yield from page
        if len(page) < 500:
            return
        before, count = page[-1].number, count + len(page)


def as_jsonl(found: Iterable[Found]) -> Iterator[str]:
    """One exchange a line, as a data set: `id`, `text`, `label` where a verdict gives one, and what was recorded."""
    for item in found:
        record = item.record
        told = {
            "id": record.exchange.id,
            "text": record.exchange.prompt,
            "label": _LABELS.get(record.verdict.outcome) if record.verdict is not None else None,
            "response": record.exchange.response,
            "record": msgspec.to_builtins(record),
        }
        # In ASCII: no reader's bidirectional rules, no terminal's escapes.
        yield json.dumps(told, ensure_ascii=True) + "\n"


def as_csv(found: Iterable[Found]) -> Iterator[str]:
    """A table for spreadsheets. No cell begins as a formula does."""
    yield _row(_COLUMNS)
    for item in found:
        record, verdict = item.record, item.record.verdict
        exchange = record.exchange
        policies = sorted({match.policy_id for decision in record.decisions for match in decision.matches})
        judged = (verdict.outcome, verdict.judge, verdict.hazard) if verdict else ("", "", "")
        told = (exchange.tenant, exchange.sender.principal, exchange.model, record.fate, *judged, " ".join(policies))
        yield _row((exchange.id, exchange.time.isoformat(), *told, exchange.prompt, exchange.response or ""))


def csv_rows(rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """Any table, with the same care."""
    return map(_row, rows)


def _row(cells: Iterable[object]) -> str:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow([_cell(str(cell)) for cell in cells])
    return out.getvalue()


def _cell(text: str) -> str:
    """A text that a spreadsheet shows and does not compute: the sign of a formula stands behind an apostrophe, also
    behind blanks and hidden characters that some programs skip."""
    clean = text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
    bare = "".join(character for character in clean[:200] if character.isprintable()).lstrip()
    starts = clean.startswith(_FORMULA) or bare.startswith(_FORMULA)
    return f"'{clean}" if starts else clean
