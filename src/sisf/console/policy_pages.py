"""Policies: as a table of contents, each with what it blocks and spares, and a place to try texts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sisf.console.access import check_csrf
from sisf.console.actions import Actions
from sisf.console.asking import ask, may_ask
from sisf.console.explaining import Trial, tried
from sisf.console.forms import read_form
from sisf.console.parts import Parts
from sisf.console.policy_lines import Line, lines_of
from sisf.console.render import Renderer
from sisf.console.roles import Who
from sisf.errors import ConfigurationError
from sisf.policy import Direction, Policy, Snapshot, Status
from sisf.policy.diff import changes
from sisf.store import Store
from sisf.store.search import Query
from sisf.taxonomy import Hazard
from sisf.warden import PolicySet

_PAGE = 100
_LISTED = 500
"""Policies on a page of the list; narrow ones of a kind stand on one line."""
_HITS = 10
_LONGEST = 20_000


class PolicyPages:
    """What the loop learned, to be understood and tried."""

    def __init__(self, parts: Parts, actions: Actions, renderer: Renderer) -> None:
        self._parts = parts
        self._store = parts.store
        self._actions = actions
        self._renderer = renderer

    async def policies(self, request: Request) -> Response:
        """Policies of one status, grouped by hazard, latest first."""
        wanted = request.query_params.get("status", "active")
        status = Status(wanted) if wanted in set(Status) else None
        given = request.query_params.get("page", "1")
        page = max(1, int(given)) if given.isdecimal() and len(given) < 7 else 1

        def collect() -> Mapping[str, Any]:
            counts = self._store.policies.counts()
            total = _total(counts, status)
            return {
                "groups": _by_hazard(self._store, counts, status, (page - 1) * _LISTED),
                "total": total,
                "page": page,
                "pages": max(1, -(-total // _LISTED)),
                "status": status or "all",
                "counts": {**{s.value: _total(counts, s) for s in Status}, "all": _total(counts, None)},
            }

        return await self._renderer.render(request, "policies.html", collect)

    async def merge(self, request: Request) -> Response:
        """Policies that others replace, each with what speaks for switching it off."""
        looked = "look" in request.query_params

        def collect() -> Mapping[str, Any]:
            active, lifecycle = len(self._store.policies.snapshot().active), self._parts.lifecycle
            found = lifecycle.overlaps() if looked and lifecycle is not None else []
            return {"looked": looked, "active": active, "overlaps": found, "can": lifecycle is not None}

        return await self._renderer.render(request, "merge.html", collect)

    async def policy(self, request: Request) -> Response:
        """One policy in plain words, with its examples, evidence, versions and hits."""
        policy_id = request.path_params["policy_id"]
        form = {} if request.method == "GET" else await self._tried_form(request)
        versions = request.query_params.get("from", ""), request.query_params.get("to", "")
        return await self._renderer.render(
            request, "policy.html", lambda: self._one(policy_id, form.get("text", ""), _direction(form), versions)
        )

    def _one(
        self, policy_id: str, text: str, direction: Direction, compared: tuple[str, str] = ("", "")
    ) -> Mapping[str, Any]:
        store, policy = self._store, self._store.policies.get(policy_id)
        versions = store.policies.versions(policy_id)
        return {
            "policy": policy,
            "history": store.audit.latest(_PAGE, subject=policy_id),
            "ngrams": _strongest(policy),
            "hits": store.exchanges.search(Query(policy=policy_id), _HITS),
            "spared": _spared(store, policy_id),
            "versions": _steps(versions),
            "compared": _compared(dict(versions), *compared),
            "approvals": self._actions.approvals(policy),
            "notes": store.oversight.notes([policy_id])[policy_id],
            "text": text,
            "direction": direction,
            "trial": self._trial(text, direction, policy) if text else None,
            "can_try": self._parts.warden is not None,
        }

    async def playground(self, request: Request) -> Response:
        """Try a text against all that is in force."""
        form = {} if request.method == "GET" else await self._tried_form(request)
        text, direction, tenant = form.get("text", ""), _direction(form), form.get("tenant", "")
        who: Who = request.state.who
        if form.get("ask"):
            direction = Direction.PROMPT

        def collect() -> Mapping[str, Any]:
            trial = self._trial(text, direction, None, tenant) if text else None
            asked = ask(self._parts, who, text, trial, tenant) if trial is not None and form.get("ask") else None
            return {
                "text": text,
                "direction": direction,
                "tenant": tenant,
                "trial": trial,
                "asked": asked,
                "can_try": self._parts.warden is not None,
                "can_ask": may_ask(self._parts, who),
            }

        return await self._renderer.render(request, "playground.html", collect)

    async def _tried_form(self, request: Request) -> Mapping[str, str]:
        form = await read_form(request, most=4 * _LONGEST)
        check_csrf(request.state.who, form.get("csrf", ""))
        return form

    def _trial(self, text: str, direction: Direction, policy: Policy | None, tenant: str = "") -> Trial:
        return try_text(self._parts, text, direction, policy, tenant)


def try_text(parts: Parts, text: str, direction: Direction, policy: Policy | None, tenant: str = "") -> Trial:
    """What one policy, or all that is in force, says of a text. Raises `ConfigurationError` where nothing can."""
    warden = parts.warden
    if warden is None:
        raise ConfigurationError("this console has no Warden to try texts on; use `sisf check`")
    if len(text) > _LONGEST:
        raise ConfigurationError(f"{len(text):,} characters; {_LONGEST:,} can be tried at once")
    text = text.replace("\r\n", "\n")  # browsers send line breaks so, whatever was typed
    if policy is None:
        return tried(parts, warden.policy_set, text, direction, tenant)
    policy = parts.whole.policies.get(policy.id)
    alone = Snapshot(policy.revision, (_in_force(policy, direction),))
    return tried(parts, PolicySet.compile(alone, warden.embedder), text, direction, policy.tenant)


def _in_force(policy: Policy, direction: Direction) -> Policy:
    """The policy as if it were enforced on this side: whoever tries a text wants to know whether it matches."""
    return replace(policy, status=Status.ACTIVE, direction=direction)


def _total(counts: Mapping[tuple[Status, Hazard], int], status: Status | None) -> int:
    return sum(count for (each, _), count in counts.items() if status in (None, each))


def _by_hazard(
    store: Store, counts: Mapping[tuple[Status, Hazard], int], status: Status | None, offset: int
) -> list[tuple[str, int, Sequence[Line]]]:
    """A page of policies behind the first `offset`, grouped by hazard, newest first; only these are read."""
    groups: list[tuple[str, int, Sequence[Line]]] = []
    room = _LISTED
    for hazard in sorted(Hazard, key=lambda each: each.label):
        here = sum(count for (each, against), count in counts.items() if status in (None, each) and against is hazard)
        if offset < here and room:
            shown = store.policies.newest(hazard, status, room, offset)
            groups.append((hazard.label, here, lines_of(shown)))
            room -= len(shown)
        offset = max(0, offset - here)
    return groups


def _direction(form: Mapping[str, str]) -> Direction:
    return Direction.RESPONSE if form.get("direction") == "response" else Direction.PROMPT


def _spared(store: Store, policy_id: str) -> list[str]:
    """Texts that people reported as stopped by it by mistake: it lets them pass now."""
    return [case.text for _, case in store.feedback.benign_cases(policy=policy_id)[-_HITS:]]


def _steps(versions: Any) -> list[tuple[int, Policy, list[str]]]:
    """Every version with what it changed, newest first."""
    steps = [(number, after, changes(before, after)) for (_, before), (number, after) in pairwise(versions)]
    first = [(number, policy, ["written"]) for number, policy in versions[:1]]
    return [*first, *steps][::-1]


def _compared(versions: Mapping[int, Policy], given: str, other: str) -> Mapping[str, Any] | None:
    if not (given.isdecimal() and other.isdecimal() and len(given) < 18 and len(other) < 18):
        return None
    first, second = versions.get(int(given)), versions.get(int(other))
    if first is None or second is None:
        return None
    return {"from": int(given), "to": int(other), "changes": changes(first, second)}


def _strongest(policy: Policy) -> list[tuple[str, float]]:
    grams: Mapping[str, float] = getattr(policy.condition, "ngrams", {})
    return sorted(grams.items(), key=lambda item: -abs(item[1]))[:30]
