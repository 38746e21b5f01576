"""Telling people: signed messages to addresses that the settings name, tried again until they are taken.

A message says what happened and names ids; it never carries a text. It is signed as Standard Webhooks describes
(https://www.standardwebhooks.com): `webhook-id`, `webhook-timestamp`, and `webhook-signature`, HMAC-SHA256 over the
three parts joined by dots. The same event has the same id on every node, so that a receiver can leave doubles out.
"""

import base64
import hashlib
import hmac
import http.client
import json
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import structlog

from sisf.errors import SisfError
from sisf.gateway.news import Message, Watch, message_of
from sisf.loop.events import Event
from sisf.settings import Webhook
from sisf.store import Store
from sisf.store.outbox import Letter

_log = structlog.get_logger("sisf.webhooks")
_WATCH_SECONDS = 5.0
_TIMEOUT = 10.0
ATTEMPTS = 24
"""With a pause that doubles from one second up to an hour: over about half a day."""
_LONGEST_PAUSE = 3_600.0
_LOOK_SECONDS = 1.0
_HELD = 1_000
"""Messages that wait to be sent for the first time."""


@dataclass(frozen=True, slots=True)
class _Fresh:
    """A letter that was not sent yet."""

    letter: Letter
    target: Webhook


class Webhooks:
    """Sends messages in a thread of its own. `tell` never blocks.

    A message is sent at once. What is not taken is kept in the store and tried again, after a restart too, by whichever
    node comes first; after `ATTEMPTS` it is a dead letter.
    """

    def __init__(
        self,
        targets: Sequence[Webhook],
        store: Store,
        *,
        tripped: Callable[[], bool] = lambda: False,
        fail_opens: Callable[[], float] = lambda: 0.0,
        pause: float = 1.0,
        attempts: int = ATTEMPTS,
    ) -> None:
        """`tripped`: whether the breaker is open; `fail_opens`: how many there were; `pause` before the first retry."""
        self._targets = {name_of(target): target for target in targets}
        self._store = store
        self._watch = Watch(store, tripped, fail_opens)
        self._pause = pause
        self._attempts = attempts
        self._fresh: deque[_Fresh] = deque()
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
        """Stop; what was not sent by now is kept in the store."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout=_TIMEOUT)
        for fresh in self._fresh:
            self._keep(fresh.letter, time.time())

    def heard(self, event: Event) -> None:
        """What the loop says, where people want to know it."""
        message = message_of(event)
        if message is not None:
            self.tell(message)

    def tell(self, message: Message) -> None:
        """Queue a message for every target that wants its event."""
        told = {
            "id": message.id,
            "event": message.event,
            "subject": message.subject,
            "time": datetime.now(UTC).isoformat(),
            "detail": dict(message.detail),
        }
        body = json.dumps(told)
        with self._changed:
            for name, target in self._targets.items():
                if message.event in target.events and len(self._fresh) < _HELD:
                    self._fresh.append(_Fresh(Letter(message.id, name, message.event, body), target))
                elif message.event in target.events:
                    _log.error("webhook_dropped", event_kind=message.event)
            self._changed.notify_all()

    def _send_all(self) -> None:
        while True:
            with self._changed:
                if not (self._fresh or self._stopping):
                    self._changed.wait(min(self._pause, _LOOK_SECONDS))
                if self._stopping:
                    return
                fresh = self._fresh.popleft() if self._fresh else None
            if fresh is not None:
                self._first(fresh)
            else:
                self._again()

    def _first(self, fresh: _Fresh) -> None:
        problem = send(fresh.target, fresh.letter)
        if problem is not None:
            _log.warning("webhook_failed", problem=problem, attempt=1, given_up=False)
            self._keep(replace(fresh.letter, attempts=1), time.time() + self._pause)

    def _keep(self, letter: Letter, due: float) -> None:
        try:
            dropped = self._store.outbox.put(letter, due)
        except SisfError as error:
            _log.error("webhook_dropped", event_kind=letter.event, error=str(error))
            return
        if dropped:
            _log.error("webhooks_dropped", count=dropped)

    def _again(self) -> None:
        """Send what is due again, one letter."""
        outbox = self._store.outbox
        try:
            letter = outbox.claim(list(self._targets), 2 * _TIMEOUT)
            if letter is None:
                return
            problem = send(self._targets[letter.target], letter)
            if problem is None:
                outbox.taken(letter)
                return
            attempt = letter.attempts + 1
            final = attempt >= self._attempts
            _log.warning("webhook_failed", problem=problem, attempt=attempt, given_up=final)
            pause = min(self._pause * 2**letter.attempts, _LONGEST_PAUSE)
            outbox.failed(letter, None if final else time.time() + pause)
        except SisfError as error:
            _log.warning("webhook_watch_failed", error=str(error))
            with self._changed:
                self._changed.wait_for(lambda: self._stopping, _LOOK_SECONDS)

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


def name_of(target: Webhook) -> str:
    """A name by which a receiver is known in the store: its address may hold a secret."""
    return hashlib.sha256(target.url.encode()).hexdigest()[:16]


def signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """What `webhook-signature` says."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()


def send(target: Webhook, letter: Letter) -> str | None:
    """One attempt. Returns why it was not taken, without the address's secrets; None when it was."""
    timestamp, secret, body = str(int(time.time())), target.secret.get_secret_value(), letter.body.encode()
    headers = {"content-type": "application/json", "webhook-id": letter.id, "webhook-timestamp": timestamp}
    if secret:
        headers["webhook-signature"] = signature(secret, letter.id, timestamp, body)
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
