"""Works on a store until it is killed; says on stdout what was acknowledged, one line each, at once.

Started by `test_crash.py`: `python -m tests.store.crash_child URL NAME`.
"""

import faulthandler
import itertools
import os
import signal
import sys
import threading
from concurrent.futures import Future

import structlog

from sisf.errors import SisfError
from sisf.exchange import Exchange
from sisf.loop import Activated, Event
from sisf.loop.rules import Rules
from sisf.loop.workers import Patience
from sisf.store import ExchangeRecord, open_store
from tests.loop.fakes import make_loop

UNHURRIED = Rules(triggers=1_000_000)
"""One principal brings more breaches here than may each start learning elsewhere."""


def say(*words: str) -> None:
    # One write call a line: a kill never tears a line that was acknowledged.
    os.write(1, (" ".join(words) + "\n").encode())


def main(url: str, name: str) -> None:
    faulthandler.register(signal.SIGUSR1)  # says where every thread stands, should it ever hang
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # stdout is for what was acknowledged
    store = open_store(url)
    loop = make_loop(store, workers=2, patience=Patience(lease_seconds=1.0, backoff_seconds=0.01), rules=UNHURRIED)
    loop.listen(told)
    loop.start()
    say("ready")
    for number in range(3):
        threading.Thread(target=clients, args=(loop, store, f"{name}-{number}"), daemon=True).start()
    parent = os.getppid()
    while os.getppid() == parent:  # never outlives the test
        threading.Event().wait(1)


def told(event: Event) -> None:
    if isinstance(event, Activated):
        for policy in event.policies:
            say("policy", policy.id)


def clients(loop: object, store: object, name: str) -> None:
    for number in itertools.count():
        # One in five is an attack; each attack is new, so each one teaches.
        kind = f"attack {name} {number}!" if number % 5 == 0 else "hello"
        exchange_id = f"{name}-{number}"
        try:
            future: Future[None] = loop.monitor(ExchangeRecord(Exchange.of(kind, "answer", id=exchange_id)))  # type: ignore[attr-defined]
            future.result()
            say("exchange", exchange_id)
            row = store.audit.append(actor="t", action="note", subject=exchange_id, revision=0, detail={})  # type: ignore[attr-defined]
            say("audit", str(row.sequence), row.hash)
        except SisfError:
            threading.Event().wait(0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
