"""The exceptions that policies learn from what they stopped by mistake."""

import dataclasses
from collections.abc import Mapping, Sequence

from sisf.embedding.base import Embedder
from sisf.loop import mistakes
from sisf.loop.knowledge import Without
from sisf.policy import Direction, Match, Policy, Snapshot, Status
from sisf.store import ExchangeRecord
from sisf.synthesis.base import Knowledge, PolicyGate

_SAMPLE, _KEPT_REACH = 10, 0.8
"""Of so many of its latest breaches a narrowed policy must still catch such a share."""
_ROUNDS = 4
"""Policies hide behind one another: what stops a text after the first ones let it pass is looked for so often."""


class Exceptions:
    """Narrows policies so that they let an exchange pass; `embedder` is that of the policies."""

    def __init__(self, gate: PolicyGate, knowledge: Knowledge, embedder: Embedder) -> None:
        self._gate = gate
        self._knowledge = knowledge
        self._rehearsal = mistakes.Rehearsal(embedder)

    def excepted(self, snapshot: Snapshot, record: ExchangeRecord) -> list[Policy]:
        """Every active policy that stops the exchange, narrowed; also those that stop it once the others do not."""
        active = {policy.id: policy for policy in snapshot.active}
        changed: dict[str, Policy] = {}
        stopping = mistakes.stopping(record)
        for direction in dict.fromkeys(decision.direction for _, decision in stopping):
            found: Mapping[str, Match] = {m.policy_id: m for m, d in stopping if d.direction is direction}
            for _ in range(_ROUNDS):
                for policy_id in active.keys() & found.keys():
                    match = found[policy_id]
                    text = mistakes.text_of(record, match, direction)
                    changed[policy_id] = self._narrowed(active[policy_id], text, match, again=policy_id in changed)
                active = {i: changed.get(i, p) for i, p in active.items()}
                active = {i: p for i, p in active.items() if p.status is Status.ACTIVE}
                found = self._still_stopping(list(active.values()), record, direction)
                if not found:
                    break
        return list(changed.values())

    def _narrowed(self, policy: Policy, text: str, match: Match, *, again: bool) -> Policy:
        """The narrowest change that passes the gate and keeps the policy's own breaches; else the policy as shadow."""
        refused = policy
        for candidate in () if again else mistakes.narrowings(policy, text, match):
            report = self._gate.examine(candidate, None, Without(self._knowledge, policy.id))
            examined = dataclasses.replace(candidate, gate_report=report)
            if report.passed and self._still_catches(examined):
                return examined
            refused = examined
        return dataclasses.replace(refused, status=Status.SHADOW)

    def _still_stopping(
        self, active: Sequence[Policy], record: ExchangeRecord, direction: Direction
    ) -> Mapping[str, Match]:
        kept = record.exchange.response if direction is Direction.RESPONSE else record.exchange.prompt
        if not mistakes.readable(kept or ""):
            return {}
        return self._rehearsal.stopped(active, record, direction)

    def _still_catches(self, policy: Policy) -> bool:
        learned_from = set(policy.provenance.breach_ids)
        breaches = [breach for breach in self._knowledge.breaches() if breach.id in learned_from][-_SAMPLE:]
        without = Without(self._knowledge, policy.id)
        caught = sum(self._gate.examine(policy, breach, without).catches_breach for breach in breaches)
        return caught >= _KEPT_REACH * len(breaches)
