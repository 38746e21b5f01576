"""Messages are signed, tried again until they are taken, go nowhere else, and carry no text."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import SecretStr

from sisf.errors import ConfigurationError
from sisf.gateway.news import Message, Watch, message_of
from sisf.gateway.webhooks import Webhooks, signature
from sisf.loop.events import Failed, Judged, Planned
from sisf.policy import Status
from sisf.settings import Webhook, load
from sisf.store import Node, Scope, Stage
from sisf.testing import MemoryStore, wait_until
from tests.store.samples import BREACH, SAFE, pattern

EVERYTHING = ("breach", "proposal", "given_up", "breaker", "fail_open", "stale_node", "enforcement_suspended")


class Receiver:
    """Takes messages; answers what it is told, then 204."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.taken: list[tuple[dict[str, str], bytes]] = []
        self.seen = 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.seen += 1
                status = receiver.statuses.pop(0) if receiver.statuses else 204
                if status == 204:
                    receiver.taken.append((dict(self.headers.items()), body))
                self.send_response(status)
                if status == 302:
                    self.send_header("location", "/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"


@contextmanager
def receiving(*statuses: int) -> Iterator[Receiver]:
    receiver = Receiver(*statuses)
    threading.Thread(target=receiver.server.serve_forever, daemon=True).start()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


@contextmanager
def telling(url: str, *events: str) -> Iterator[Webhooks]:
    store = MemoryStore()
    target = Webhook(url=url, secret=SecretStr("a-secret"), events=events or EVERYTHING)
    webhooks = Webhooks([target], store, pause=0.01).start()
    yield webhooks
    webhooks.close()
    store.close()


def test_a_message_is_signed_and_carries_no_text() -> None:
    with receiving() as receiver, telling(receiver.url) as webhooks:
        webhooks.heard(Judged("e1", BREACH))
        assert wait_until(lambda: bool(receiver.taken))
        headers, body = receiver.taken[0]
        headers = {name.lower(): value for name, value in headers.items()}
        told = json.loads(body)
        assert (told["event"], told["subject"], told["id"]) == ("breach", "e1", headers["webhook-id"])
        assert BREACH.rationale not in body.decode()
        expected = signature("a-secret", headers["webhook-id"], headers["webhook-timestamp"], body)
        assert headers["webhook-signature"] == expected


def test_it_is_tried_again_until_it_is_taken_and_goes_nowhere_else() -> None:
    with receiving(500, 503, 302) as receiver, telling(receiver.url) as webhooks:
        webhooks.tell(Message("breach", "e1"))
        assert wait_until(lambda: bool(receiver.taken))
        assert receiver.seen == 4


def test_what_was_not_taken_is_kept_and_sent_after_a_restart() -> None:
    store = MemoryStore()
    with receiving(500, 500) as receiver:
        target = Webhook(url=receiver.url, events=EVERYTHING)
        first = Webhooks([target], store, pause=0.01).start()
        first.tell(Message("breach", "e1"))
        assert wait_until(lambda: receiver.seen >= 1)
        first.close()  # whether it was tried a second time or not
        assert receiver.taken or store.outbox.counts()["waiting"] == 1
        second = Webhooks([target], store, pause=0.01).start()
        assert wait_until(lambda: bool(receiver.taken))
        assert wait_until(lambda: store.outbox.counts() == {"waiting": 0, "dead": 0})
        second.close()
        assert receiver.url not in str(store.audit.latest())
    store.close()


def test_after_so_many_attempts_it_is_a_dead_letter_until_somebody_sends_it_again() -> None:
    store = MemoryStore()
    with receiving(*[500] * 3) as receiver:
        webhooks = Webhooks([Webhook(url=receiver.url, events=EVERYTHING)], store, pause=0.01, attempts=3).start()
        webhooks.tell(Message("breach", "e1"))
        assert wait_until(lambda: store.outbox.counts() == {"waiting": 0, "dead": 1})
        assert receiver.seen == 3
        assert store.outbox.revive() == 1
        assert wait_until(lambda: bool(receiver.taken))
        assert wait_until(lambda: store.outbox.counts() == {"waiting": 0, "dead": 0})
        webhooks.close()
    store.close()


def test_only_what_is_wanted_is_told() -> None:
    with receiving() as receiver, telling(receiver.url, "given_up") as webhooks:
        webhooks.heard(Judged("e1", BREACH))
        webhooks.heard(Failed("e2", Stage.PLAN, "secret details", True))
        assert wait_until(lambda: bool(receiver.taken))
        assert b"secret details" not in receiver.taken[0][1]
        assert receiver.seen == 1


def test_which_events_of_the_loop_are_told() -> None:
    proposed, active = pattern("a", Status.PROPOSED), pattern("b")
    assert message_of(Judged("e", SAFE)) is None
    assert message_of(Planned("e", [active])) is None
    assert message_of(Failed("e", Stage.PLAN, "", False)) is None
    told = message_of(Planned("e", [proposed, active]))
    assert told is not None
    assert (told.event, told.detail) == ("proposal", {"policies": ["a"]})
    assert told.id == Message("proposal", "e").id  # the same on every node


def test_what_has_no_event_is_looked_for_and_told_once() -> None:
    store, state = MemoryStore(), {"tripped": False, "opens": 0.0}
    watch = Watch(store, lambda: bool(state["tripped"]), lambda: float(state["opens"]))
    assert watch.news() == []
    state |= {"tripped": True, "opens": 2.0}
    made = store.oversight.suspend(Scope.ALL, "", timedelta(hours=1), actor="person:ann", reason="")
    assert {m.event for m in watch.news()} == {"breaker", "fail_open", "enforcement_suspended"}
    assert watch.news() == []
    store.oversight.resume(made.id, actor="person:ann")
    assert [m.event for m in watch.news()] == ["enforcement_resumed"]
    store.close()


def test_a_node_that_is_gone_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    store, old = MemoryStore(), datetime.now(UTC) - timedelta(minutes=1)
    watch = Watch(store, lambda: False, lambda: 0.0)
    monkeypatch.setattr(store.nodes, "list", lambda: [Node("n1", "serve", "", 3, old, old)])
    assert [(m.event, m.subject) for m in watch.news()] == [("stale_node", "n1")]
    assert watch.news() == []
    store.close()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/x", "host/x", ""])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="webhooks"):
        load(overrides={"webhooks": [{"url": url}]}, environment={})
