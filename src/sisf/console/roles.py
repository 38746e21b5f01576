"""Who may do what on the console: each role may also do what those before it may."""

from dataclasses import dataclass
from enum import StrEnum


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

    @property
    def actor(self) -> str:
        """As the audit log records it."""
        return f"person:{self.name}"
