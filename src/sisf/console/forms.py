"""What the pages' buttons do: check the form, act, show the result."""

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from sisf.console.access import check_csrf, own_path
from sisf.console.actions import Actions
from sisf.console.pages import step_of
from sisf.console.roles import Who
from sisf.exchange import Sender
from sisf.verdict import Outcome

_FORM_BYTES = 10_000


class Forms:
    """One method a button."""

    def __init__(self, actions: Actions) -> None:
        self._actions = actions

    async def move(self, request: Request) -> Response:
        """Switch a policy on or off."""
        who, form = await _submitted(request)
        policy_id, step = request.path_params["policy_id"], step_of(request)
        snapshot = await run_in_threadpool(self._actions.move, policy_id, step, who.actor)
        return _back(form, f"/policies/{policy_id}", f"Done: revision {snapshot.revision} is in force.")

    async def rollback(self, request: Request) -> Response:
        """Go back to an earlier revision."""
        who, form = await _submitted(request)
        given = form.get("revision", "")
        if not given.isdecimal() or len(given) > 18:
            raise HTTPException(400, "revision must be a whole number")
        snapshot = await run_in_threadpool(self._actions.rollback, int(given), who.actor)
        return _back(
            form, "/revisions", f"The policies of revision {given} are in force again, as {snapshot.revision}."
        )

    async def label(self, request: Request) -> Response:
        """A person's verdict."""
        who, form = await _submitted(request)
        exchange_id = request.path_params["exchange_id"]
        outcome = decided(form.get("outcome"))
        await run_in_threadpool(self._actions.label, exchange_id, outcome, who.actor)
        said = "breach; it is being learned from" if outcome is Outcome.BREACH else "safe"
        return _back(form, f"/exchanges/{exchange_id}", f"Decided: {said}.")

    async def mistake(self, request: Request) -> Response:
        """Stopped by mistake."""
        who, form = await _submitted(request)
        exchange_id = request.path_params["exchange_id"]
        snapshot = await run_in_threadpool(self._actions.mistake, exchange_id, who.actor)
        return _back(form, f"/exchanges/{exchange_id}", f"Kept as a benign case; revision {snapshot.revision}.")

    async def confirm(self, request: Request) -> Response:
        """Rightly stopped."""
        who, form = await _submitted(request)
        exchange_id = request.path_params["exchange_id"]
        await run_in_threadpool(self._actions.confirm, exchange_id, who.actor)
        return _back(form, f"/exchanges/{exchange_id}", "Confirmed: it speaks for what stopped it.")

    async def retry(self, request: Request) -> Response:
        """Back to the loop."""
        who, form = await _submitted(request)
        await run_in_threadpool(self._actions.retry, request.path_params["exchange_id"], who.actor)
        return _back(form, "/queue", "Back to work.")

    async def forget(self, request: Request) -> Response:
        """Delete what one sender said."""
        who, form = await _submitted(request)
        principal = form.get("principal", "")
        if not principal:
            raise HTTPException(400, "principal is missing")
        sender = Sender(form.get("tenant") or Sender().tenant, principal)
        count = await run_in_threadpool(self._actions.forget, sender, who.actor)
        return _back(form, "/exchanges", f"Deleted {count} exchanges.")


def decided(given: object) -> Outcome:
    """A person's verdict. Raises `HTTPException` (400) for anything but a decision."""
    if given not in (Outcome.BREACH.value, Outcome.SAFE.value):
        raise HTTPException(400, "outcome must be `breach` or `safe`")
    return Outcome(str(given))


async def read(request: Request) -> bytes:
    """A short body. Raises `HTTPException` (413)."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _FORM_BYTES:
            raise HTTPException(413, "the form is too large")
    return body


async def _submitted(request: Request) -> tuple[Who, Mapping[str, str]]:
    """Who sends a form, and its fields. Raises `HTTPException` (403) for one that another site could have sent."""
    form = dict(parse_qsl((await read(request)).decode("utf-8", "replace")))
    who: Who = request.state.who
    check_csrf(who, form.get("csrf", ""))
    return who, form


def _back(form: Mapping[str, str], otherwise: str, done: str) -> Response:
    """To the page that the form stood on, with a word on what was done."""
    target = own_path(form["back"]) if form.get("back") else otherwise
    return RedirectResponse(f"{target}{'&' if '?' in target else '?'}{urlencode({'done': done})}", status_code=303)
