"""Who sends an exchange, and what its sender may do."""

from dataclasses import dataclass, field
from typing import Literal

from sisf.exchange import Sender

Role = Literal["client", "viewer", "operator", "admin"]
"""What a key opens: the gateway (`client`), the console (`viewer`, `operator`), or both (`admin`)."""
ANONYMOUS = "anonymous"
"""The principal of callers that nothing names."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who an exchange is from, and what they may do."""

    sender: Sender = field(default_factory=Sender)
    role: Role = "client"
    key_id: str = ""
    requests_per_minute: int = 0
    """0: as `limits.requests_per_minute` says."""
    body_bytes: int = 0
    """0: as `limits.body_bytes` says."""
    counted_as: Sender | None = None
    """Whom its requests and blocks are limited as, where one caller can look like many senders."""
    informed: bool = False
    """Whether it is told which policy decided, and how sure the judge is."""

    @property
    def tenant(self) -> str:
        """Whose policies and settings apply."""
        return self.sender.tenant

    @property
    def named(self) -> bool:
        """Whether the caller can be told from others: `anonymous` may be everybody who uses a program."""
        return self.sender.principal != ANONYMOUS
