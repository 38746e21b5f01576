"""Which page, button and endpoint stands where, and who may use it."""

from collections.abc import Awaitable, Callable, Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sisf.console.admin_api import AdminApi
from sisf.console.admin_forms import AdminForms
from sisf.console.admin_pages import AdminPages
from sisf.console.api import Api
from sisf.console.exchange_pages import ExchangePages
from sisf.console.forms import Forms
from sisf.console.openapi import document
from sisf.console.pages import Pages
from sisf.console.policy_pages import PolicyPages
from sisf.console.roles import FOR_ONE_TENANT, Role, Who

Handler = Callable[[Request], Awaitable[Response]]


def pages(general: Pages, exchanges: ExchangePages, policies: PolicyPages, admin: AdminPages) -> list[Route]:
    """What can be looked at."""
    return [
        route("/", general.home, Role.VIEWER),
        route("/queue", general.queue, Role.VIEWER),
        route("/policies", policies.policies, Role.VIEWER),
        route("/policies/merge", policies.merge, Role.VIEWER),
        route("/policies/{policy_id}", policies.policy, Role.VIEWER),
        route("/policies/{policy_id}", policies.policy, Role.VIEWER, "POST"),
        route("/try", policies.playground, Role.VIEWER),
        route("/try", policies.playground, Role.VIEWER, "POST"),
        route("/exchanges", exchanges.exchanges, Role.VIEWER),
        route("/live", exchanges.live, Role.VIEWER),
        route("/exchanges.csv", exchanges.csv, Role.VIEWER),
        route("/exchanges.jsonl", exchanges.jsonl, Role.VIEWER),
        route("/exchanges/{exchange_id}", exchanges.exchange, Role.VIEWER),
        route("/revisions", general.revisions, Role.VIEWER),
        route("/revisions/{number:int}", general.revision, Role.VIEWER),
        route("/audit", general.audit, Role.VIEWER),
        route("/audit.csv", general.audit_csv, Role.VIEWER),
        route("/audit/verify", general.verify, Role.VIEWER),
        route("/fleet", general.fleet, Role.VIEWER),
        route("/probing", general.probing, Role.VIEWER),
        route("/enforcement", admin.enforcement, Role.VIEWER),
        route("/settings", admin.settings, Role.ADMIN),
        route("/keys", admin.keys, Role.ADMIN),
        route("/keys", admin.create_key, Role.ADMIN, "POST"),
        route("/sessions", admin.sessions, Role.ADMIN),
        route("/sessions", admin.create_link, Role.ADMIN, "POST"),
    ]


def buttons(forms: Forms, admin: AdminForms) -> list[Route]:
    """What the buttons do."""
    return [
        route("/queue/bulk", forms.bulk, Role.OPERATOR, "POST"),
        route("/policies/{policy_id}/{step}", forms.move, Role.OPERATOR, "POST"),
        route("/exchanges/{exchange_id}/verdict", forms.label, Role.OPERATOR, "POST"),
        route("/exchanges/{exchange_id}/unlabel", forms.unlabel, Role.OPERATOR, "POST"),
        route("/exchanges/{exchange_id}/mistake", forms.mistake, Role.OPERATOR, "POST"),
        route("/exchanges/{exchange_id}/confirm", forms.confirm, Role.OPERATOR, "POST"),
        route("/exchanges/{exchange_id}/take-back", forms.take_back, Role.OPERATOR, "POST"),
        route("/exchanges/{exchange_id}/retry", forms.retry, Role.OPERATOR, "POST"),
        route("/note", forms.note, Role.OPERATOR, "POST"),
        route("/undo", forms.undo, Role.OPERATOR, "POST"),
        route("/enforcement/suspend", forms.suspend, Role.OPERATOR, "POST"),
        route("/enforcement/resume", forms.resume, Role.OPERATOR, "POST"),
        route("/rollback", forms.rollback, Role.ADMIN, "POST"),
        route("/forget", forms.forget, Role.ADMIN, "POST"),
        route("/keys/revoke", admin.revoke_key, Role.ADMIN, "POST"),
        route("/webhooks/retry", admin.retry_webhooks, Role.ADMIN, "POST"),
        route("/sessions/end", admin.end_session, Role.ADMIN, "POST"),
    ]


