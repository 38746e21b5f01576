"""All policies of one revision in the forms in which texts are held against them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from sisf.embedding.base import Embedder
from sisf.errors import PolicyError
from sisf.policy import Direction, Pattern, Policy, Probe, Prototypes, Snapshot, Substitution
from sisf.warden import patterns, semantic, substitutions
from sisf.warden.cache import InspectionCache
from sisf.warden.first_look import Bounds, FirstLooks
from sisf.warden.matcher import pattern_of
from sisf.warden.patterns import BadPattern, PatternLayer
from sisf.warden.policy_index import PolicyIndex, Scope
from sisf.warden.semantic import SemanticEngine

_SCOPES = 1_024


@dataclass(frozen=True, slots=True)
class Compiled:
    """All policies of one revision, compiled: what an inspection works with. Safe to use from any number of threads.

    A set is compiled from the set before it: what did not change is shared, so that it costs what changed.
    """

    snapshot: Snapshot
    embedder: Embedder
    index: PolicyIndex
    pattern_layers: tuple[PatternLayer, ...]
    pattern_owners: Mapping[str, tuple[int, ...]]
    """Each pattern and the numbers of the policies that have it."""
    semantics: SemanticEngine
    cache: InspectionCache = field(default_factory=InspectionCache)
    """Matches of texts already seen at this revision."""
    looks: FirstLooks = field(default_factory=FirstLooks.off)
    """Shared by all revisions of one Warden."""
    doubt: float = 0.0
    """Steps of caution below its threshold within which a policy's score makes a text doubtful; 0: no text is."""
    _scopes: dict[tuple[Direction, str], Scope] = field(default_factory=dict)
    _bounds: dict[tuple[Direction, str], Bounds | None] = field(default_factory=dict)

    @classmethod
    def compile(
        cls,
        snapshot: Snapshot,
        embedder: Embedder,
        previous: "Compiled | None" = None,
        pause: Callable[[], object] | None = None,
        *,
        looks: FirstLooks | None = None,
        doubt: float | None = None,
    ) -> Self:
        """Compile a snapshot, reusing what `previous` compiled; `previous` stays as it is.

        `pause` is called now and then, to let others work meanwhile. `looks` and `doubt`: by default those of
        `previous`, or none.
        Raises `PolicyError` that names the policy at fault.
        """
        base: Compiled = previous if previous is not None and previous.embedder.id == embedder.id else _empty(embedder)
        looks = base.looks if looks is None else looks
        doubt = base.doubt if doubt is None else doubt
        index, new = base.index.followed_by(snapshot.policies, lambda policy: _check(policy, embedder))
        owners, fresh = _with_owners(base.pattern_owners, new)
        try:
            layers = (*base.pattern_layers, *patterns.build(fresh, pause))
        except BadPattern as error:
            raise PolicyError(f"policy {index.policies[owners[error.pattern][0]].id}: {error}") from None
        semantics = base.semantics.followed_by(new, embedder)
        return cls(snapshot, embedder, index, layers, owners, semantics, looks=looks, doubt=doubt)

    @property
    def revision(self) -> int:
        """The revision of the snapshot."""
        return self.snapshot.revision

    @property
    def policies(self) -> tuple[Policy, ...]:
        """Those in force, active or in shadow."""
        return tuple(self.index.policies[number] for number in self.index.numbers.values())

    @property
    def fragmented(self) -> bool:
        """Whether `merged` would make checks cheaper."""
        return self.index.wasteful or patterns.fragmented(self.pattern_layers) or self.semantics.fragmented

    def merged(self, pause: Callable[[], object] | None = None) -> Self:
        """The same policies in fewer pieces. Slow: for the background."""
        if self.index.wasteful:
            return self.compile(self.snapshot, self.embedder, pause=pause, looks=self.looks, doubt=self.doubt)
        return replace(
            self,
            pattern_layers=patterns.merged(self.pattern_layers, pause),
            semantics=self.semantics.merged(),
            _bounds={},
        )

    def scope(self, direction: Direction, tenant: str) -> Scope:
        """The policies that apply to `direction` (prompt or response) for `tenant`."""
        key = (direction, tenant)
        found = self._scopes.get(key)
        if found is None:
            found = self.index.scope(direction, tenant)
            if len(self._scopes) >= _SCOPES:
                self._scopes.clear()
            self._scopes[key] = found
        return found

    def bounds(self, direction: Direction, tenant: str) -> Bounds | None:
        """What first looks are held against, for the policies of this scope; None where none is taken."""
        key = (direction, tenant)
        if key not in self._bounds:
            if len(self._bounds) >= _SCOPES:
                self._bounds.clear()
            self._bounds[key] = self.looks.bounds(self.semantics, self.scope(direction, tenant).applies)
        return self._bounds[key]

    def by_id(self, policy_id: str) -> Policy | None:
        """A policy of this set."""
        number = self.index.numbers.get(policy_id)
        return None if number is None else self.index.policies[number]


def _empty(embedder: Embedder) -> Compiled:
    engine = SemanticEngine.empty(embedder.dimensions)
    return Compiled(Snapshot(), embedder, PolicyIndex(), (), {}, engine)


def _check(policy: Policy, embedder: Embedder) -> None:
    semantic.check(policy, embedder)
    try:
        match policy.condition:
            case Pattern(exceptions=exceptions) | Prototypes(exceptions=exceptions) | Probe(exceptions=exceptions):
                for exception in exceptions:
                    patterns.compile_one(exception)
            case Substitution() as substitution:
                substitutions.check(substitution)
    except PolicyError as error:
        raise PolicyError(f"policy {policy.id}: {error}") from None


def _with_owners(
    owners: Mapping[str, tuple[int, ...]], new: Mapping[int, Policy]
) -> tuple[Mapping[str, tuple[int, ...]], list[str]]:
    """The owners of all patterns, and the patterns that had none.

    Numbers of policies that left stay until a set is compiled afresh: they apply to nothing.
    """
    if not new:
        return owners, []
    grown = dict(owners)
    for number, policy in new.items():
        pattern = pattern_of(policy.condition)
        if pattern is not None:
            grown[pattern] = (*grown.get(pattern, ()), number)
    return grown, list(grown)[len(owners) :]
