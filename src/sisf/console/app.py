"""Server-rendered pages over the store, for a listener of their own. Every text shown is hostile: all of it is escaped,
and the pages run no script.

People sign in with the console's token, an API key with a role, or at an OpenID Connect provider; programs send a token
or key as `Authorization: Bearer` and use `/api/…`. What a role may do stands beside each route.
"""

from collections.abc import Awaitable, Callable
from functools import partial

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from sisf.console.access import Access, Credentials
from sisf.console.actions import Actions
from sisf.console.api import Api
from sisf.console.forms import Forms
from sisf.console.oidc import Oidc
from sisf.console.pages import Pages
from sisf.console.roles import Role, Who
from sisf.console.sessions import Sessions
from sisf.console.signin import SignIn
from sisf.errors import SisfError, StoreError
from sisf.gateway.identity import KeyFile
from sisf.loop import Lifecycle
from sisf.settings import Admin
from sisf.store.base import Store

_log = structlog.get_logger("sisf.console")
Handler = Callable[[Request], Awaitable[Response]]


def create_console(
    store: Store,
    *,
    token: str = "",
    keys: KeyFile | None = None,
    settings: Admin | None = None,
    lifecycle: Lifecycle | None = None,
) -> Starlette:
    """The console as an ASGI application.

    `token` opens it as admin; `keys` are API keys, of which those with a role of the console open it; `settings` bring
    sign-in at a provider. Raises `ValueError` when there is no way in, `ConfigurationError` for unusable settings.
    """
    settings = settings or Admin()
    oidc = Oidc(settings.oidc, settings.url) if settings.oidc.issuer else None
    if not (token or keys or oidc):
        raise ValueError("the console needs a token, keys or an OpenID Connect provider")
    credentials = Credentials(token, keys, Sessions(settings.session_minutes * 60))
    secure = settings.url.startswith("https://")
    actions = Actions(store, lifecycle)
    pages = Pages(store, actions)
    signin = SignIn(pages, store, credentials, oidc, secure=secure)
    denied = partial(_denied, pages, signin)
    return Starlette(
        routes=[*signin.routes(), *_pages(pages), *_forms(Forms(actions)), *_api(Api(store, actions)), _static()],
        middleware=[Middleware(Access, credentials=credentials, denied=denied, url=settings.url)],
        exception_handlers={
            SisfError: partial(_refused, pages),
            HTTPException: partial(_failed, pages),
            Exception: partial(_broken, pages),
        },
    )


def _pages(pages: Pages) -> list[Route]:
    return [
        _route("/", pages.home, Role.VIEWER),
        _route("/queue", pages.queue, Role.VIEWER),
        _route("/policies", pages.policies, Role.VIEWER),
        _route("/policies/{policy_id}", pages.policy, Role.VIEWER),
        _route("/exchanges", pages.exchanges, Role.VIEWER),
        _route("/exchanges/{exchange_id}", pages.exchange, Role.VIEWER),
        _route("/revisions", pages.revisions, Role.VIEWER),
        _route("/revisions/{number:int}", pages.revision, Role.VIEWER),
        _route("/audit", pages.audit, Role.VIEWER),
        _route("/audit/verify", pages.verify, Role.VIEWER),
        _route("/fleet", pages.fleet, Role.VIEWER),
    ]


def _forms(forms: Forms) -> list[Route]:
    return [
        _route("/policies/{policy_id}/{step}", forms.move, Role.OPERATOR, "POST"),
        _route("/exchanges/{exchange_id}/verdict", forms.label, Role.OPERATOR, "POST"),
        _route("/exchanges/{exchange_id}/mistake", forms.mistake, Role.OPERATOR, "POST"),
        _route("/exchanges/{exchange_id}/confirm", forms.confirm, Role.OPERATOR, "POST"),
        _route("/exchanges/{exchange_id}/retry", forms.retry, Role.OPERATOR, "POST"),
        _route("/rollback", forms.rollback, Role.ADMIN, "POST"),
        _route("/forget", forms.forget, Role.ADMIN, "POST"),
    ]


def _api(api: Api) -> list[Route]:
    return [
        _route("/api/overview", api.overview, Role.VIEWER),
        _route("/api/policies", api.policies, Role.VIEWER),
        _route("/api/policies/{policy_id}", api.policy, Role.VIEWER),
        _route("/api/exchanges", api.exchanges, Role.VIEWER),
        _route("/api/exchanges/{exchange_id}", api.exchange, Role.VIEWER),
        _route("/api/revisions", api.revisions, Role.VIEWER),
        _route("/api/rollback/{number:int}", api.preview, Role.VIEWER),
        _route("/api/audit", api.audit, Role.VIEWER),
        _route("/api/fleet", api.fleet, Role.VIEWER),
        _route("/api/policies/{policy_id}/{step}", api.move, Role.OPERATOR, "POST"),
        _route("/api/exchanges/{exchange_id}/verdict", api.label, Role.OPERATOR, "POST"),
        _route("/api/exchanges/{exchange_id}/mistake", api.mistake, Role.OPERATOR, "POST"),
        _route("/api/rollback", api.rollback, Role.ADMIN, "POST"),
    ]


def _route(path: str, handler: Handler, role: Role, method: str = "GET") -> Route:
    """A route that needs a role. Its name is that of the handler, under `api:` for those of the API."""

    async def guarded(request: Request) -> Response:
        who: Who = request.state.who
        if not who.role.covers(role):
            raise HTTPException(403, f"This needs the role {role}; yours is {who.role}.")
        return await handler(request)

    name = handler.__name__
    return Route(path, guarded, methods=[method], name=f"api:{name}" if path.startswith("/api/") else name)


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
