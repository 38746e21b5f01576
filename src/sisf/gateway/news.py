"""What people are told: what the loop says, and what has no event of its own and is looked for."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sisf.loop.events import Event, Failed, Judged, Planned
from sisf.policy import Status
from sisf.store import Store

_GONE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Message:
    """What happened."""

    event: str
    subject: str
    """The id of the exchange, policy, node or suspension."""
    detail: Mapping[str, Any] = field(default_factory=dict)
    since: str = ""
    """What tells this occasion from another of the same event and subject."""

    @property
    def id(self) -> str:
        """The same on every node that sees the same event."""
        told = json.dumps([self.event, self.subject, self.since])
        return "msg_" + hashlib.sha256(told.encode()).hexdigest()[:24]


class Watch:
    """What has no event of its own: it is looked for, and told when it begins."""

    def __init__(self, store: Store, tripped: Callable[[], bool], fail_opens: Callable[[], float]) -> None:
        self._store = store
        self._tripped = tripped
        self._fail_opens = fail_opens
        self._open = False
        self._counted = fail_opens()
        self._gone: set[str] = set()
        self._suspended: set[str] = set()

    def news(self) -> list[Message]:
        """What began since it was last asked."""
        return [*self._breaker(), *self._fail_open(), *self._nodes(), *self._suspensions()]

    def _breaker(self) -> list[Message]:
        was, self._open = self._open, self._tripped()
        return [Message("breaker", "lifecycle", since=_minute())] if self._open and not was else []

    def _fail_open(self) -> list[Message]:
        before, self._counted = self._counted, self._fail_opens()
        if self._counted <= before:
            return []
        return [Message("fail_open", "gateway", {"count": self._counted - before}, since=str(time.time()))]

    def _nodes(self) -> list[Message]:
        now = datetime.now(UTC)
        silent = {n.name: n.seen for n in self._store.nodes.list() if (now - n.seen).total_seconds() > _GONE_SECONDS}
        fresh, self._gone = silent.keys() - self._gone, set(silent)
        return [
            Message("stale_node", name, {"seen": silent[name].isoformat()}, since=silent[name].isoformat())
            for name in sorted(fresh)
        ]

    def _suspensions(self) -> list[Message]:
        lasting = {s.id: s for s in self._store.oversight.suspensions()}
        ids = set(lasting)
        began, ended, self._suspended = ids - self._suspended, self._suspended - ids, ids
        told = [
            Message(
                "enforcement_suspended",
                s.id,
                {"scope": s.scope.value, "subject": s.subject, "until": s.until.isoformat(), "by": s.actor},
            )
            for s in (lasting[each] for each in sorted(began))
        ]
        return [*told, *(Message("enforcement_resumed", each) for each in sorted(ended))]


def message_of(event: Event) -> Message | None:
    """The message of an event of the loop; None for what nobody needs to be told."""
    match event:
        case Judged(exchange_id, verdict) if verdict.is_breach:
            return Message("breach", exchange_id, {"hazard": verdict.hazard.value, "judge": verdict.judge})
        case Planned(exchange_id, proposals) if any(p.status is Status.PROPOSED for p in proposals):
            waiting = [policy.id for policy in proposals if policy.status is Status.PROPOSED]
            return Message("proposal", exchange_id, {"policies": waiting})
        case Failed(exchange_id, stage, _, True):
            return Message("given_up", exchange_id, {"stage": stage.value})
        case _:
            return None


def _minute() -> str:
    return datetime.now(UTC).isoformat(timespec="minutes")
