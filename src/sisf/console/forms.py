"""What the pages' buttons do: check the form, act, show the result."""

from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import parse_qs, parse_qsl, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from sisf.console.access import check_csrf, own_path
from sisf.console.actions import STEPS, Actions
from sisf.console.roles import Role, Who
from sisf.errors import counted, quoted
from sisf.exchange import Sender
from sisf.loop.undoing import is_rollback
from sisf.policy import Snapshot
from sisf.store.records import NoteKind, Scope
from sisf.verdict import Outcome

_FORM_BYTES = 10_000


class Forms:
    """One method a button."""

    def __init__(self, actions: Actions) -> None:
        self._actions = actions

    async def move(self, request: Request) -> Response:
        """Switch a policy on or off, or back."""
        who, form = await submitted(request)
        policy_id, step = request.path_params["policy_id"], step_of(request)
        reason = form.get("reason", "")
        snapshot = await run_in_threadpool(self._actions.move, policy_id, step, who.actor, reason)
        done = f"Done: revision {snapshot.revision} is in force."
        return back(form, f"/policies/{policy_id}", done, undo=snapshot.revision)

    async def bulk(self, request: Request) -> Response:
        """The same step for all policies that were ticked."""
        who: Who = request.state.who
        form = parse_qs((await read(request, most=100_000)).decode("utf-8", "replace"))
        check_csrf(who, form.get("csrf", [""])[0])
        step = form.get("step", [""])[0]
        if step not in ("activate", "shadow", "reject"):
            raise HTTPException(400, "step must be activate, shadow or reject")
        reason = form.get("reason", [""])[0]
        if step == "reject" and not reason.strip():
            raise HTTPException(400, "say why they are rejected")
        done, refused = await run_in_threadpool(self._actions.bulk, form.get("policy", []), step, who.actor, reason)
        said = f"{done} done." + (f" {len(refused)} not: {'; '.join(refused)}" if refused else "")
        return back({}, "/queue", said)

    async def rollback(self, request: Request) -> Response:
        """Go back to an earlier revision."""
        who, form = await submitted(request)
        number = _revision(form)
        snapshot = await run_in_threadpool(self._actions.rollback, number, who.actor)
        done = f"The policies of revision {number} are in force again, as {snapshot.revision}."
        return back(form, "/revisions", done, undo=snapshot.revision)

    async def undo(self, request: Request) -> Response:
        """Undo one step of the policy set."""
        who, form = await submitted(request)
        snapshot = await run_in_threadpool(undo_step, self._actions, _revision(form), who)
        done = f"Undone: revision {snapshot.revision} is in force."
        return back(form, f"/revisions/{snapshot.revision}", done, undo=snapshot.revision)

    async def label(self, request: Request) -> Response:
        """A person's verdict."""
        who, form = await submitted(request)
        exchange_id = request.path_params["exchange_id"]
        outcome = decided(form.get("outcome"))
        await run_in_threadpool(
            lambda: self._actions.label(
                exchange_id, outcome, who.actor, reason=form.get("reason", ""), seen=form.get("seen")
            )
        )
        said = "breach; it is being learned from" if outcome is Outcome.BREACH else "safe"
        return back(form, f"/exchanges/{exchange_id}", f"Decided: {said}.")

    async def unlabel(self, request: Request) -> Response:
        """Take people's verdict back."""
        who, form = await submitted(request)
        exchange_id = request.path_params["exchange_id"]
        verdict = await run_in_threadpool(self._actions.unlabel, exchange_id, who.actor)
        stands = f"what {verdict.judge} said stands again: {verdict.outcome}" if verdict else "nobody has judged it now"
        return back(form, f"/exchanges/{exchange_id}", f"Taken back; {stands}.")

    async def mistake(self, request: Request) -> Response:
        """Stopped by mistake."""
        who, form = await submitted(request)
        exchange_id = request.path_params["exchange_id"]
        word = await run_in_threadpool(self._actions.mistake, exchange_id, who.actor)
        if word is None:
            said = "What stopped it is of all tenants: whoever runs this gateway is asked."
            return back(form, f"/exchanges/{exchange_id}", said)
        made = f"; revision {word.revision} lets it pass" if word.revision else ""
        return back(form, f"/exchanges/{exchange_id}", f"Kept as a benign case{made}.")

    async def confirm(self, request: Request) -> Response:
        """Rightly stopped."""
        who, form = await submitted(request)
        exchange_id = request.path_params["exchange_id"]
        await run_in_threadpool(self._actions.confirm, exchange_id, who.actor)
        return back(form, f"/exchanges/{exchange_id}", "Confirmed: it speaks for what stopped it.")

    async def take_back(self, request: Request) -> Response:
        """Withdraw the word that stands."""
        who, form = await submitted(request)
        exchange_id = request.path_params["exchange_id"]
        await run_in_threadpool(self._actions.take_back, exchange_id, who.actor)
        return back(form, f"/exchanges/{exchange_id}", "Taken back, with what followed from it.")

    async def note(self, request: Request) -> Response:
        """A comment on an exchange or a policy, or who takes it."""
        who, form = await submitted(request)
        text, kind = form.get("text", "").strip(), form.get("kind", NoteKind.COMMENT.value)
        if kind not in (NoteKind.COMMENT, NoteKind.ASSIGNED) or not text or len(text) > 2_000:
            raise HTTPException(400, "a note needs a text of up to 2,000 characters")
        subject = form.get("subject", "")
        write = self._actions.store.oversight.note
        await run_in_threadpool(lambda: write(subject, NoteKind(kind), text, actor=who.actor))
        return back(form, "/queue", "Noted.")

    async def suspend(self, request: Request) -> Response:
        """Stop enforcing, at once."""
        who, form = await submitted(request)
        scope, subject, lasts = suspension_of(form)
        reason = form.get("reason", "").strip()
        made = await run_in_threadpool(self._actions.suspend, scope, subject, lasts, who.actor, reason)
        return back(form, "/enforcement", f"Not enforced until {made.until:%Y-%m-%d %H:%M} UTC.")

    async def resume(self, request: Request) -> Response:
        """Enforce again, at once."""
        who, form = await submitted(request)
        ended = await run_in_threadpool(self._actions.resume, form.get("id") or None, who.actor)
        return back(form, "/enforcement", f"Enforced again ({ended} ended).")

    async def retry(self, request: Request) -> Response:
        """Back to the loop."""
        who, form = await submitted(request)
        await run_in_threadpool(self._actions.retry, request.path_params["exchange_id"], who.actor)
        return back(form, "/queue", "Back to work.")

    async def forget(self, request: Request) -> Response:
        """Delete what one sender said."""
        who, form = await submitted(request)
        principal = form.get("principal", "")
        if not principal:
            raise HTTPException(400, "principal is missing")
        sender = Sender(form.get("tenant") or who.tenant or Sender().tenant, principal)
        count = await run_in_threadpool(self._actions.forget, sender, who.actor)
        return back(form, "/exchanges", f"Deleted {counted(count, 'exchange')}.")


