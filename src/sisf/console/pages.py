"""The pages, one method each. The store blocks, so each page collects what it shows in a thread."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from sisf.console import charts
from sisf.console.actions import STEPS, Actions, may_move
from sisf.console.overview import overview, waiting
from sisf.console.roles import Role, Who
from sisf.console.words import in_words
from sisf.errors import StoreError
from sisf.exchange import Fate
from sisf.policy import Policy, Status, compare
from sisf.store.base import Store
from sisf.store.records import ExchangeRecord
from sisf.verdict import Outcome

_PAGE = 200
_STOPPED = [fate for fate in Fate if fate.stopped]
GONE_SECONDS = 15
FILTERS = ("breach", "undecided", "safe", "stopped", "all")
_BECAME = {
    Fate.RELEASED: "released",
    Fate.INTERCEPTED_PROMPT: "prompt stopped",
    Fate.INTERCEPTED_RESPONSE: "answer stopped",
    Fate.WITHHELD: "answer withheld",
    Fate.ERROR: "failed",
    Fate.ABANDONED: "client left",
}
_STEP_WORDS = {"activate": "Switch on", "shadow": "Watch only", "retire": "Switch off", "reject": "Reject"}


class Pages:
    """Everything that can be looked at."""

    def __init__(self, store: Store, actions: Actions) -> None:
        self.store = store
        self._actions = actions
        self._templates = Environment(
            loader=PackageLoader("sisf.console"),
            autoescape=select_autoescape(default=True),
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(time=_time, share=_share, ago=_ago, became=lambda o: _BECAME.get(o, o))
        self._templates.globals.update(
            in_words=in_words, chart=charts, Role=Role, steps=_STEP_WORDS, may_move=may_move, GONE_SECONDS=GONE_SECONDS
        )

    async def render(
        self, request: Request, template: str, collect: Callable[[], Mapping[str, Any]] = dict, status: int = 200
    ) -> HTMLResponse:
        """One page; `collect` runs in a thread."""
        context = await run_in_threadpool(collect)
        who: Who | None = getattr(request.state, "who", None)
        text = self._templates.get_template(template).render(
            context, who=who, path=request.url.path, done=request.query_params.get("done", "")
        )
        return HTMLResponse(text, status)

    async def home(self, request: Request) -> Response:
        """Figures, the learning curve, what was learned last."""
        return await self.render(request, "home.html", lambda: overview(self.store))

    async def queue(self, request: Request) -> Response:
        """What waits for a person."""
        return await self.render(request, "queue.html", lambda: waiting(self.store))

    async def policies(self, request: Request) -> Response:
        """All policies, or those of one status."""
        wanted = request.query_params.get("status", "active")
        return await self.render(request, "policies.html", lambda: self._policies(wanted))

    def _policies(self, wanted: str) -> Mapping[str, Any]:
        listed = self.store.policies.list()
        counts = {status.value: sum(p.status is status for p in listed) for status in Status}
        status = Status(wanted) if wanted in set(Status) else None
        found = [policy for policy in listed if status in (None, policy.status)]
        found.sort(key=lambda policy: policy.updated, reverse=True)
        counts["all"] = len(listed)
        return {"policies": found[:_PAGE], "total": len(found), "status": wanted, "counts": counts}

    async def policy(self, request: Request) -> Response:
        """One policy: what it does, what speaks for it, and its history."""
        policy_id = request.path_params["policy_id"]

        def collect() -> Mapping[str, Any]:
            policy = self.store.policies.get(policy_id)
            history = self.store.audit.latest(_PAGE, subject=policy_id)
            return {"policy": policy, "history": history, "ngrams": _strongest(policy)}

        return await self.render(request, "policy.html", collect)

    async def exchanges(self, request: Request) -> Response:
        """The latest exchanges, by verdict or by what became of them."""
        if wanted := request.query_params.get("id", "").strip():
            return RedirectResponse(request.url_for("exchange", exchange_id=wanted).path, status_code=303)
        shown = request.query_params.get("show", "breach")
        return await self.render(
            request, "exchanges.html", lambda: {"records": self._exchanges(shown), "show": shown, "filters": FILTERS}
        )

    def _exchanges(self, shown: str) -> list[ExchangeRecord]:
        if shown == "stopped":
            return list(self.store.exchanges.recent(_PAGE, became=_STOPPED))
        outcome = Outcome(shown) if shown in set(Outcome) else None
        return list(self.store.exchanges.recent(_PAGE, outcome=outcome))

    async def exchange(self, request: Request) -> Response:
        """One exchange: what was said and decided, the verdict, and what was learned from it."""
        exchange_id = request.path_params["exchange_id"]

        def collect() -> Mapping[str, Any]:
            record = self.store.exchanges.get(exchange_id)
            learned = [p for p in self.store.policies.list() if exchange_id in p.provenance.breach_ids]
            return {
                "record": record,
                "learned": learned[:_PAGE],
                "history": self.store.audit.latest(_PAGE, subject=exchange_id),
                "stopped": record.fate.intercepted,
            }

        return await self.render(request, "exchange.html", collect)

    async def revisions(self, request: Request) -> Response:
        """The steps of the policy set, newest first."""

        def collect() -> Mapping[str, Any]:
            return {"rows": self.store.policies.revisions(_PAGE), "revision": self.store.policies.snapshot().revision}

        return await self.render(request, "revisions.html", collect)

    async def revision(self, request: Request) -> Response:
        """One step: what it changed, and what going back to it would change now."""
        number = request.path_params["number"]

        def collect() -> Mapping[str, Any]:
            now, then = self.store.policies.snapshot(), self.store.policies.snapshot(number)
            before = self.store.policies.snapshot(number - 1) if number else then
            row = next(
                (r for r in self.store.policies.revisions(now.revision - number + 1) if r.number == number), None
            )
            back = self._actions.preview(number) if number != now.revision else None
            undo = back.diff if back is not None else compare(now, then)
            come = back.readmission.lines() if back is not None else []
            return {"row": row, "then": then, "now": now, "step": compare(before, then), "undo": undo, "come": come}

        return await self.render(request, "revision.html", collect)

    async def audit(self, request: Request) -> Response:
        """The audit log, newest first."""
        given = request.query_params.get("before", "")
        before = int(given) if given.isdecimal() and len(given) < 19 else None
        return await self.render(
            request, "audit.html", lambda: {"rows": self.store.audit.latest(_PAGE, before=before), "page": _PAGE}
        )

    async def verify(self, request: Request) -> Response:
        """Whether the chain of the audit log is unbroken."""

        def collect() -> Mapping[str, Any]:
            try:
                return {"checked": self.store.audit.verify(), "problem": ""}
            except StoreError as error:
                return {"checked": 0, "problem": str(error)}

        return await self.render(request, "verify.html", collect)

    async def fleet(self, request: Request) -> Response:
        """Who shares the store, and which revision each enforces."""

        def collect() -> Mapping[str, Any]:
            return {"nodes": self.store.nodes.list(), "revision": self.store.policies.snapshot().revision}

        return await self.render(request, "fleet.html", collect)

    async def failed(self, request: Request, status: int, message: str) -> Response:
        """One clear sentence in place of a page."""
        return await self.render(request, "error.html", lambda: {"status": status, "message": message}, status)


def step_of(request: Request) -> str:
    """The step that a path names. Raises `HTTPException` (404) for others."""
    step: str = request.path_params["step"]
    if step not in STEPS:
        raise HTTPException(404, f"unknown step `{step}`")
    return step


def _strongest(policy: Policy) -> list[tuple[str, float]]:
    grams: Mapping[str, float] = getattr(policy.condition, "ngrams", {})
    return sorted(grams.items(), key=lambda item: -abs(item[1]))[:30]


def _time(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}" if moment else "–"


def _ago(moment: datetime | None) -> float:
    """Seconds since then."""
    return (datetime.now(UTC) - moment).total_seconds() if moment else 0.0


def _share(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{100 * value:.{digits}f} %"
