"""The pages around policies and exchanges, one method each. The store blocks, so each collects in a thread."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from sisf.console import finding
from sisf.console.actions import Actions
from sisf.console.overview import overview
from sisf.console.parts import Parts
from sisf.console.rehearsal import Replay, replay
from sisf.console.render import Renderer
from sisf.console.review import PAGE, cases, with_texts
from sisf.console.spending import spending
from sisf.errors import SisfError, StoreError
from sisf.loop import Return
from sisf.loop.undoing import is_rollback, plan
from sisf.policy import Snapshot, compare
from sisf.probe.agent import REMEMBERED
from sisf.probe.coverage import cover
from sisf.store.probes import ProbeOutcome
from sisf.store.search import Query

_ROWS = 100
_REHEARSED = 1_000
"""Going back is tried on what was said wherever so many policies are in force; with more, when somebody asks."""


class Pages:
    """Everything else that can be looked at."""

    def __init__(self, parts: Parts, actions: Actions, renderer: Renderer) -> None:
        self._parts = parts
        self._actions = actions
        self.store = parts.store
        self._renderer = renderer
        self.render = renderer.render

    async def home(self, request: Request) -> Response:
        """Figures with what they stand on, the learning curve, what was learned last."""
        since = request.query_params.get("since", "")
        tenant = self._parts.tenant or request.query_params.get("tenant", "").strip()
        wanted = Query(tenant=tenant or None, since=finding.moment(since, "since"))
        context = {"since": since, "tenant": tenant, "ranges": finding.RANGES}
        return await self.render(
            request,
            "home.html",
            lambda: {
                **overview(self.store, wanted, self._parts.tenant),
                "spent": None if self._parts.tenant else spending(self._parts.fail_opens),
                **context,
            },
        )

    async def queue(self, request: Request) -> Response:
        """What waits for a person, one card a cause."""
        page = _count(request, "page")

        def collect() -> Mapping[str, Any]:
            found = cases(self.store)
            shown = with_texts(self.store, found[(page - 1) * PAGE : page * PAGE])
            pages = max(1, -(-len(found) // PAGE))
            return {"cases": shown, "total": len(found), "page": page, "pages": pages}

        return await self.render(request, "queue.html", collect)

    async def revisions(self, request: Request) -> Response:
        """The steps of the policy set, newest first."""
        page = _count(request, "page")

        def collect() -> Mapping[str, Any]:
            rows, latest = self.store.policies.revisions(page * _ROWS), self.store.policies.snapshot().revision
            pages = max(1, -(-latest // _ROWS))
            return {"rows": rows[(page - 1) * _ROWS :], "revision": latest, "page": page, "pages": pages}

        return await self.render(request, "revisions.html", collect)

    async def revision(self, request: Request) -> Response:
        """One step: what it changed, what undoing it or going back to it would change, also for people."""
        number, asked = request.path_params["number"], "rehearse" in request.query_params

        def collect() -> Mapping[str, Any]:
            now, then = self.store.policies.snapshot(), self.store.policies.snapshot(number)
            before = self.store.policies.snapshot(number - 1) if number else then
            row = self.store.policies.revision(number) if number else None
            rehearsing = number != now.revision and (asked or len(now.policies) <= _REHEARSED)
            back = self._actions.preview(number) if rehearsing else None
            undoing = back.diff if back is not None else compare(now, then)
            return {
                "row": row,
                "then": then,
                "now": now,
                "step": compare(before, then),
                "undo_step": plan(self.store, number) if number else None,
                "back": undoing,
                "come": back.readmission.lines() if back is not None else [],
                "rehearsing": rehearsing,
                "replay": _replayed(self._parts, back, then) if rehearsing and undoing else None,
                "was_rollback": row is not None and is_rollback(row.reason),
            }

        return await self.render(request, "revision.html", collect)

    async def audit(self, request: Request) -> Response:
        """The audit log, newest first, searched."""
        before = finding.row_number(request.query_params.get("before", ""))
        fields = audit_fields(request)

        def collect() -> Mapping[str, Any]:
            rows = self.store.audit.latest(_ROWS + 1, before=before, **fields)
            older = str(rows[_ROWS - 1].sequence) if len(rows) > _ROWS else ""
            return {
                "rows": rows[:_ROWS],
                "fields": fields,
                "older": finding.address("/audit", fields, before=older) if older else "",
                "csv": finding.address("/audit.csv", fields),
            }

        return await self.render(request, "audit.html", collect)

    async def audit_csv(self, request: Request) -> Response:
        """The log, or what is searched in it, for spreadsheets."""
        fields = audit_fields(request)

        def rows() -> Any:
            yield ("sequence", "time", "actor", "action", "subject", "revision", "detail", "hash")
            before = None
            while page := self.store.audit.latest(1_000, before=before, **fields):
                for r in page:
                    yield (
                        r.sequence,
                        r.time.isoformat(),
                        r.actor,
                        r.action,
                        r.subject,
                        r.revision,
                        dict(r.detail),
                        r.hash,
                    )
                before = page[-1].sequence

        headers = {"content-disposition": 'attachment; filename="audit.csv"'}
        return StreamingResponse(finding.csv_rows(rows()), media_type="text/csv; charset=utf-8", headers=headers)

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

    async def probing(self, request: Request) -> Response:
        """What the probing agent tried of late, what got through and what is mended, by hazard and technique."""

        def collect() -> Mapping[str, Any]:
            probes = self.store.probes.latest(REMEMBERED)
            covered = cover(probes)
            return {
                "covered": covered,
                "hazards": sorted({hazard for hazard, _ in covered.cells}),
                "techniques": sorted({technique for _, technique in covered.cells}),
                "families": sorted(covered.families.items(), key=lambda item: (-item[1].open, item[0])),
                "through": [p for p in probes if p.outcome is ProbeOutcome.BREACHED][:_ROWS],
                "newest": probes[0].time if probes else None,
                "most": REMEMBERED,
            }

        return await self.render(request, "probing.html", collect)

    async def failed(self, request: Request, status: int, message: str) -> Response:
        """One clear sentence in place of a page."""
        try:
            return await self.render(request, "error.html", lambda: {"status": status, "message": message}, status)
        except SisfError:  # the store is away: the page cannot even say where enforcement is suspended
            return Response(message, status, media_type="text/plain; charset=utf-8")


def _replayed(parts: Parts, back: Return | None, then: Snapshot) -> Replay | None:
    return replay(parts, back.snapshot if back is not None else then)


def audit_fields(request: Request) -> dict[str, str]:
    """What of the audit log is asked for."""
    names = ("actor", "action", "subject")
    given = {name: request.query_params.get(name, "").strip() for name in names}
    return {name: value for name, value in given.items() if value}


def _count(request: Request, name: str) -> int:
    given = request.query_params.get(name, "1")
    return max(1, int(given)) if given.isdecimal() and len(given) < 7 else 1
