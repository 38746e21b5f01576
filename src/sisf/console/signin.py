"""Signing in and out. Each is a row of the audit log."""

from urllib.parse import parse_qsl, quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sisf.console.access import COOKIE, Credentials, address_of, check_csrf, own_path
from sisf.console.forms import read
from sisf.console.oidc import Oidc, SignInFailed
from sisf.console.pages import Pages
from sisf.console.roles import Who
from sisf.errors import SisfError
from sisf.store import Store
from sisf.verdict import PERSON

_BROWSER = "sisf_signin"


class SignIn:
    """By a token or key in a form or a link, or at a provider."""

    def __init__(
        self, pages: Pages, store: Store, credentials: Credentials, oidc: Oidc | None, *, secure: bool
    ) -> None:
        self._pages = pages
        self._store = store
        self._credentials = credentials
        self._oidc = oidc
        self._secure = secure

    def routes(self) -> list[Route]:
        """The routes; they are open to everyone."""
        made = [
            Route("/login", self._by_link, methods=["GET"]),
            Route("/login", self._by_form, methods=["POST"]),
            Route("/logout", self._out, methods=["POST"]),
        ]
        if self._oidc is not None:
            made += [Route("/oidc/start", self._leave), Route("/oidc/callback", self._return)]
        return made

    async def ask(self, request: Request, message: str = "", *, following: str = "") -> Response:
        """The page to sign in on, for whatever page was wanted."""
        wanted = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
        lost = request.method == "POST" and request.url.path not in ("/login", "/logout")
        context = {
            "message": message or ("You are not signed in any more, so nothing was changed." if lost else ""),
            "following": own_path(following or (wanted if request.method == "GET" else "/")),
            "oidc": self._oidc is not None,
            "secrets": self._credentials.takes_secrets,
        }
        return await self._pages.render(request, "login.html", lambda: context, 401)

    async def _by_link(self, request: Request) -> Response:
        """The link that `sisf serve` prints, or that an admin made: it signs in once. Without a code, the form."""
        code = request.query_params.get("link", "")
        if not code:
            return await self.ask(request, following="/")
        who = self._credentials.by_link(code, address_of(request))
        if who is None:
            return await self.ask(request, "This link was used, or is too old: it signs in once.", following="/")
        return await self._in(who, "/", address_of(request))

    async def _by_form(self, request: Request) -> Response:
        form = dict(parse_qsl((await read(request)).decode("utf-8", "replace")))
        return await self._by_secret(request, form.get("token", "").strip(), own_path(form.get("next", "/")))

    async def _by_secret(self, request: Request, secret: str, following: str) -> Response:
        who = self._credentials.by_secret(secret, address_of(request))
        if who is None:
            return await self.ask(request, "That token or key does not open this console.", following=following)
        return await self._in(who, following, address_of(request))

    async def _leave(self, request: Request) -> Response:
        assert self._oidc is not None  # noqa: S101 - the route exists only then
        address, browser = await self._oidc.start(own_path(request.query_params.get("next", "/")))
        response = RedirectResponse(address, status_code=303)
        # Lax: the provider sends the browser back from another site.
        response.set_cookie(
            _BROWSER, browser, path="/oidc", max_age=600, httponly=True, samesite="lax", secure=self._secure
        )
        return response

    async def _return(self, request: Request) -> Response:
        assert self._oidc is not None  # noqa: S101 - the route exists only then
        try:
            person, following = await self._oidc.finish(request.query_params, request.cookies.get(_BROWSER, ""))
        except SisfError as error:
            await self._note("console.sign_in_failed", f"{PERSON}unknown", {"reason": str(error)})
            raise
        if person.role is None:
            await self._note("console.denied", f"{PERSON}{person.name}", {"reason": "no role"})
            raise SignInFailed(f"{person.name} has no role on this console; ask whoever runs it (admin.oidc.roles).")
        response = await self._in(Who(person.name, person.role), following, address_of(request))
        response.delete_cookie(_BROWSER, path="/oidc")
        return response

    async def _in(self, who: Who, following: str, address: str) -> Response:
        session = self._credentials.sessions.begin(
            who.name, who.role, key_id=who.key_id, tenant=who.tenant, address=address
        )
        await self._note("console.sign_in", who.actor, {"role": who.role.value})
        response = RedirectResponse(quote(following, safe="/?=&%"), status_code=303)
        # Lax, so that a link in a message or ticket opens; changes need the form's own value besides.
        lasts = int(self._credentials.sessions.seconds)
        response.set_cookie(COOKIE, session, max_age=lasts, httponly=True, samesite="lax", secure=self._secure)
        return response

    async def _out(self, request: Request) -> Response:
        who: Who = request.state.who
        check_csrf(who, dict(parse_qsl((await read(request)).decode("utf-8", "replace"))).get("csrf", ""))
        self._credentials.sessions.end(request.cookies.get(COOKIE, ""))
        await self._note("console.sign_out", who.actor, {})
        response = RedirectResponse("/login", status_code=303)
        response.delete_cookie(COOKIE)
        return response

    async def _note(self, action: str, actor: str, detail: dict[str, str]) -> None:
        await run_in_threadpool(
            lambda: self._store.audit.append(actor=actor, action=action, subject="console", revision=0, detail=detail)
        )
