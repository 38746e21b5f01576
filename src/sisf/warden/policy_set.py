"""A compiled, immutable policy set: what the Warden swaps as a whole."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from sisf.embedding.base import Embedder
from sisf.errors import PolicyError
from sisf.exchange import Message
from sisf.policy import (
    Action,
    Decision,
    Direction,
    Pattern,
    Policy,
    Probe,
    Prototypes,
    Snapshot,
    Status,
    Substitution,
)
from sisf.warden import patterns, rewriting, semantic
from sisf.warden.cache import InspectionCache
from sisf.warden.inspection import Inspection
from sisf.warden.patterns import BadPattern, PatternLayer
from sisf.warden.semantic import SemanticLayer

_SCOPES = 1_024


@dataclass(frozen=True, slots=True)
class Scope:
    """Which policies apply to the texts of one direction and tenant."""

    applies: NDArray[np.bool_]
    """By index into the set's policies."""
    semantic: bool
    """Whether any of them needs embeddings."""
    shadow_semantic: bool
    """Whether any of them needs embeddings and only watches: then a block does not end the inspection."""


@dataclass(frozen=True, slots=True)
class PolicySet:
    """All policies of one revision, compiled. Safe to use from any number of threads."""

    revision: int
    embedder: Embedder
    policies: tuple[Policy, ...]
    numbers: Mapping[str, int]
    """Each policy's index by its id."""
    pattern_layers: tuple[PatternLayer, ...]
    pattern_owners: Mapping[str, tuple[int, ...]]
    """Each pattern and the indices of the policies that have it."""
    semantic_layers: tuple[SemanticLayer, ...]
    semantic_owners: tuple[NDArray[np.intp], ...]
    """For each semantic layer the index of the policy at each slot; -1 for one that is in force no more."""
    cache: InspectionCache = field(default_factory=InspectionCache)
    """Matches of texts already seen at this revision."""
    _scopes: dict[tuple[Direction, str], Scope] = field(default_factory=dict)

    @classmethod
    def compile(cls, snapshot: Snapshot, embedder: Embedder, previous: "PolicySet | None" = None) -> "PolicySet":
        """Compile a snapshot, reusing what `previous` compiled. Raises `PolicyError` that names the policy at fault."""
        policies = tuple(p for p in snapshot.policies if p.status in (Status.ACTIVE, Status.SHADOW))
        known = {p.id: p for p in previous.policies} if previous and previous.embedder is embedder else {}
        for policy in policies:
            earlier = known.get(policy.id)
            if earlier is None or earlier.condition is not policy.condition:
                _check(policy, embedder)
        owners = _pattern_owners(policies)
        try:
            pattern_layers = patterns.update(previous.pattern_layers if previous else (), owners)
        except BadPattern as error:
            raise PolicyError(f"policy {policies[owners[error.pattern][0]].id}: {error}") from None
        semantics = _semantic_conditions(policies)
        usable = previous.semantic_layers if previous and previous.embedder.id == embedder.id else ()
        layers = semantic.update(usable, semantics)
        numbers = {p.id: i for i, p in enumerate(policies)}
        slots = _slots(layers, policies, numbers)
        return cls(snapshot.revision, embedder, policies, numbers, pattern_layers, owners, layers, slots)

    @property
    def fragmented(self) -> bool:
        """Whether `merged` would make checks cheaper."""
        return patterns.fragmented(self.pattern_layers) or semantic.fragmented(self.semantic_layers)

    def merged(self) -> "PolicySet":
        """The same policies in fewer pieces. Slow: for the background."""
        pattern_layers, layers = self.pattern_layers, self.semantic_layers
        if patterns.fragmented(pattern_layers):
            pattern_layers = patterns.merged(pattern_layers, self.pattern_owners)
        if semantic.fragmented(layers):
            layers = semantic.merged(layers, _semantic_conditions(self.policies))
        owners = _slots(layers, self.policies, self.numbers)
        return replace(self, pattern_layers=pattern_layers, semantic_layers=layers, semantic_owners=owners)

    def scope(self, direction: Direction, tenant: str) -> Scope:
        """The policies that apply to `direction` (prompt or response) for `tenant`."""
        key = (direction, tenant)
        found = self._scopes.get(key)
        if found is None:
            found = self._make_scope(direction, tenant)
            if len(self._scopes) >= _SCOPES:
                self._scopes.clear()
            self._scopes[key] = found
        return found

    def _make_scope(self, direction: Direction, tenant: str) -> Scope:
        applies = [p.direction.covers(direction) and p.tenant in {"", tenant} for p in self.policies]
        needing = [
            p for p, a in zip(self.policies, applies, strict=True) if a and isinstance(p.condition, Prototypes | Probe)
        ]
        watching = any(p.status is Status.SHADOW for p in needing)
        return Scope(np.array(applies, np.bool_), bool(needing), watching)

    def inspect(self, messages: Sequence[Message], direction: Direction, tenant: str = "") -> Decision:
        """Inspect every text and decide. Blocking: some milliseconds when semantic policies are in force.

        Raises `LimitExceeded` for a text that unfolds without end.
        """
        inspection = self.begin(messages, direction, tenant)
        inspection.heuristics()
        inspection.semantics()
        return self.finish(inspection)

    def begin(
        self, messages: Sequence[Message], direction: Direction, tenant: str, *, remember: bool = True
    ) -> Inspection:
        """An inspection to be taken through its stages: `heuristics`, `semantics`, then `finish`.

        `remember` keeps what is found for the next time that the same texts come.
        """
        return Inspection(self, messages, direction, tenant, remember=remember)

    def finish(self, inspection: Inspection) -> Decision:
        """Decide; rewrite where that is what policies ask for, and inspect what was written."""
        decision = inspection.decision()
        if decision.action is not Action.REWRITE:
            return decision
        return rewriting.rewritten(self, inspection, decision)

    def by_id(self, policy_id: str) -> Policy | None:
        """A policy of this set."""
        index = self.numbers.get(policy_id)
        return None if index is None else self.policies[index]


def _check(policy: Policy, embedder: Embedder) -> None:
    semantic.check(policy, embedder.id, embedder.dimensions)
    try:
        match policy.condition:
            case Pattern(exceptions=exceptions):
                for exception in exceptions:
                    patterns.compile_one(exception)
            case Substitution() as substitution:
                rewriting.check(substitution)
    except PolicyError as error:
        raise PolicyError(f"policy {policy.id}: {error}") from None


def _pattern_owners(policies: Iterable[Policy]) -> dict[str, tuple[int, ...]]:
    owners: dict[str, tuple[int, ...]] = {}
    for index, policy in enumerate(policies):
        condition = policy.condition
        if isinstance(condition, Pattern):
            pattern = condition.pattern
        elif isinstance(condition, Substitution):
            pattern = rewriting.any_case(condition.pattern)
        else:
            continue
        owners[pattern] = (*owners.get(pattern, ()), index)
    return owners


def _semantic_conditions(policies: Iterable[Policy]) -> dict[str, Prototypes | Probe]:
    return {p.id: p.condition for p in policies if isinstance(p.condition, Prototypes | Probe)}


def _slots(
    layers: Sequence[SemanticLayer], policies: Sequence[Policy], numbers: Mapping[str, int]
) -> tuple[NDArray[np.intp], ...]:
    def slot(policy_id: str, condition: Prototypes | Probe) -> int:
        index = numbers.get(policy_id, -1)
        now = policies[index].condition if index >= 0 else None
        return index if now is condition or now == condition else -1

    return tuple(np.array([slot(i, c) for i, c in layer.conditions.items()], np.intp) for layer in layers)
