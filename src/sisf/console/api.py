"""The same for programs: JSON under `/api/`, with a token or key as `Authorization: Bearer`."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sisf.console import finding
from sisf.console.access import check_csrf
from sisf.console.actions import Actions
from sisf.console.as_json import case_json, exchange_json, explanation_json, policy_json, trial_json
from sisf.console.asking import ask
from sisf.console.explaining import doubts, explained_to
from sisf.console.forms import decided, read, step_of, undo_step
from sisf.console.overview import overview
from sisf.console.parts import Parts
from sisf.console.policy_pages import try_text
from sisf.console.rehearsal import replay
from sisf.console.review import cases
from sisf.console.roles import Who
from sisf.console.spending import spending
from sisf.loop.readmission import Readmission
from sisf.policy import Direction, Snapshot, Status, compare
from sisf.policy.diff import changes
from sisf.store.records import NoteKind
from sisf.store.search import Query

_LIMIT = 1_000


class Api:
    """One method an endpoint."""

    def __init__(self, parts: Parts, actions: Actions) -> None:
        self._parts = parts
        self._store = parts.store
        self._actions = actions

    async def overview(self, request: Request) -> Response:
        """The figures of the first page, each with what it stands on."""
        since = finding.moment(request.query_params.get("since", ""), "since")
        wanted = Query(tenant=request.query_params.get("tenant") or None, since=since)

        def collect() -> dict[str, Any]:
            found = overview(self._store, wanted, self._parts.tenant)
            total = found["total"]
            figures = {name: found[name] for name in ("revision", "health", "agreement", "lag", "jobs")}
            waiting = {name: found[name] for name in ("undecided", "proposals", "dead")}
            shares = {"through": total.through, "harmed": total.harmed}
            spent = None if self._parts.tenant else asdict(spending(self._parts.fail_opens))
            return {**figures, "since_start": spent, "total": asdict(total), "shares": shares, "waiting": waiting}

        return await told(collect)

    async def policies(self, request: Request) -> Response:
        """Policies, of one status if asked for."""
        wanted = request.query_params.get("status", "all")
        if wanted not in {*Status, "all"}:
            raise HTTPException(400, f"status must be one of all, {', '.join(Status)}")
        status = None if wanted == "all" else Status(wanted)
        return await told(lambda: [policy_json(policy) for policy in self._store.policies.list(status)])

    async def policy(self, request: Request) -> Response:
        """One policy."""
        return await told(lambda: policy_json(self._store.policies.get(request.path_params["policy_id"])))

    async def versions(self, request: Request) -> Response:
        """Every version of one policy, with what it changed."""
        policy_id = request.path_params["policy_id"]

        def collect() -> list[dict[str, Any]]:
            versions = self._store.policies.versions(policy_id)
            before = [None, *(policy for _, policy in versions)]
            return [
                {"revision": number, "changes": changes(old, new) if old else ["written"], "policy": policy_json(new)}
                for old, (number, new) in zip(before, versions, strict=False)
            ]

        return await told(collect)

    async def exchanges(self, request: Request) -> Response:
        """Exchanges, the newest first, searched and filtered; `before` is the `next` of the page before."""
        fields, limit = finding.asked(request.query_params), _limit(request)
        query = finding.query_of({**fields, "show": fields.get("show") or request.query_params.get("outcome", "all")})
        before = finding.row_number(request.query_params.get("before", ""))

        def collect() -> dict[str, Any]:
            found = finding.searched(self._store, query, limit, before=before)
            following = found[-1].number if len(found) == limit else None
            return {"exchanges": [exchange_json(item.record) for item in found], "next": following}

        return await told(collect)

    async def exchange(self, request: Request) -> Response:
        """One exchange."""
        return await told(lambda: exchange_json(self._store.exchanges.get(request.path_params["exchange_id"])))

    async def why(self, request: Request) -> Response:
        """Why an exchange was decided as it was, and what people said of it."""
        exchange_id = request.path_params["exchange_id"]

        def collect() -> dict[str, Any]:
            record = self._store.exchanges.get(exchange_id)
            decisions = explained_to(self._parts, record)
            return {
                "id": exchange_id,
                "fate": record.fate,
                "decisions": [explanation_json(each.explanation) for each in decisions if each.explanation is not None],
                "doubts": doubts(record),
                "word": self._store.oversight.word(exchange_id),
                "verdicts": self._store.exchanges.verdicts(exchange_id),
                "notes": self._store.oversight.notes([exchange_id])[exchange_id],
            }

        return await told(collect)

    async def attempt(self, request: Request) -> Response:
        """`{"text"}`, optionally `direction`, `policy`, `tenant`: what the policies in force, or one, say of it.

        With `ask` the model is asked too, where `admin.try_model` allows it and for an operator.
        """
        who, body = await asked(request)
        text, policy_id = body.get("text"), body.get("policy")
        if not isinstance(text, str) or not text:
            raise HTTPException(400, "text is missing")
        if body.get("direction", "prompt") not in ("prompt", "response"):
            raise HTTPException(400, "direction must be `prompt` or `response`")
        direction = Direction(body.get("direction", "prompt"))

        def collect() -> dict[str, Any]:
            policy = self._store.policies.get(str(policy_id)) if policy_id else None
            tenant = str(body.get("tenant", ""))
            trial = try_text(self._parts, text, direction, policy, tenant)
            if not body.get("ask"):
                return trial_json(trial)
            found = ask(self._parts, who, text, trial, tenant)
            told = {"model": found.model, "stopped": found.stopped, "answer": found.answer, "problem": found.problem}
            return {**trial_json(trial), "asked": {**told, "trial": trial_json(found.trial) if found.trial else None}}

        return await told(collect)

    async def queue(self, _request: Request) -> Response:
        """What waits for a person, one case a cause."""
        return await told(lambda: [case_json(case) for case in cases(self._store)[:_LIMIT]])

    async def revisions(self, request: Request) -> Response:
        """The steps of the policy set, newest first."""
        limit = _limit(request)
        return await told(lambda: self._store.policies.revisions(limit))

    async def preview(self, request: Request) -> Response:
        """What going back to a revision would change: policies, which come back otherwise, and recent traffic."""
        number = request.path_params["number"]

        def collect() -> dict[str, Any]:
            back = self._actions.preview(number)
            then = back.snapshot if back is not None else self._store.policies.snapshot(number)
            diff = back.diff if back is not None else compare(self._store.policies.snapshot(), then)
            found = replay(self._parts, then)
            texts = None
            if found is not None:
                texts = {
                    "tried": found.tried,
                    "would_pass_again": [exchange.id for exchange in found.passing],
                    "would_be_stopped": [exchange.id for exchange in found.stopped],
                    "mistakes_that_its_policies_stop": [case.exchange_id for case in found.mistakes],
                    "mistakes_spared": found.spared,
                }
            come = back.readmission if back is not None else Readmission((), {}, {})
            return {
                "changes": diff.lines(),
                "excepted": come.excepted,
                "refused": come.refused,
                "traffic": texts,
            }

        return await told(collect)

    async def audit(self, request: Request) -> Response:
        """The audit log in order behind `after`, or the newest first, searched by actor, action and subject."""
        given, limit = request.query_params, _limit(request)
        found = {name: finding.row_number(given.get(name, "")) for name in ("after", "before")}
        numbers = {name: number for name, number in found.items() if number is not None}
        fields = {name: given[name] for name in ("actor", "action", "subject") if given.get(name)}
        if fields or "before" in numbers:
            return await told(lambda: self._store.audit.latest(limit, before=numbers.get("before"), **fields))
        return await told(lambda: self._store.audit.rows(after=numbers.get("after", 0), limit=limit))

    async def fleet(self, _request: Request) -> Response:
        """Who shares the store."""
        return await told(self._store.nodes.list)

    async def move(self, request: Request) -> Response:
        """Take one step with a policy: `activate`, `shadow`, `retire` or `reject`."""
        who, body = await asked(request)
        policy_id, step, reason = request.path_params["policy_id"], step_of(request), str(body.get("reason", ""))
        return await told(lambda: _step(self._actions.move(policy_id, step, who.actor, reason)))

    async def label(self, request: Request) -> Response:
        """`{"outcome"}`: a person's verdict."""
        who, body = await asked(request)
        exchange_id, outcome = request.path_params["exchange_id"], decided(body.get("outcome"))
        reason, seen = str(body.get("reason", "")), body.get("seen")

        def act() -> dict[str, str]:
            self._actions.label(
                exchange_id, outcome, who.actor, reason=reason, seen=str(seen) if seen is not None else None
            )
            return {"id": exchange_id, "outcome": outcome.value}

        return await told(act)

    async def unlabel(self, request: Request) -> Response:
        """Take people's verdict back: what the judge said stands again."""
        who, _ = await asked(request)
        exchange_id = request.path_params["exchange_id"]
        return await told(lambda: {"id": exchange_id, "verdict": self._actions.unlabel(exchange_id, who.actor)})

    async def mistake(self, request: Request) -> Response:
        """Stopped by mistake."""
        who, _ = await asked(request)
        exchange_id = request.path_params["exchange_id"]
        return await told(lambda: self._actions.mistake(exchange_id, who.actor) or {"id": exchange_id, "asked": True})

    async def confirm(self, request: Request) -> Response:
        """Rightly stopped."""
        who, _ = await asked(request)
        exchange_id = request.path_params["exchange_id"]
        return await told(lambda: self._actions.confirm(exchange_id, who.actor))

    async def take_back(self, request: Request) -> Response:
        """Withdraw the word that stands on a stopped exchange, with what followed from it."""
        who, _ = await asked(request)
        exchange_id = request.path_params["exchange_id"]
        return await told(lambda: self._actions.take_back(exchange_id, who.actor))

    async def note(self, request: Request) -> Response:
        """`{"subject", "text"}`, optionally `kind`: a comment, or who takes it (`assigned`)."""
        who, body = await asked(request)
        subject, text, kind = (str(body.get(name, "")) for name in ("subject", "text", "kind"))
        if (kind or "comment") not in (NoteKind.COMMENT, NoteKind.ASSIGNED) or not (subject and text):
            raise HTTPException(400, "a note needs a subject, a text, and the kind `comment` or `assigned`")
        write = self._store.oversight.note
        return await told(lambda: write(subject, NoteKind(kind or "comment"), text[:2_000], actor=who.actor))

    async def undo(self, request: Request) -> Response:
        """`{"revision"}`: undo this one step."""
        who, body = await asked(request)
        number = _revision(body)
        return await told(lambda: _step(undo_step(self._actions, number, who)))

    async def rollback(self, request: Request) -> Response:
        """`{"revision"}`: go back to it."""
        who, body = await asked(request)
        revision = _revision(body)
        return await told(lambda: _step(self._actions.rollback(revision, who.actor)))


