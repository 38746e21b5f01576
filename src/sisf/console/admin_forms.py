"""The buttons of those who run it: who may come in, and who no longer."""

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sisf.console.admin_pages import revoke_key
from sisf.console.forms import back, submitted
from sisf.console.parts import Parts
from sisf.console.sessions import Session, Sessions
from sisf.errors import quoted


class AdminForms:
    """One method a button."""

    def __init__(self, parts: Parts, sessions: Sessions) -> None:
        self._parts = parts
        self._sessions = sessions

    async def revoke_key(self, request: Request) -> Response:
        """End a key for good."""
        who, form = await submitted(request)
        key = await run_in_threadpool(revoke_key, self._parts, form.get("id", ""), who.actor)
        return back(form, "/keys", f"Key {key.id} is revoked; sessions that it began are over.")

    async def retry_webhooks(self, request: Request) -> Response:
        """Send again what was given up."""
        who, form = await submitted(request)
        count = await run_in_threadpool(retry_webhooks, self._parts, who.actor)
        return back(form, "/settings", f"{count} messages are sent again.")

    async def end_session(self, request: Request) -> Response:
        """Sign somebody out."""
        who, form = await submitted(request)
        session = await run_in_threadpool(end_session, self._parts, self._sessions, form.get("id", ""), who.actor)
        return back(form, "/sessions", f"The session of {session.who.name} is over.")


def retry_webhooks(parts: Parts, actor: str) -> int:
    """Put dead letters back to be sent; audited."""
    count = parts.store.outbox.revive()
    parts.store.audit.append(
        actor=actor, action="webhooks.retry", subject="webhooks", revision=0, detail={"count": count}
    )
    return count


def end_session(parts: Parts, sessions: Sessions, session_id: str, actor: str) -> Session:
    """End one session; audited. Raises `HTTPException` (404) when there is none."""
    session = sessions.end_one(session_id)
    if session is None:
        raise HTTPException(404, f"there is no session {quoted(session_id, 40)}")
    detail = {"name": session.who.name}
    parts.store.audit.append(actor=actor, action="console.end", subject="console", revision=0, detail=detail)
    return session
