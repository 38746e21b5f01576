"""Server-rendered pages over the store. Every text shown is hostile: templates escape all of it.

Access needs the token: as `Authorization: Bearer`, or once as `/login?token=…`, which sets a cookie that scripts cannot
read and other sites cannot send. Changes are POST requests from the same origin.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from jinja2 import Environment, PackageLoader, select_autoescape
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sisf.console.overview import overview
from sisf.errors import PolicyError, StoreError
from sisf.loop import Lifecycle
from sisf.policy import Status
from sisf.store.base import Store
from sisf.verdict import Outcome, Verdict

_COOKIE = "sisf_console"
_FORM_BYTES = 10_000
_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


def create_console(store: Store, *, token: str, lifecycle: Lifecycle | None = None) -> Starlette:
    """The pages as an ASGI application for a listener of its own. `token` must not be empty.

    `lifecycle` carries out what a person decides on policies and stopped exchanges; without it the pages only show.
    """
    if not token:
        raise ValueError("the console needs a token")
    pages = _Pages(store, lifecycle)
    routes = [
        Route("/", pages.home),
        Route("/policies", pages.policies),
        Route("/policies/{policy_id}", pages.policy),
        Route("/policies/{policy_id}/{step}", pages.move, methods=["POST"]),
        Route("/rollback", pages.rollback, methods=["POST"]),
        Route("/exchanges", pages.exchanges),
        Route("/exchanges/{exchange_id}", pages.exchange),
        Route("/exchanges/{exchange_id}/verdict", pages.label, methods=["POST"]),
        Route("/exchanges/{exchange_id}/mistake", pages.mistake, methods=["POST"]),
        Route("/exchanges/{exchange_id}/confirm", pages.confirm, methods=["POST"]),
        Route("/audit", pages.audit),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(_Access, token=token)],
        exception_handlers={StoreError: _not_found, PolicyError: _refused},
    )


async def _form(request: Request) -> Mapping[str, str]:
    """The fields of a short urlencoded form."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _FORM_BYTES:
            raise HTTPException(413, "the form is too large")
    return dict(parse_qsl(body.decode("utf-8", "replace")))


async def _not_found(_request: Request, error: Exception) -> Response:
    return PlainTextResponse(str(error), status_code=404)


async def _refused(_request: Request, error: Exception) -> Response:
    return PlainTextResponse(str(error), status_code=409)


