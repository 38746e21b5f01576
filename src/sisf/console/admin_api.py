"""Enforcement, keys, sessions and settings, for programs."""

from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sisf.console.actions import Actions
from sisf.console.admin_forms import end_session, retry_webhooks
from sisf.console.admin_pages import make_key, make_link, revoke_key, shown_settings
from sisf.console.api import asked, told
from sisf.console.forms import suspension_of
from sisf.console.parts import Parts
from sisf.console.sessions import LINK_SECONDS, Session, Sessions
from sisf.errors import ConfigurationError
from sisf.gateway.identity import Key
from sisf.probe.agent import REMEMBERED
from sisf.probe.coverage import cover


class AdminApi:
    """One method an endpoint."""

    def __init__(self, parts: Parts, actions: Actions, sessions: Sessions) -> None:
        self._parts = parts
        self._actions = actions
        self._sessions = sessions

    async def enforcement(self, _request: Request) -> Response:
        """Where enforcement is suspended."""
        return await told(self._parts.store.oversight.suspensions)

    async def probing(self, _request: Request) -> Response:
        """What the probing agent tried of late, what got through and what is mended, by hazard and technique."""
        return await told(lambda: cover(self._parts.store.probes.latest(REMEMBERED)).as_json())

    async def suspend(self, request: Request) -> Response:
        """`{"scope": "all" | "tenant" | "policy", "subject", "minutes", "reason"}`: stop enforcing, at once."""
        who, body = await asked(request)
        scope, subject, lasts = suspension_of(body)
        reason = str(body.get("reason", ""))
        return await told(lambda: self._actions.suspend(scope, subject, lasts, who.actor, reason))

    async def resume(self, request: Request) -> Response:
        """`{"id"}`, or nothing for all: enforce again, at once."""
        who, body = await asked(request)
        chosen = str(body["id"]) if body.get("id") else None
        return await told(lambda: {"ended": self._actions.resume(chosen, who.actor)})

    async def overlaps(self, _request: Request) -> Response:
        """Active policies that others replace: `policy`, `others`, `stopped` (of late, by others too), `freed`."""
        lifecycle = self._parts.lifecycle
        if lifecycle is None:
            raise ConfigurationError("this console has no gate to compare policies with")
        return await told(
            lambda: [
                {"policy": o.policy.id, "others": [p.id for p in o.others], "stopped": o.stopped, "freed": o.freed}
                for o in lifecycle.overlaps()
            ]
        )

    async def settings(self, _request: Request) -> Response:
        """Every setting, secrets masked, and where it comes from."""
        known = self._parts.configuration
        return await told(lambda: shown_settings(known, self._parts.origins) if known is not None else [])

    async def keys(self, _request: Request) -> Response:
        """The API keys, revoked ones too, without the keys themselves."""
        file = self._parts.keys
        if file is None:
            raise ConfigurationError("keys.file is not set, so no keys are asked for")
        return await told(lambda: [_key(key) for key in file.keys()])  # noqa: SIM118 - no mapping

    async def create_key(self, request: Request) -> Response:
        """Make a key; the answer is the only place where it stands."""
        who, body = await asked(request)

        def act() -> dict[str, Any]:
            secret, key = make_key(self._parts, body, who.actor)
            return {"key": secret, **_key(key)}

        return await told(act)

    async def revoke_key(self, request: Request) -> Response:
        """End a key for good, and the sessions that it began."""
        who, _ = await asked(request)
        return await told(lambda: _key(revoke_key(self._parts, request.path_params["key_id"], who.actor)))

    async def webhooks(self, _request: Request) -> Response:
        """How many messages wait for their receivers, and how many were given up."""
        return await told(self._parts.store.outbox.counts)

    async def retry_webhooks(self, request: Request) -> Response:
        """Send again what was given up."""
        who, _ = await asked(request)
        return await told(lambda: {"sent": retry_webhooks(self._parts, who.actor)})

    async def sessions(self, _request: Request) -> Response:
        """Who is signed in."""
        return await told(lambda: [_session(session) for session in self._sessions.list()])

    async def create_link(self, request: Request) -> Response:
        """`{"name", "role"}`: a path that signs somebody in once."""
        who, body = await asked(request)

        def act() -> dict[str, Any]:
            code = make_link(self._parts, self._sessions, body, who.actor)
            return {"path": f"/login?link={code}", "seconds": LINK_SECONDS}

        return await told(act)

    async def end_session(self, request: Request) -> Response:
        """Sign somebody out."""
        who, _ = await asked(request)
        session_id = request.path_params["session_id"]
        return await told(lambda: _session(end_session(self._parts, self._sessions, session_id, who.actor)))


def _key(key: Key) -> dict[str, Any]:
    return {name: value for name, value in asdict(key).items() if name != "hash"}


def _session(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "name": session.who.name,
        "role": session.who.role,
        "began": session.began,
        "address": session.address,
        "key": session.who.key_id,
    }
