"""A gateway or a worker of a fleet, in a process of its own, over light parts: scripted judge and synthesiser.

Started by `test_fleet_outage.py`: `python -m tests.store.fleet_child STORE ROLE UPSTREAM ON_STORE_FAILURE`. Says on
stdout where it listens, and when it put which revision in force.
"""

import os
import sys
import threading
import time
from contextlib import nullcontext

import structlog

from sisf.gateway.app import create_app
from sisf.gateway.server import running
from sisf.policy import Snapshot, Suspended
from sisf.settings import load
from sisf.store import open_store
from sisf.testing import ScriptedAdjudicator
from tests.loop.fakes import FailingWarden, judge_attacks, make_loop
from tests.store.crash_child import say


class TellingWarden(FailingWarden):
    """Says when a revision is in force here."""

    def suspend(self, suspended: Suspended) -> None:
        pass

    def activate(self, snapshot: Snapshot) -> None:
        before = self.revision
        super().activate(snapshot)
        if self.revision != before:
            say("revision", str(self.revision), str(time.time()))


def main(url: str, role: str, upstream: str, on_store: str) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    # One client sends all the attacks: it would be slowed down.
    overrides = {"upstream.url": upstream, "on_failure.store": on_store, "limits.blocks_per_minute": 0}
    settings = load(overrides=overrides, environment={})
    store, warden = open_store(url), TellingWarden()
    loop = make_loop(store, warden, workers=0 if role == "serve" else 1)
    loop.start()
    judge = ScriptedAdjudicator(judge_attacks)
    app = create_app(warden=warden, loop=loop, adjudicator=judge, store=store, settings=settings)
    with running(app) if role == "serve" else nullcontext() as background:
        say("ready", background.url if background else "-")
        parent = os.getppid()
        while os.getppid() == parent:  # never outlives the test
            threading.Event().wait(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