def endpoints(api: Api, admin: AdminApi) -> list[Route]:
    """The same for programs."""

    async def openapi(_request: Request) -> Response:
        """This document, OpenAPI 3.1."""
        return document(listed)

    listed = [
        route("/api/overview", api.overview, Role.VIEWER),
        route("/api/policies", api.policies, Role.VIEWER),
        route("/api/policies/merge", admin.overlaps, Role.VIEWER),
        route("/api/policies/{policy_id}", api.policy, Role.VIEWER),
        route("/api/policies/{policy_id}/versions", api.versions, Role.VIEWER),
        route("/api/exchanges", api.exchanges, Role.VIEWER),
        route("/api/exchanges/{exchange_id}", api.exchange, Role.VIEWER),
        route("/api/exchanges/{exchange_id}/why", api.why, Role.VIEWER),
        route("/api/try", api.attempt, Role.VIEWER, "POST"),
        route("/api/queue", api.queue, Role.VIEWER),
        route("/api/revisions", api.revisions, Role.VIEWER),
        route("/api/revisions/{number:int}/preview", api.preview, Role.VIEWER),
        route("/api/audit", api.audit, Role.VIEWER),
        route("/api/fleet", api.fleet, Role.VIEWER),
        route("/api/probing", admin.probing, Role.VIEWER),
        route("/api/enforcement", admin.enforcement, Role.VIEWER),
        route("/api/enforcement/suspend", admin.suspend, Role.OPERATOR, "POST"),
        route("/api/enforcement/resume", admin.resume, Role.OPERATOR, "POST"),
        route("/api/policies/{policy_id}/{step}", api.move, Role.OPERATOR, "POST"),
        route("/api/exchanges/{exchange_id}/verdict", api.label, Role.OPERATOR, "POST"),
        route("/api/exchanges/{exchange_id}/verdict", api.unlabel, Role.OPERATOR, "DELETE"),
        route("/api/exchanges/{exchange_id}/mistake", api.mistake, Role.OPERATOR, "POST"),
        route("/api/exchanges/{exchange_id}/confirm", api.confirm, Role.OPERATOR, "POST"),
        route("/api/exchanges/{exchange_id}/word", api.take_back, Role.OPERATOR, "DELETE"),
        route("/api/notes", api.note, Role.OPERATOR, "POST"),
        route("/api/undo", api.undo, Role.OPERATOR, "POST"),
        route("/api/rollback", api.rollback, Role.ADMIN, "POST"),
        route("/api/settings", admin.settings, Role.ADMIN),
        route("/api/keys", admin.keys, Role.ADMIN),
        route("/api/keys", admin.create_key, Role.ADMIN, "POST"),
        route("/api/keys/{key_id}", admin.revoke_key, Role.ADMIN, "DELETE"),
        route("/api/webhooks", admin.webhooks, Role.ADMIN),
        route("/api/webhooks/retry", admin.retry_webhooks, Role.ADMIN, "POST"),
        route("/api/sessions", admin.sessions, Role.ADMIN),
        route("/api/sessions", admin.create_link, Role.ADMIN, "POST"),
        route("/api/sessions/{session_id}", admin.end_session, Role.ADMIN, "DELETE"),
    ]
    return [route("/api/openapi.json", openapi, Role.VIEWER), *listed]


def of_one_tenant(found: Sequence[Route]) -> list[Route]:
    """The same routes for people of one tenant: what concerns everybody is not there."""

    async def closed(_request: Request) -> Response:
        """Not for one tenant's people."""
        raise HTTPException(404, "This concerns all tenants; it needs a key that was made without a tenant.")

    return [
        each if each.path in FOR_ONE_TENANT else Route(each.path, closed, methods=list(each.methods or ()))
        for each in found
    ]


def route(path: str, handler: Handler, role: Role, method: str = "GET") -> Route:
    """A route that needs a role. Its name is that of the handler, under `api:` for those of the API."""

    async def guarded(request: Request) -> Response:
        who: Who = request.state.who
        if not who.role.covers(role):
            raise HTTPException(403, f"This needs the role {role}; yours is {who.role}.")
        return await handler(request)

    name = handler.__name__
    made = Route(path, guarded, methods=[method], name=f"api:{name}" if path.startswith("/api/") else name)
    guarded.__doc__, guarded.__dict__["role"] = handler.__doc__, role
    return made