class _Access:
    """Token, same-origin and security headers, before any page runs."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self.app = app
        self.token = token
        self.cookie = hashlib.sha256(f"console:{token}".encode()).hexdigest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        response = self._refusal(Request(scope))
        if response is not None:
            response.headers.update(_HEADERS)
            await response(scope, receive, send)
            return

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *((k.encode(), v.encode()) for k, v in _HEADERS.items())]
            await send(message)

        await self.app(scope, receive, send_with_headers)

    def _refusal(self, request: Request) -> Response | None:
        if request.url.path == "/login":
            return self._login(request)
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        if _same(bearer, self.token):
            return None
        if not _same(request.cookies.get(_COOKIE, ""), self.cookie):
            return PlainTextResponse("open the address with ?token=… that `sisf serve` printed\n", status_code=401)
        if request.method not in {"GET", "HEAD"} and not _same_origin(request):
            return PlainTextResponse("changes are accepted from the console's own pages only\n", status_code=403)
        return None

    def _login(self, request: Request) -> Response:
        if not _same(request.query_params.get("token", ""), self.token):
            return PlainTextResponse("wrong token\n", status_code=401)
        response = RedirectResponse("/", status_code=303)
        secure = request.url.scheme == "https"
        response.set_cookie(_COOKIE, self.cookie, httponly=True, samesite="strict", secure=secure)
        return response


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def _same_origin(request: Request) -> bool:
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc == request.headers.get("host")


class _Pages:
    """One method a page. The store blocks, so each call to it runs in a thread."""

    def __init__(self, store: Store, lifecycle: Lifecycle | None) -> None:
        self.store = store
        self.lifecycle = lifecycle
        self.templates = Environment(
            loader=PackageLoader("sisf.console"), autoescape=select_autoescape(default=True), trim_blocks=True
        )

    async def _render(self, template: str, collect: Callable[[], Mapping[str, Any]]) -> HTMLResponse:
        context = await run_in_threadpool(collect)
        return HTMLResponse(self.templates.get_template(template).render(context))

    async def home(self, _request: Request) -> Response:
        """Figures and the latest policies."""
        return await self._render("home.html", lambda: overview(self.store))

    async def policies(self, request: Request) -> Response:
        """All policies, or those of one status."""
        wanted = request.query_params.get("status", "active")
        status = Status(wanted) if wanted in set(Status) else None

        def collect() -> Mapping[str, Any]:
            found = sorted(self.store.policies.list(status), key=lambda p: p.updated, reverse=True)
            return {"policies": found[:500], "total": len(found), "status": wanted, "statuses": [*Status, "all"]}

        return await self._render("policies.html", collect)

    async def policy(self, request: Request) -> Response:
        """One policy with its evidence and gate report."""
        policy_id = request.path_params["policy_id"]
        return await self._render("policy.html", lambda: {"policy": self.store.policies.get(policy_id)})

    async def move(self, request: Request) -> Response:
        """Activate, shadow or retire one policy."""
        policy_id, step = request.path_params["policy_id"], request.path_params["step"]
        steps = {"activate": Status.ACTIVE, "shadow": Status.SHADOW, "retire": Status.RETIRED}
        if step not in steps:
            raise HTTPException(404, f"unknown step `{step}`")
        await run_in_threadpool(self._move, policy_id, steps[step])
        return RedirectResponse(f"/policies/{policy_id}", status_code=303)

    def _move(self, policy_id: str, status: Status) -> None:
        self._deciding().move(policy_id, status, actor="person:console", reason=f"moved to {status} on the console")

    def _deciding(self) -> Lifecycle:
        if self.lifecycle is None:
            raise HTTPException(409, "this console only shows; decide with `sisf policy` and `sisf breach`")
        return self.lifecycle

    async def mistake(self, request: Request) -> Response:
        """It was stopped by mistake: what stopped it lets it pass from now on."""
        return await self._said(request, self._deciding().report_false_positive)

    async def confirm(self, request: Request) -> Response:
        """It was rightly stopped."""
        return await self._said(request, self._deciding().confirm)

    async def _said(self, request: Request, say: Callable[..., object]) -> Response:
        exchange_id = request.path_params["exchange_id"]
        await run_in_threadpool(partial(say, exchange_id, actor="person:console"))
        return RedirectResponse(f"/exchanges/{exchange_id}", status_code=303)

    async def rollback(self, request: Request) -> Response:
        """Make an earlier revision the next one."""
        form = await _form(request)
        try:
            revision = int(form.get("revision", ""))
        except ValueError:
            raise HTTPException(400, "revision must be a whole number") from None
        undo = partial(self.store.policies.rollback, revision, actor="person:console", reason="rolled back")
        await run_in_threadpool(undo)
        return RedirectResponse("/", status_code=303)

    async def exchanges(self, request: Request) -> Response:
        """The latest exchanges, or those with one verdict: `undecided` is the queue that waits for a person."""
        wanted = request.query_params.get("outcome", Outcome.UNDECIDED)
        outcome = Outcome(wanted) if wanted in set(Outcome) else None

        def collect() -> Mapping[str, Any]:
            records = self.store.exchanges.recent(200, outcome=outcome)
            return {"records": records, "outcome": wanted, "outcomes": [*Outcome, "all"]}

        return await self._render("exchanges.html", collect)

    async def exchange(self, request: Request) -> Response:
        """One exchange, what was decided, and the verdict."""
        exchange_id = request.path_params["exchange_id"]
        return await self._render("exchange.html", lambda: {"record": self.store.exchanges.get(exchange_id)})

    async def label(self, request: Request) -> Response:
        """A person's verdict."""
        form = await _form(request)
        given = form.get("outcome", "")
        if given not in (Outcome.BREACH, Outcome.SAFE):
            raise HTTPException(400, "outcome must be `breach` or `safe`")
        exchange_id = request.path_params["exchange_id"]
        verdict = Verdict(Outcome(given), judge="person", confidence=1.0, rationale="decided on the console")
        save = partial(self.store.exchanges.save_verdict, exchange_id, verdict, actor="person:console")
        await run_in_threadpool(save)
        return RedirectResponse(f"/exchanges/{exchange_id}", status_code=303)

    async def audit(self, request: Request) -> Response:
        """The audit log, page by page."""
        given = request.query_params.get("after", "0")
        after = int(given) if given.isdecimal() else 0
        return await self._render(
            "audit.html", lambda: {"rows": self.store.audit.rows(after=after, limit=200), "after": after}
        )
