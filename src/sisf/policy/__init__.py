"""The domain: what a policy is, how it lives, and what a decision says."""

from sisf.policy.decision import Decision, Match
from sisf.policy.diff import Diff, compare
from sisf.policy.evidence import Evidence, GateReport, Provenance
from sisf.policy.model import (
    Action,
    Condition,
    Direction,
    Pattern,
    Policy,
    PolicyKind,
    Probe,
    Prototypes,
    Status,
    Substitution,
    drawing_ids,
)
from sisf.policy.snapshot import Change, Snapshot, Suspended

__all__ = [
    "Action",
    "Change",
    "Condition",
    "Decision",
    "Diff",
    "Direction",
    "Evidence",
    "GateReport",
    "Match",
    "Pattern",
    "Policy",
    "PolicyKind",
    "Probe",
    "Prototypes",
    "Provenance",
    "Snapshot",
    "Status",
    "Substitution",
    "Suspended",
    "compare",
    "drawing_ids",
]
