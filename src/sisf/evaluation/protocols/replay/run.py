"""Protocol `replay`: an export of exchanges (`sisf exchange search --out FILE.jsonl`) against a revision of a store.

Prompt and answer of every exchange are put to the revision; nothing is sent to a model, nothing is learned.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sisf.datasets import Dataset
from sisf.datasets.records import Record
from sisf.embedding import Embedder
from sisf.evaluation.experiment import Asks, Closing, Conducted, Row, Setup, Told, Unit
from sisf.evaluation.laboratory import Laboratory
from sisf.evaluation.stored import snapshot_of
from sisf.exchange import Fate, Message, Role
from sisf.policy import Decision, Direction, Snapshot
from sisf.warden import PolicySet

DESIGN = "revision"
PART = 1_000
"""Exchanges that are replayed in one go: what a run that is stopped loses at most."""
_BEFORE = {Fate.INTERCEPTED_PROMPT.value: "prompt", Fate.INTERCEPTED_RESPONSE.value: "response"}


@dataclass(frozen=True, slots=True)
class Replayed:
    """One exchange, then and now."""

    id: str
    prompt: str
    then: str | None
    """Where a policy stopped it when it was recorded: `prompt`, `response`, or None."""
    now: str | None
    """Where the revision stops it."""
    policy_id: str | None
    label: str | None
    """`harmful` or `benign`, where a verdict said so."""

    @property
    def changed(self) -> bool:
        """Whether it is stopped now and was not, or was and is not."""
        return (self.then is None) != (self.now is None)

    def as_json(self) -> Row:
        """The form of `outcomes.jsonl`."""
        return {
            "id": self.id,
            "outcome": "intercepted" if self.now else "passed",
            "action": "block" if self.now else "allow",
            "then": self.then,
            "now": self.now,
            "policy_id": self.policy_id,
            "label": self.label,
        }


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the exchanges, and the revision that decided."""

    rows: Sequence[Replayed]
    revision: int
    policies: Mapping[str, str]
    """The policies in force, in plain words."""


ReplayRun = Conducted[Part]


def plan(lab: Laboratory, sets: Sequence[Sequence[Dataset]], given: Mapping[str, Any]) -> "ReplayPlan":
    """`sets` are exports; `given` names the `store` and its `revision`, None for the one in force."""
    (exports,) = sets
    snapshot = snapshot_of(given["store"], given["revision"], lab.settings)
    described = {"embedder": lab.embedder.id, "store": given["store"], "revision": snapshot.revision}
    return ReplayPlan(lab.setup(), exports, snapshot, lab.embedder, described)


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """Every exchange against the revision, in parts of equal size. See `Experiment`."""

    setup: Setup
    datasets: Sequence[Dataset]
    snapshot: Snapshot
    embedder: Embedder
    described: Mapping[str, Any]
    protocol: str = "replay"
    together: bool = True
    lasting: bool = False

    def units(self) -> Sequence[Unit]:
        """A unit is one part of all exchanges, by its number."""
        total = sum(map(len, self.datasets))
        return [Unit(DESIGN, number) for number in range(max(1, math.ceil(total / PART)))]

    def size(self, unit: Unit) -> int:
        """See `Experiment`."""
        return len(self._part(unit))

    def asks(self) -> Asks:
        """Nobody is asked."""
        return Asks()

    def play(self, unit: Unit, told: Told, before: Sequence[Row] = ()) -> Closing:  # noqa: ARG002
        """See `Experiment`."""
        started = time.monotonic()
        policies = PolicySet.compile(self.snapshot, self.embedder)
        changed = 0
        for record in self._part(unit):
            row = _replayed(record, policies)
            changed += row.changed
            told(row.as_json(), "exchanges", {"decided otherwise": str(changed)})
        return {
            "revision": self.snapshot.revision,
            "policies": {p.id: p.description for p in self.snapshot.active},
            "seconds": time.monotonic() - started,
        }

    def read(self, unit: Unit, rows: Sequence[Row], closing: Closing) -> Part:
        """See `Experiment`."""
        replayed = [
            Replayed(record.id, record.prompt, row["then"], row["now"], row["policy_id"], row["label"])
            for record, row in zip(self._part(unit), rows, strict=True)
        ]
        return Part(replayed, closing["revision"], closing["policies"])

    def _part(self, unit: Unit) -> Sequence[Record]:
        records = [record for dataset in self.datasets for record in dataset.records]
        return records[unit.number * PART : (unit.number + 1) * PART]


def _replayed(record: Record, policies: PolicySet) -> Replayed:
    kept: Mapping[str, Any] = record.extra.get("record") or {}
    exchange: Mapping[str, Any] = kept.get("exchange") or {}
    messages = tuple(Message(Role(m["role"]), m["content"]) for m in exchange.get("messages", ())) or record.messages
    tenant = str((exchange.get("sender") or {}).get("tenant", "default"))
    decision = policies.inspect(messages, Direction.PROMPT, tenant)
    side: str | None = "prompt"
    if not decision.blocked and record.response is not None:
        answer = (Message(Role.ASSISTANT, record.response),)
        decision, side = policies.inspect(answer, Direction.RESPONSE, tenant), "response"
    return Replayed(
        record.id,
        record.prompt,
        _BEFORE.get(str(kept.get("fate", ""))),
        side if decision.blocked else None,
        _policy(decision),
        record.label,
    )


def _policy(decision: Decision) -> str | None:
    return decision.policy_id if decision.blocked else None