async def told(collect: Callable[[], Any]) -> Response:
    """What `collect` finds, as JSON; it runs in a thread."""
    body = msgspec.json.encode(await run_in_threadpool(collect))
    return Response(body, media_type="application/json")


async def asked(request: Request) -> tuple[Who, dict[str, Any]]:
    """Who asks, and the body. A browser's session needs the form value in a header."""
    who: Who = request.state.who
    check_csrf(who, request.headers.get("x-csrf-token", ""))
    raw = await read(request, most=100_000)
    try:
        body = json.loads(raw or b"{}")
    except (ValueError, RecursionError):
        raise HTTPException(400, "the body is not valid JSON") from None
    if not isinstance(body, dict):
        raise HTTPException(400, "the body must be a JSON object")
    return who, body


def _revision(body: Mapping[str, Any]) -> int:
    revision = body.get("revision")
    if type(revision) is not int or not 0 <= revision < 2**63:
        raise HTTPException(400, "revision must be a whole number")
    return revision


def _limit(request: Request) -> int:
    given = request.query_params.get("limit", "100")
    return min(max(1, int(given)), _LIMIT) if given.isdecimal() and len(given) < 10 else 100


def _step(snapshot: Snapshot) -> dict[str, int]:
    return {"revision": snapshot.revision, "active": len(snapshot.active)}
