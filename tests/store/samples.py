"""Values that the store's tests write."""

import struct

from sisf.exchange import Exchange
from sisf.policy import (
    Action,
    Change,
    Direction,
    GateReport,
    Pattern,
    Policy,
    Probe,
    Prototypes,
    Provenance,
    Status,
)
from sisf.store import ExchangeRecord
from sisf.taxonomy import Hazard
from sisf.verdict import Outcome, Verdict

PASSED = GateReport(passed=True, catches_breach=True, benign_total=3000, fpr_upper=0.001)
BREACH = Verdict(Outcome.BREACH, "recorded", hazard=Hazard.PRIVACY, severity=0.5, confidence=1.0, rationale="it did")
SAFE = Verdict(Outcome.SAFE, "recorded", confidence=1.0)
UNDECIDED = Verdict(Outcome.UNDECIDED, "recorded", rationale="judge failed")


def pattern(name: str = "alpha", status: Status = Status.ACTIVE, **values: object) -> Policy:
    return Policy(
        Pattern(rf"\b{name}\b", exceptions=(f"not {name}",)),
        Action.BLOCK,
        Direction.PROMPT,
        f"Blocks {name}",
        id=name,
        status=status,
        gate_report=PASSED,
        **values,  # type: ignore[arg-type]
    )


def probe(name: str = "probe", status: Status = Status.ACTIVE) -> Policy:
    weights = struct.pack("<4f", 0.25, -1.5, 0.0, 2.0)
    condition = Probe("fake", 4, weights, {"word": 1.25, "two words": -0.1}, 0.5, 1.0, examples=("an example",))
    return Policy(
        condition,
        Action.BLOCK,
        Direction.BOTH,
        "A learned probe",
        id=name,
        status=status,
        gate_report=PASSED,
        provenance=Provenance(("b1",), "local", supersedes=("alpha",)),
    )


def prototypes(name: str = "proto", status: Status = Status.SHADOW) -> Policy:
    return Policy(
        Prototypes("fake", 4, struct.pack("<8f", 1, 0, 0, 0, 0, 1, 0, 0), 0.75, ("one", "two")),
        Action.FLAG,
        Direction.RESPONSE,
        "Two prototypes",
        id=name,
        status=status,
        gate_report=PASSED,
    )


def change(*policies: Policy, actor: str = "loop", reason: str = "a test") -> Change:
    return Change(policies, actor, reason, ("b1",))


def record(name: str = "e1", prompt: str = "hello", response: str | None = "world", **values: object) -> ExchangeRecord:
    return ExchangeRecord(Exchange.of(prompt, response, id=name, principal="p1"), **values)  # type: ignore[arg-type]
