"""The policies in force, numbered. A number stands for one policy with one condition for as long as the set evolves."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sisf.policy import Direction, Policy, Probe, Prototypes, Status

_SIDES = {Direction.PROMPT: 1, Direction.RESPONSE: 2, Direction.BOTH: 3}
_SEMANTIC, _WATCHING = 1, 2
_IN_FORCE = (Status.ACTIVE, Status.SHADOW)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which policies apply to the texts of one direction and tenant."""

    applies: NDArray[np.bool_]
    """By number."""
    semantic: bool
    """Whether any of them needs embeddings."""
    shadow_semantic: bool
    """Whether any of them needs embeddings and only watches: then a block does not end the inspection."""


@dataclass(frozen=True, slots=True)
class PolicyIndex:
    """Policies by number, and in arrays what decides whether they apply: many are masked in one operation."""

    policies: tuple[Policy, ...] = ()
    """By number. One that left keeps its number, and applies to nothing."""
    numbers: Mapping[str, int] = field(default_factory=dict)
    """By id, of those in force."""
    sides: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))
    """Bit 1: prompts, bit 2: responses; 0: in force no more."""
    tenants: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    forms: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))
    """Bit 1: needs embeddings, bit 2: only watches."""
    tenant_numbers: Mapping[str, int] = field(default_factory=lambda: {"": 0})

    @property
    def wasteful(self) -> bool:
        """Whether most numbers are of policies that left."""
        return len(self.policies) > 2 * len(self.numbers) + 64

    def followed_by(
        self, policies: Sequence[Policy], check: Callable[[Policy], None]
    ) -> "tuple[PolicyIndex, Mapping[int, Policy]]":
        """The index for `policies`, and those of them under a new number, because they or their conditions are new.

        Costs a look at each policy; work is done only for those that changed. `check` is called for the new ones.
        """
        known, before = self.numbers.get, self.policies
        changed = [p for p in policies if (n := known(p.id)) is None or before[n] is not p]
        changed = [p for p in changed if p.status in _IN_FORCE or p.id in self.numbers]
        numbers, listed, new = dict(self.numbers), list(before), dict[int, Policy]()
        if changed or len(policies) != len(numbers):
            for gone in numbers.keys() - {p.id for p in policies}:
                del numbers[gone]
        for policy in changed:
            number = numbers.get(policy.id)
            if policy.status not in _IN_FORCE:
                numbers.pop(policy.id, None)
            elif number is None or not _same(listed[number], policy):
                check(policy)
                number = numbers[policy.id] = len(listed)
                listed.append(policy)
                new[number] = policy
            else:
                listed[number] = policy
        return self._arrayed(listed, numbers, [p for p in changed if p.id in numbers]), new

    def _arrayed(self, listed: list[Policy], numbers: Mapping[str, int], changed: Iterable[Policy]) -> "PolicyIndex":
        grown = len(listed) - len(self.policies)
        sides = np.zeros(len(listed), np.uint8)
        kept = np.fromiter(numbers.values(), np.intp, len(numbers))
        old = kept[kept < len(self.policies)]
        sides[old] = self.sides[old]
        tenants = np.concatenate([self.tenants, np.zeros(grown, np.int32)])
        forms = np.concatenate([self.forms, np.zeros(grown, np.uint8)])
        tenant_numbers = dict(self.tenant_numbers)
        for policy in changed:
            number = numbers[policy.id]
            sides[number] = _SIDES[policy.direction]
            tenants[number] = tenant_numbers.setdefault(policy.tenant, len(tenant_numbers))
            forms[number] = _form(policy)
        return PolicyIndex(tuple(listed), numbers, sides, tenants, forms, tenant_numbers)

    def scope(self, direction: Direction, tenant: str) -> Scope:
        """The policies that apply to `direction` (prompt or response) for `tenant`."""
        own = self.tenants == 0
        if self.tenant_numbers.get(tenant):
            own |= self.tenants == self.tenant_numbers[tenant]
        applies = ((self.sides & _SIDES[direction]) != 0) & own
        semantic = applies & ((self.forms & _SEMANTIC) != 0)
        watching = semantic & ((self.forms & _WATCHING) != 0)
        return Scope(applies, bool(semantic.any()), bool(watching.any()))


def _same(one: Policy, other: Policy) -> bool:
    return one.condition is other.condition or one.condition == other.condition


def _form(policy: Policy) -> int:
    semantic = _SEMANTIC if isinstance(policy.condition, Prototypes | Probe) else 0
    return semantic | (_WATCHING if policy.status is Status.SHADOW else 0)