def undo_step(actions: Actions, number: int, who: Who) -> Snapshot:
    """Undo a revision. Raises `HTTPException` (403) for a rollback, which needs who may roll back."""
    if is_rollback(actions.store.policies.revision(number).reason) and not who.role.covers(Role.ADMIN):
        raise HTTPException(403, f"Undoing a rollback needs the role admin; yours is {who.role}.")
    return actions.undo(number, who.actor)


def decided(given: object) -> Outcome:
    """A person's verdict. Raises `HTTPException` (400) for anything but a decision."""
    if given not in (Outcome.BREACH.value, Outcome.SAFE.value):
        raise HTTPException(400, "outcome must be `breach` or `safe`")
    return Outcome(str(given))


def suspension_of(form: Mapping[str, object]) -> tuple[Scope, str, timedelta]:
    """What is to be suspended, and for how long. Raises `HTTPException` (400)."""
    scope, subject = str(form.get("scope", "")), str(form.get("subject") or "").strip()
    if scope not in set(Scope):
        raise HTTPException(400, f"scope must be one of {', '.join(Scope)}")
    try:
        minutes = float(str(form.get("minutes", "60")))
        lasts = timedelta(minutes=minutes)
    except (ValueError, OverflowError):
        raise HTTPException(400, "minutes must be a number") from None
    return Scope(scope), subject, lasts


def whole(given: object, name: str) -> int:
    """A whole number that is not negative. Raises `HTTPException` (400)."""
    text = str(given)
    if not text.isdecimal() or len(text) > 18:
        raise HTTPException(400, f"{name} must be a whole number")
    return int(text)


def step_of(request: Request) -> str:
    """The step that a path names. Raises `HTTPException` (404) for others."""
    step: str = request.path_params["step"]
    if step not in STEPS:
        raise HTTPException(404, f"unknown step {quoted(step)}")
    return step


async def read(request: Request, *, most: int = _FORM_BYTES) -> bytes:
    """A short body. Raises `HTTPException` (413)."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise HTTPException(413, "the form is too large")
    return body


async def read_form(request: Request, *, most: int = _FORM_BYTES) -> Mapping[str, str]:
    """The fields of a form. Its `csrf` is still to be checked."""
    return dict(parse_qsl((await read(request, most=most)).decode("utf-8", "replace"), keep_blank_values=True))


async def submitted(request: Request) -> tuple[Who, Mapping[str, str]]:
    """Who sends a form, and its fields. Raises `HTTPException` (403) for one that another site could have sent."""
    form = await read_form(request)
    who: Who = request.state.who
    check_csrf(who, form.get("csrf", ""))
    return who, form


def _revision(form: Mapping[str, str]) -> int:
    return whole(form.get("revision", ""), "revision")


def back(form: Mapping[str, str], otherwise: str, done: str, *, undo: int = 0) -> Response:
    """To the page that the form stood on, with a word on what was done, and the way to undo it."""
    target = own_path(form["back"]) if form.get("back") else otherwise
    said = {"done": done[:500], **({"undo": str(undo)} if undo else {})}
    return RedirectResponse(f"{target}{'&' if '?' in target else '?'}{urlencode(said)}", status_code=303)
