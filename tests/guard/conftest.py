"""A guard over the real parts, with policies that a test writes by hand."""

from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from sisf import Guard
from sisf.bootstrap import System, build
from sisf.embedding.hashing import HashEmbedder
from sisf.loop import Reference
from sisf.policy import Action, Change, Direction, GateReport, Pattern, Policy, Status, Substitution
from sisf.settings import load
from sisf.store.records import ExchangeRecord
from sisf.testing import MemoryStore, OpenGate, ScriptedAdjudicator, ScriptedSynthesiser, wait_until
from sisf.verdict import Outcome


def breach_if_said(exchange: Any) -> Outcome:
    return Outcome.BREACH if "BREACH" in (exchange.response or "") else Outcome.SAFE


def system_with(**overrides: Any) -> System:
    """Everything real but the embedder, the judge and the synthesiser: quick to build, and obedient."""
    gate, store = overrides.pop("gate", None) or OpenGate(), overrides.pop("store", None) or MemoryStore()
    given = {key.replace("__", "."): value for key, value in overrides.items()}
    system = build(
        load(environment={}, overrides=given),
        embedder=HashEmbedder(),
        store=store,
        adjudicator=ScriptedAdjudicator(breach_if_said),
        synthesiser=ScriptedSynthesiser(),
        gate=gate,
        reference=Reference(),
    )
    report = GateReport(passed=True)
    patterns = [
        Policy(Pattern("BADPROMPT"), Action.BLOCK, Direction.PROMPT, "a", status=Status.ACTIVE, gate_report=report),
        Policy(Pattern("BADANSWER"), Action.BLOCK, Direction.RESPONSE, "b", status=Status.ACTIVE, gate_report=report),
        Policy(
            Substitution("SECRET", "[gone]"),
            Action.REWRITE,
            Direction.BOTH,
            "c",
            status=Status.ACTIVE,
            gate_report=report,
        ),
    ]
    snapshot = system.store.policies.commit(Change(tuple(patterns), "person:test", "a test"), expected=0)
    assert wait_until(lambda: system.warden.revision == snapshot.revision)
    return system


def records(guard: Guard) -> list[ExchangeRecord]:
    """All exchanges, the latest first."""
    guard.system.store.flush()
    return list(guard.system.store.exchanges.recent(100))


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.fixture
def guard() -> Iterator[Guard]:
    system = system_with()
    with Guard(system=system) as made:
        yield made
    system.close()
