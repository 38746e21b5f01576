"""The policy set at one revision: the unit that is stored, compared, swapped and rolled back."""

from dataclasses import dataclass

from sisf.policy.model import Policy, Status


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All active and shadow policies at `revision`. Revision 0 is the empty set."""

    revision: int = 0
    policies: tuple[Policy, ...] = ()

    @property
    def active(self) -> tuple[Policy, ...]:
        """The policies that are enforced."""
        return tuple(p for p in self.policies if p.status is Status.ACTIVE)


@dataclass(frozen=True, slots=True)
class Change:
    """One step of the policy set: policies to write, each with the status it shall have from now on."""

    policies: tuple[Policy, ...]
    actor: str
    """Who: `loop`, `person:NAME`, `lifecycle`, `import`, `rollback`."""
    reason: str
    """Why, in plain words; kept in the audit log."""
    breach_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Suspended:
    """Where a person suspended enforcement: what would be stopped there passes, and is recorded and counted."""

    everything: bool = False
    tenants: frozenset[str] = frozenset()
    policies: frozenset[str] = frozenset()
    """Ids."""
