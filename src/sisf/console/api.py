"""The same for programs: JSON under `/api/`, with a token or key as `Authorization: Bearer`."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sisf.console.access import check_csrf
from sisf.console.actions import Actions
from sisf.console.forms import decided, read
from sisf.console.overview import overview
from sisf.console.pages import step_of
from sisf.console.roles import Who
from sisf.errors import StoreError
from sisf.policy import Policy, Snapshot, Status
from sisf.policy.codec import to_dict
from sisf.store.base import Store
from sisf.store.records import ExchangeRecord
from sisf.verdict import Outcome

_LIMIT = 1_000


class Api:
    """One method an endpoint."""

    def __init__(self, store: Store, actions: Actions) -> None:
        self._store = store
        self._actions = actions

    async def overview(self, _request: Request) -> Response:
        """The figures of the first page."""

        def collect() -> dict[str, Any]:
            found = overview(self._store)
            figures = {name: found[name] for name in ("revision", "health", "total", "first", "last", "lag", "jobs")}
            waiting = {name: len(found[name]) for name in ("undecided", "proposals", "dead")}
            rates = {name: getattr(found["last"], name) for name in ("warden_asr", "system_asr", "fpr")}
            return {**figures, "waiting": waiting, "rates": rates}

        return await _told(collect)

    async def policies(self, request: Request) -> Response:
        """Policies, of one status if asked for."""
        wanted = request.query_params.get("status", "all")
        if wanted not in {*Status, "all"}:
            raise HTTPException(400, f"status must be one of all, {', '.join(Status)}")
        status = None if wanted == "all" else Status(wanted)
        return await _told(lambda: [_policy(policy) for policy in self._store.policies.list(status)])

    async def policy(self, request: Request) -> Response:
        """One policy."""
        return await _told(lambda: _policy(self._store.policies.get(request.path_params["policy_id"])))

    async def exchanges(self, request: Request) -> Response:
        """The latest exchanges, of one verdict if asked for."""
        wanted = request.query_params.get("outcome")
        if wanted is not None and wanted not in set(Outcome):
            raise HTTPException(400, f"outcome must be one of {', '.join(Outcome)}")
        limit, outcome = _limit(request), Outcome(wanted) if wanted else None
        return await _told(lambda: [_exchange(r) for r in self._store.exchanges.recent(limit, outcome=outcome)])

    async def exchange(self, request: Request) -> Response:
        """One exchange."""
        return await _told(lambda: _exchange(self._store.exchanges.get(request.path_params["exchange_id"])))

    async def revisions(self, request: Request) -> Response:
        """The steps of the policy set, newest first."""
        limit = _limit(request)
        return await _told(lambda: self._store.policies.revisions(limit))

    async def audit(self, request: Request) -> Response:
        """The audit log in order, behind `after`."""
        given = request.query_params.get("after", "0")
        after, limit = int(given) if given.isdecimal() and len(given) < 19 else 0, _limit(request)
        return await _told(lambda: self._store.audit.rows(after=after, limit=limit))

    async def fleet(self, _request: Request) -> Response:
        """Who shares the store."""
        return await _told(self._store.nodes.list)

    async def move(self, request: Request) -> Response:
        """Take one step with a policy."""
        who, _ = await _asked(request)
        policy_id, step = request.path_params["policy_id"], step_of(request)
        return await _told(lambda: _step(self._actions.move(policy_id, step, who.actor)))

    async def label(self, request: Request) -> Response:
        """`{"outcome"}`: a person's verdict."""
        who, body = await _asked(request)
        exchange_id, outcome = request.path_params["exchange_id"], decided(body.get("outcome"))

        def act() -> dict[str, str]:
            self._actions.label(exchange_id, outcome, who.actor)
            return {"id": exchange_id, "outcome": outcome.value}

        return await _told(act)

    async def mistake(self, request: Request) -> Response:
        """Stopped by mistake."""
        who, _ = await _asked(request)
        exchange_id = request.path_params["exchange_id"]
        return await _told(lambda: _step(self._actions.mistake(exchange_id, who.actor)))

    async def preview(self, request: Request) -> Response:
        """What going back to a revision would change, and which policies would come back otherwise, or not at all."""
        number = request.path_params["number"]

        def collect() -> dict[str, Any]:
            found = self._actions.preview(number)
            if found is None:
                raise StoreError("this console cannot try policies; use `sisf policy rollback --preview`")
            come = found.readmission
            return {"changes": found.diff.lines(), "excepted": come.excepted, "refused": come.refused}

        return await _told(collect)

    async def rollback(self, request: Request) -> Response:
        """`{"revision"}`: go back to it."""
        who, body = await _asked(request)
        revision = body.get("revision")
        if type(revision) is not int or not 0 <= revision < 2**63:
            raise HTTPException(400, "revision must be a whole number")
        return await _told(lambda: _step(self._actions.rollback(revision, who.actor)))


async def _told(collect: Callable[[], Any]) -> Response:
    body = msgspec.json.encode(await run_in_threadpool(collect))
    return Response(body, media_type="application/json")


async def _asked(request: Request) -> tuple[Who, dict[str, Any]]:
    """Who asks, and the body. A browser's session needs the form value in a header."""
    who: Who = request.state.who
    check_csrf(who, request.headers.get("x-csrf-token", ""))
    raw = await read(request)
    try:
        body = json.loads(raw or b"{}")
    except (ValueError, RecursionError):
        raise HTTPException(400, "the body is not valid JSON") from None
    if not isinstance(body, dict):
        raise HTTPException(400, "the body must be a JSON object")
    return who, body


def _limit(request: Request) -> int:
    given = request.query_params.get("limit", "100")
    return min(int(given), _LIMIT) if given.isdecimal() and len(given) < 10 else 100


def _step(snapshot: Snapshot) -> dict[str, int]:
    return {"revision": snapshot.revision, "active": len(snapshot.active)}


def _policy(policy: Policy) -> dict[str, Any]:
    """A policy without the packed numbers, which `sisf policy export` gives."""
    told = to_dict(policy)
    condition = {key: value for key, value in told["condition"].items() if key not in ("weights", "vectors")}
    return {**told, "condition": condition}


def _exchange(record: ExchangeRecord) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(record)
    return told
