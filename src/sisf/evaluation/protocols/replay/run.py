"""Protocol `replay`: an export of exchanges (`sisf exchange search --out FILE.jsonl`) against a revision of a store.

Prompt and answer of every exchange are put to the revision; nothing is sent to a model, nothing is learned.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sisf.datasets import Dataset
from sisf.datasets.records import Record
from sisf.embedding import Embedder
from sisf.evaluation.progress import Progress
from sisf.exchange import Fate, Message, Role
from sisf.policy import Decision, Direction, Snapshot
from sisf.warden import PolicySet

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

    def as_json(self) -> dict[str, Any]:
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


@dataclass(slots=True)
class ReplayRun:
    """All exchanges."""

    datasets: Sequence[Dataset]
    snapshot: Snapshot
    rows: list[Replayed] = field(default_factory=list)
    seconds: float = 0.0


def replay(exports: Sequence[Dataset], snapshot: Snapshot, embedder: Embedder, progress: Progress) -> ReplayRun:
    """Put every exchange to the revision."""
    started = time.monotonic()
    policies = PolicySet.compile(snapshot, embedder)
    run = ReplayRun(exports, snapshot)
    progress.begin("replay", sum(map(len, exports)))
    changed = 0
    for dataset in exports:
        for record in dataset.records:
            run.rows.append(_replayed(record, policies))
            changed += run.rows[-1].changed
            progress.advance({"changed": str(changed)})
    progress.end()
    run.seconds = time.monotonic() - started
    return run


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
