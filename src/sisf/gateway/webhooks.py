"""Telling people: signed messages to addresses that the settings name, tried again until they are taken.

A message says what happened and names ids; it never carries a text. It is signed as Standard Webhooks describes
(https://www.standardwebhooks.com): `webhook-id`, `webhook-timestamp`, and `webhook-signature`, HMAC-SHA256 over the
three parts joined by dots. The same event has the same id on every node, so that a receiver can leave doubles out.
"""

import base64
import hashlib
import heapq
import hmac
import http.client
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog

from sisf.errors import SisfError
from sisf.loop.events import Event, Failed, Judged, Planned
from sisf.policy import Status
from sisf.settings import Webhook
from sisf.store.base import Store

_log = structlog.get_logger("sisf.webhooks")
_WATCH_SECONDS = 5.0
_GONE_SECONDS = 15.0
_TIMEOUT = 10.0
_ATTEMPTS = 9
"""With a pause that doubles from one second: over about eight minutes."""
_HELD = 1_000
"""Messages that wait; when receivers are away for longer, the oldest are dropped and that is logged."""


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


@dataclass(order=True, slots=True)
class _Due:
    at: float
    number: int
    attempt: int = field(compare=False)
    target: Webhook = field(compare=False)
    message: Message = field(compare=False)
    body: bytes = field(compare=False)


class Webhooks:
    """Sends messages in a thread of its own. `tell` never blocks."""

    def __init__(
        self,
        targets: Sequence[Webhook],
        store: Store,
        *,
        tripped: Callable[[], bool] = lambda: False,
        fail_opens: Callable[[], float] = lambda: 0.0,
        pause: float = 1.0,
    ) -> None:
        """`tripped`: whether the breaker is open; `fail_opens`: how many there were; `pause` before the first retry."""
        self._targets = targets
        self._store = store
        self._watch = Watch(store, tripped, fail_opens)
        self._pause = pause
        self._waiting: list[_Due] = []
        self._number = 0
        self._changed = threading.Condition()
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._send_all, name="sisf-webhooks", daemon=True),
            threading.Thread(target=self._look, name="sisf-webhooks-watch", daemon=True),
        ]

    def start(self) -> "Webhooks":
        """Begin to send and to watch."""
        for thread in self._threads:
            thread.start()
        return self

    def close(self) -> None:
        """Stop; what was not taken by now is dropped, and logged."""
        with self._changed:
            self._stopping = True
            if self._waiting:
                _log.warning("webhooks_dropped", count=len(self._waiting))
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout=_TIMEOUT)

    def heard(self, event: Event) -> None:
        """What the loop says, where people want to know it."""
        message = message_of(event)
        if message is not None:
            self.tell(message)

    def tell(self, message: Message) -> None:
        """Queue a message for every target that wants its event."""
        body = json.dumps(
            {
                "id": message.id,
                "event": message.event,
                "subject": message.subject,
                "time": datetime.now(UTC).isoformat(),
                "detail": dict(message.detail),
            }
        ).encode()
        with self._changed:
            for target in self._targets:
                if message.event in target.events:
                    self._put(_Due(time.monotonic(), 0, 1, target, message, body))
            self._changed.notify_all()

    def _put(self, due: _Due) -> None:
        self._number += 1
        due.number = self._number
        heapq.heappush(self._waiting, due)
        if len(self._waiting) > _HELD:
            oldest = min(self._waiting, key=lambda each: each.number)
            self._waiting.remove(oldest)
            heapq.heapify(self._waiting)
            _log.error("webhook_dropped", event_kind=oldest.message.event)

    def _send_all(self) -> None:
        while True:
            with self._changed:
                while not self._stopping and not (self._waiting and self._waiting[0].at <= time.monotonic()):
                    left = self._waiting[0].at - time.monotonic() if self._waiting else None
                    self._changed.wait(left)
                if self._stopping:
                    return
                due = heapq.heappop(self._waiting)
            problem = send(due.target, due.message, due.body)
            if problem is None:
                continue
            final = due.attempt >= _ATTEMPTS
            _log.warning("webhook_failed", problem=problem, attempt=due.attempt, given_up=final)
            if not final:
                due.at, due.attempt = time.monotonic() + self._pause * 2 ** (due.attempt - 1), due.attempt + 1
                with self._changed:
                    self._put(due)

    def _look(self) -> None:
        while True:
            try:
                for message in self._watch.news():
                    self.tell(message)
            except SisfError as error:
                _log.warning("webhook_watch_failed", error=str(error))
            with self._changed:
                if self._changed.wait_for(lambda: self._stopping, _WATCH_SECONDS):
                    return


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


def signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """What `webhook-signature` says."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()


def send(target: Webhook, message: Message, body: bytes) -> str | None:
    """One attempt. Returns why it was not taken, without the address's secrets; None when it was."""
    timestamp, secret = str(int(time.time())), target.secret.get_secret_value()
    headers = {"content-type": "application/json", "webhook-id": message.id, "webhook-timestamp": timestamp}
    if secret:
        headers["webhook-signature"] = signature(secret, message.id, timestamp, body)
    request = urllib.request.Request(target.url, body, headers, method="POST")  # noqa: S310 - checked by the settings
    try:
        with _opener.open(request, timeout=_TIMEOUT) as answer:
            answer.read(1)
    except urllib.error.HTTPError as error:
        return f"status {error.code}"
    except (OSError, http.client.HTTPException, ValueError) as error:
        return type(error).__name__
    return None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A message goes where the settings say, and nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        """Never."""


_opener = urllib.request.build_opener(_NoRedirects, urllib.request.ProxyHandler({}))


def _minute() -> str:
    return datetime.now(UTC).isoformat(timespec="minutes")
