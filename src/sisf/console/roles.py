"""Who may do what on the console: each role may also do what those before it may."""

from dataclasses import dataclass
from enum import StrEnum

from sisf.gateway.identity import person

_OF_ONE = """
/ /queue /queue/bulk /policies /policies/{policy_id} /policies/{policy_id}/{step} /try /exchanges /live /exchanges.csv
/exchanges.jsonl /exchanges/{exchange_id} /exchanges/{exchange_id}/verdict /exchanges/{exchange_id}/unlabel
/exchanges/{exchange_id}/mistake /exchanges/{exchange_id}/confirm /exchanges/{exchange_id}/take-back
/exchanges/{exchange_id}/retry /note /forget /enforcement /enforcement/suspend /enforcement/resume
/api/overview /api/policies /api/policies/{policy_id} /api/policies/{policy_id}/versions
/api/policies/{policy_id}/{step} /api/exchanges /api/exchanges/{exchange_id}
/api/exchanges/{exchange_id}/why /api/exchanges/{exchange_id}/verdict
/api/exchanges/{exchange_id}/mistake /api/exchanges/{exchange_id}/confirm /api/exchanges/{exchange_id}/word /api/try
/api/queue /api/notes /api/enforcement /api/enforcement/suspend /api/enforcement/resume /api/openapi.json
"""
"""What there is for people of one tenant, whose store shows nothing else. All that does not stand here concerns
everybody's policies, people or machines."""
FOR_ONE_TENANT = frozenset(_OF_ONE.split())


class Role(StrEnum):
    """`viewer` sees everything; `operator` decides on exchanges and policies, and suspends enforcement; `admin` also
    rolls back, deletes, and lets people in."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def covers(self, other: "Role") -> bool:
        """Whether this role may do what `other` may."""
        return _RANK[self] >= _RANK[other]


_RANK = {role: rank for rank, role in enumerate(Role)}


@dataclass(frozen=True, slots=True)
class Who:
    """The person, or program, behind a request to the console."""

    name: str
    role: Role
    csrf: str = ""
    """What a form must bring back; empty for callers that authenticate every request by header."""
    key_id: str = ""
    """The API key that was shown, if one was."""
    tenant: str = ""
    """The only tenant whose things they see and act on; empty for all."""

    @property
    def actor(self) -> str:
        """As the audit log records it."""
        return person(self.name, self.tenant)
