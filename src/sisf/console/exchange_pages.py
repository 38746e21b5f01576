"""Exchanges: found, exported, and each explained."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from sisf.console import finding
from sisf.console.access import FOLLOWING
from sisf.console.actions import verdict_mark
from sisf.console.explaining import doubts, explained_to, near_misses, spans
from sisf.console.parts import Parts
from sisf.console.policy_lines import lines_of
from sisf.console.render import Renderer
from sisf.errors import StoreError
from sisf.exchange import Message, Role
from sisf.loop.mistakes import readable
from sisf.loop.undoing import plan
from sisf.policy import Direction
from sisf.store.records import ExchangeRecord, Word
from sisf.taxonomy import Hazard

_LEARNED = 50
_LIVE = 30


class ExchangePages:
    """What was said, and why it was decided so."""

    def __init__(self, parts: Parts, renderer: Renderer) -> None:
        self._parts = parts
        self._store = parts.store
        self._renderer = renderer

    async def exchanges(self, request: Request) -> Response:
        """Search and filters, page by page; all of it stands in the address."""
        if wanted := request.query_params.get("id", "").strip():
            return RedirectResponse(request.url_for("exchange", exchange_id=wanted).path, status_code=303)
        fields = finding.asked(request.query_params)
        before = finding.row_number(request.query_params.get("before", ""))
        return await self._renderer.render(request, "exchanges.html", lambda: self._found(fields, before))

    def _found(self, fields: Mapping[str, str], before: int | None) -> Mapping[str, Any]:
        query, problem = finding.query_of(fields), ""
        found: Any = []
        try:
            found = finding.searched(self._store, query, finding.PAGE + 1, before=before)
        except StoreError as error:
            problem = str(error)
        page = found[: finding.PAGE]
        older = str(page[-1].number) if len(found) > finding.PAGE else ""
        return {
            "found": page,
            "fields": fields,
            "problem": problem,
            "shows": finding.SHOW,
            "ranges": finding.RANGES,
            "hazards": list(Hazard),
            "first": before is None,
            "older": finding.address("/exchanges", fields, before=older) if older else "",
            "newest": finding.address("/exchanges", fields),
            "live": finding.address("/live", fields),
            "csv": finding.address("/exchanges.csv", fields),
            "jsonl": finding.address("/exchanges.jsonl", fields),
            "here": lambda **more: finding.address("/exchanges", {**fields, **more}),
        }

    async def live(self, request: Request) -> Response:
        """Exchanges as they come: a small script of our own loads this page again; without it a link does."""
        fields = finding.asked(request.query_params)

        def collect() -> Mapping[str, Any]:
            found = self._found(fields, None)
            return {
                **found,
                "found": found["found"][:_LIVE],
                "now": datetime.now(UTC),
                "search": finding.address("/exchanges", fields),
                "here": finding.address("/live", fields),
                "only": lambda **more: finding.address("/live", {**fields, **more}),
            }

        response = await self._renderer.render(request, "live.html", collect)
        response.headers["content-security-policy"] = FOLLOWING
        return response

    async def csv(self, request: Request) -> Response:
        """What is found, for spreadsheets."""
        return self._export(request, "csv")

    async def jsonl(self, request: Request) -> Response:
        """What is found, as a data set."""
        return self._export(request, "jsonl")

    def _export(self, request: Request, form: str) -> Response:
        fields = finding.asked(request.query_params)
        query, who = finding.query_of(fields), request.state.who
        detail = {"form": form, **fields}

        def body() -> Iterator[str]:
            self._store.audit.append(
                actor=who.actor, action="exchange.export", subject="exchanges", revision=0, detail=detail
            )
            rows = finding.all_of(self._store, query)
            yield from finding.as_csv(rows) if form == "csv" else finding.as_jsonl(rows)

        name = f'attachment; filename="exchanges-{datetime.now(UTC):%Y%m%d-%H%M%S}.{form}"'
        kind = "text/csv; charset=utf-8" if form == "csv" else "application/x-ndjson"
        return StreamingResponse(body(), media_type=kind, headers={"content-disposition": name})

    async def exchange(self, request: Request) -> Response:
        """One exchange: what was said, why it was decided so, what people and judges said, what was learned."""
        exchange_id = request.path_params["exchange_id"]
        return await self._renderer.render(request, "exchange.html", lambda: self._one(exchange_id))

    def _one(self, exchange_id: str) -> Mapping[str, Any]:
        store, record = self._store, self._store.exchanges.get(exchange_id)
        older, newer = store.exchanges.neighbours(exchange_id)
        why, word = explained_to(self._parts, record), store.oversight.word(exchange_id)
        return {
            "record": record,
            "texts": _texts(record, why),
            "why": why,
            "doubts": doubts(record),
            "near": self._near(record),
            "word": word,
            "made": self._made(word),
            "verdicts": store.exchanges.verdicts(exchange_id),
            "mark": verdict_mark(record.verdict),
            "notes": store.oversight.notes([exchange_id])[exchange_id],
            "learned": lines_of(store.policies.learned_from(exchange_id, _LEARNED)),
            "history": store.audit.latest(_LEARNED, subject=exchange_id),
            "stopped": record.fate.intercepted,
            "older": older,
            "newer": newer,
        }

    def _near(self, record: ExchangeRecord) -> Any:
        """What came nearest without matching, where the prompt passed and was kept."""
        warden = self._parts.warden
        if warden is None or record.fate.intercepted or not readable(record.exchange.prompt):
            return ()
        try:
            messages = (Message(Role.USER, record.exchange.prompt),)
            tenant = record.exchange.tenant
            decision = warden.policy_set.inspect(messages, Direction.PROMPT, tenant)
            return near_misses(self._parts, warden.policy_set, decision, messages, tenant)
        except Exception:  # noqa: BLE001 - a page without near misses is better than none
            return ()

    def _made(self, word: Word | None) -> Mapping[str, Any] | None:
        """What the word that stands changed, and what of it can still be undone."""
        if word is None or not word.revision:
            return None
        changed = self._store.policies.changed(word.revision)
        if not changed:  # it changed what is not this tenant's
            return None
        return {
            "revision": word.revision,
            "policies": [self._store.policies.get(policy_id) for policy_id in changed],
            "undoable": bool(plan(self._store, word.revision).policies),
        }


def _texts(record: ExchangeRecord, why: Any) -> list[tuple[str, str, list[tuple[int, int]]]]:
    """Who spoke, what, and what of it is to be marked."""
    exchange = record.exchange
    texts = [
        (message.role.value, message.content, spans(why, Direction.PROMPT, place, message.content))
        for place, message in enumerate(exchange.messages)
    ]
    if exchange.response is not None:
        texts.append(("answer", exchange.response, spans(why, Direction.RESPONSE, 0, exchange.response)))
    return texts
