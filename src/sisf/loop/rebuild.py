"""Move semantic policies to another embedder, from the evidence that was kept, through the gate."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sisf.embedding.base import Embedder
from sisf.errors import ModelError, RevisionConflict, StoreError
from sisf.loop.knowledge import Without, newest_breach
from sisf.loop.readmission import Readmissions
from sisf.policy import Change, GateReport, Policy, Probe, Prototypes, Snapshot, Status
from sisf.store import Store
from sisf.synthesis.base import Knowledge, PolicyGate, PolicySynthesisModule
from sisf.synthesis.lines import same_line

_MARGIN = 0.02
"""How far above the most similar benign text a moved prototype's threshold is set (cosine)."""
_BENIGN = 4_000
_TRIED = 50
"""The newest breaches, one of each hazard at least as a rule, from which probes are learned again."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What became of the semantic policies."""

    snapshot: Snapshot
    moved: tuple[str, ...]
    """Ids of policies that work with the new embedder, or were replaced by such."""
    left: tuple[tuple[str, str], ...]
    """Ids of those that could not be moved, each with the reason. They are retired: no embedder fits them any more."""
    excepted: Mapping[str, tuple[str, ...]]
    """By policy id, the exchanges whose texts it would have stopped and lets pass: they were reported as mistakes."""


def rebuild(
    store: Store,
    embedder: Embedder,
    synthesiser: PolicySynthesisModule,
    gate: PolicyGate,
    knowledge: Knowledge,
    *,
    actor: str,
    progress: Callable[[str, int], None] = lambda _step, _total: None,
) -> Rebuilt:
    """Move every semantic policy in force to `embedder`, in one revision. Gate and synthesiser must use it already.

    Prototypes are embedded again from their examples; probes are learned again from the breaches.
    `progress` hears before each step what it is, and how many of its kind there are. Raises `StoreError` when the
    policy set changed meanwhile.
    """
    snapshot = store.policies.snapshot()
    stale = foreign(snapshot, embedder.id)
    moved: list[Policy] = []
    done: list[str] = []
    left: list[tuple[str, str]] = []
    benign = _embeddings(embedder, knowledge.benign_prompts()[:_BENIGN])
    for policy in stale:
        progress("embedding the examples of policies", len(stale))
        if isinstance(policy.condition, Prototypes):
            candidate = _embed_again(policy, policy.condition, embedder, benign)
            successor, reason = (
                _admit(candidate, gate, knowledge) if candidate else (None, "its examples were not kept")
            )
            if successor is None:
                left.append((policy.id, reason))
            else:
                moved.append(successor)
                done.append(policy.id)
    probes = [policy for policy in stale if isinstance(policy.condition, Probe)]
    learned, reason = _learn(probes, synthesiser, gate, knowledge, progress)
    readmission = Readmissions(store, embedder).admit((*moved, *learned))
    kept = {policy.id for policy in readmission.policies}
    left += [(policy_id, why) for policy_id, why in readmission.refused.items() if policy_id in done]
    done = [policy_id for policy_id in done if policy_id in kept]
    if any(policy.id in kept for policy in learned):
        done += [policy.id for policy in probes]
    else:
        left += [(p.id, reason or next(iter(readmission.refused.values()))) for p in probes]
    retired = [dataclasses.replace(p, status=Status.RETIRED) for p in stale if p.id not in kept]
    change = Change((*readmission.policies, *retired), actor, f"moved to embedder {embedder.id}")
    try:
        following = store.policies.commit(change, expected=snapshot.revision)
    except RevisionConflict as error:
        raise StoreError(f"{error}; run it again when the loop is at rest") from error
    return Rebuilt(following, tuple(done), tuple(left), readmission.excepted)


def foreign(snapshot: Snapshot, embedder: str) -> list[Policy]:
    """The semantic policies in force, shadows included, that were made for another embedder than that of this id."""
    return [policy for policy in snapshot.policies if _embedder_of(policy) not in (None, embedder)]


def _embedder_of(policy: Policy) -> str | None:
    condition = policy.condition
    return condition.embedder if isinstance(condition, Prototypes | Probe) else None


def _embeddings(embedder: Embedder, texts: Sequence[str]) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    if not texts:
        return np.zeros((0, embedder.dimensions), dtype=np.float32)
    return np.asarray(embedder.embed(list(texts)), dtype=np.float32)


def _embed_again(
    policy: Policy,
    condition: Prototypes,
    embedder: Embedder,
    benign: "np.ndarray[tuple[int, int], np.dtype[np.float32]]",
) -> Policy | None:
    if not condition.examples:
        return None
    vectors = _embeddings(embedder, condition.examples)
    closest = float((benign @ vectors.T).max()) if len(benign) else 0.0
    threshold = max(condition.threshold, closest + _MARGIN)
    packed = vectors.astype("<f4").tobytes()
    moved = Prototypes(embedder.id, embedder.dimensions, packed, threshold, condition.examples, condition.exceptions)
    return dataclasses.replace(policy, condition=moved)


def _admit(policy: Policy, gate: PolicyGate, knowledge: Knowledge) -> tuple[Policy | None, str]:
    report = gate.examine(policy, newest_breach(policy, knowledge), Without(knowledge, policy.id))
    return (dataclasses.replace(policy, gate_report=report), "") if report.passed else (None, _reasons(report))


def _learn(
    probes: Sequence[Policy],
    synthesiser: PolicySynthesisModule,
    gate: PolicyGate,
    knowledge: Knowledge,
    progress: Callable[[str, int], None],
) -> tuple[list[Policy], str]:
    if not probes:
        return [], ""
    breaches = knowledge.breaches()
    if not breaches:
        return [], "the breaches it was learned from were not kept"
    stale = {policy.id for policy in probes}
    learned: list[Policy] = []
    reasons: list[str] = []
    tried = list(reversed(breaches))[:_TRIED]
    for breach in tried:
        progress("learning again from breaches", len(tried))
        if any(breach.id in policy.provenance.breach_ids for policy in learned):
            continue
        try:
            proposals = synthesiser.synthesise(breach, knowledge)
        except ModelError as error:
            return learned, str(error)
        for policy in proposals:
            if not isinstance(policy.condition, Probe) or any(same_line(policy, known) for known in learned):
                continue
            report = gate.examine(policy, newest_breach(policy, knowledge), Without(knowledge, *stale))
            if report.passed:
                learned.append(dataclasses.replace(policy, status=Status.ACTIVE, gate_report=report))
            else:
                reasons.append(_reasons(report))
    return learned, "; ".join(dict.fromkeys(reasons)) or "nothing could be learned again"


def _reasons(report: GateReport) -> str:
    return "; ".join(report.reasons) or "the gate refuses it"
