"""Server-rendered pages over the store, for a listener of their own. Every text shown is hostile: all of it is escaped,
and no page but the live one runs a script, which is a file of ours.

People sign in with the console's token, an API key with a role, or at an OpenID Connect provider; programs send a token
or key as `Authorization: Bearer` and use `/api/…`. What a role may do stands beside each route.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from sisf.console import routes
from sisf.console.access import OPEN, Access, Credentials
from sisf.console.actions import Actions
from sisf.console.admin_api import AdminApi
from sisf.console.admin_forms import AdminForms
from sisf.console.admin_pages import AdminPages
from sisf.console.api import Api
from sisf.console.exchange_pages import ExchangePages
from sisf.console.forms import Forms
from sisf.console.oidc import Oidc
from sisf.console.pages import Pages
from sisf.console.parts import Parts
from sisf.console.policy_pages import PolicyPages
from sisf.console.render import Renderer
from sisf.console.roles import Who
from sisf.console.sessions import Sessions
from sisf.console.signin import SignIn
from sisf.errors import SisfError, StoreError, StoreUnavailable
from sisf.gateway.identity import KeyFile
from sisf.llm.base import ChatModel
from sisf.loop import Lifecycle
from sisf.serving.routed import routed
from sisf.settings import Admin, Settings
from sisf.store import Store
from sisf.warden import Warden

_TENANTS = 100
"""For so many tenants the console is kept ready."""
_log = structlog.get_logger("sisf.console")


def create_console(
    store: Store,
    *,
    token: str = "",
    keys: KeyFile | None = None,
    settings: Admin | None = None,
    lifecycle: Lifecycle | None = None,
    warden: Warden | None = None,
    configuration: Settings | None = None,
    origins: Mapping[str, str] | None = None,
    follow: Callable[[], object] | None = None,
    sessions: Sessions | None = None,
    model: ChatModel | None = None,
    fail_opens: Callable[[], float] | None = None,
) -> Starlette:
    """The console as an ASGI application.

    `token` opens it as admin; `keys` are API keys, of which those with a role of the console open it; `settings` bring
    sign-in at a provider. `warden` lets texts be tried and decisions be explained; `configuration` and its `origins`
    are what the page of settings shows; `follow` is called when enforcement was suspended or resumed; `sessions` are
    the console's own unless given; `model` is asked where people try texts; `fail_opens` counts what passed
    unchecked. Raises `ValueError` when there is no way
    in, `ConfigurationError` for unusable settings.
    """
    settings = settings or Admin()
    oidc = Oidc(settings.oidc, settings.url) if settings.oidc.issuer else None
    if not (token or keys or oidc):
        raise ValueError("the console needs a token, keys or an OpenID Connect provider")
    parts = Parts(
        store,
        lifecycle,
        warden,
        keys,
        configuration,
        origins or {},
        follow or (lambda: None),
        two_persons=settings.two_persons,
        model=model,
        fail_opens=fail_opens,
    )
    sessions = sessions or create_sessions(settings, keys)
    credentials = Credentials(token, keys, sessions)
    pages, listed = _pages(parts, sessions, settings.url)
    signin = SignIn(pages, store, credentials, oidc, secure=settings.url.startswith("https://"))

    def of_tenant(tenant: str) -> Starlette:
        own, all_of_it = _pages(parts.of(tenant), sessions, settings.url)
        return routed(routes.of_one_tenant(all_of_it), exception_handlers=_handlers(own))

    return routed(
        [*signin.routes(), *listed, _static()],
        middleware=[
            Middleware(Access, credentials=credentials, denied=partial(_denied, pages, signin), url=settings.url),
            Middleware(Tenants, of_tenant=of_tenant),
        ],
        exception_handlers=_handlers(pages),
    )


class Tenants:
    """Middleware: who is limited to a tenant meets a console over that tenant's things, and no other."""

    def __init__(self, app: ASGIApp, of_tenant: Callable[[str], ASGIApp]) -> None:
        self._app = app
        self._of_tenant = lru_cache(_TENANTS)(of_tenant)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        who: Who | None = scope.get("state", {}).get("who")
        shared = scope["type"] != "http" or scope["path"].startswith((*OPEN, "/logout"))
        app = self._app if who is None or not who.tenant or shared else self._of_tenant(who.tenant)
        await app(scope, receive, send)


def _pages(parts: Parts, sessions: Sessions, url: str) -> tuple[Pages, list[Route]]:
    """The pages, buttons and endpoints over a system, or over one tenant's part of it."""
    renderer, actions = Renderer(parts.store, parts.tenant), Actions(parts)
    pages = Pages(parts, actions, renderer)
    admin = AdminPages(parts, renderer, sessions, url)
    return pages, [
        *routes.pages(pages, ExchangePages(parts, renderer), PolicyPages(parts, actions, renderer), admin),
        *routes.buttons(Forms(actions), AdminForms(parts, sessions)),
        *routes.endpoints(Api(parts, actions), AdminApi(parts, actions, sessions)),
    ]


def _handlers(pages: Pages) -> dict[Any, Any]:
    return {
        SisfError: partial(_refused, pages),
        HTTPException: partial(_failed, pages),
        Exception: partial(_broken, pages),
    }


def create_sessions(settings: Admin, keys: KeyFile | None) -> Sessions:
    """Sessions that end with the key that began them, or with what it may."""

    def valid(who: Who) -> bool:
        return keys is None or keys.opens(who.key_id, who.role, who.tenant)

    return Sessions(settings.session_minutes * 60, valid=valid)


def _static() -> Mount:
    return Mount("/static", StaticFiles(packages=[("sisf.console", "static")]), name="static")


async def _answer(pages: Pages, request: Request, status: int, message: str) -> Response:
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": message}, status)
    return await pages.failed(request, status, message)


async def _denied(pages: Pages, signin: SignIn, request: Request, status: int, message: str) -> Response:
    if request.url.path.startswith("/api/"):
        said = message or "A token or key is needed: Authorization: Bearer KEY."
        return JSONResponse({"error": said}, status, {"www-authenticate": "Bearer"} if status == 401 else None)
    return await (signin.ask(request) if status == 401 else pages.failed(request, status, message))


async def _refused(pages: Pages, request: Request, error: Exception) -> Response:
    if request.url.path.startswith("/oidc/"):
        return await pages.failed(request, 403, str(error))
    if isinstance(error, StoreUnavailable):
        return await _answer(pages, request, 503, str(error))
    status = 404 if isinstance(error, StoreError) and "there is no" in str(error) else 409
    return await _answer(pages, request, status, str(error))


async def _failed(pages: Pages, request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    response = await _answer(pages, request, error.status_code, error.detail)
    response.headers.update(error.headers or {})
    return response


async def _broken(pages: Pages, request: Request, error: Exception) -> Response:
    _log.error("internal_error", path=request.url.path, error=f"{type(error).__name__}: {error}"[:300])
    return await _answer(pages, request, 500, "The console failed; its log says why.")
