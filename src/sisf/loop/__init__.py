"""Monitor, analyze, plan, execute: the loop that learns, over the store's durable jobs."""

from sisf.loop.events import Activated, Event, Failed, Judged, Listener, Monitored, Planned, Worked
from sisf.loop.housekeeping import Retention
from sisf.loop.knowledge import StoreKnowledge
from sisf.loop.lastgood import LastGood
from sisf.loop.lifecycle import Lifecycle
from sisf.loop.loop import Loop
from sisf.loop.readmission import Readmission, Readmissions, Return
from sisf.loop.rules import Rules
from sisf.synthesis.base import Reference

__all__ = [
    "Activated",
    "Event",
    "Failed",
    "Judged",
    "LastGood",
    "Lifecycle",
    "Listener",
    "Loop",
    "Monitored",
    "Planned",
    "Readmission",
    "Readmissions",
    "Reference",
    "Retention",
    "Return",
    "Rules",
    "StoreKnowledge",
    "Worked",
]
