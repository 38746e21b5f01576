"""Who sends an exchange, and what its sender may do."""

from dataclasses import dataclass, field
from typing import Literal

from sisf.exchange import PROBE, Sender

Role = Literal["client", "viewer", "operator", "admin", "probe"]
"""What a key opens: the gateway (`client`; `probe` for the probing agent), the console (`viewer`, `operator`), or both
(`admin`)."""
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

    def __post_init__(self) -> None:
        # The mark of the probing agent is given by the role of a key, and cannot be claimed by a name.
        name = self.sender.principal
        bare = name
        while bare.startswith(PROBE):
            bare = bare.removeprefix(PROBE)
        marked = PROBE + bare if self.role == "probe" else bare
        if marked != name:
            object.__setattr__(self, "sender", Sender(self.sender.tenant, marked))

    @property
    def tenant(self) -> str:
        """Whose policies and settings apply."""
        return self.sender.tenant

    @property
    def named(self) -> bool:
        """Whether the caller can be told from others: `anonymous` may be everybody who uses a program."""
        return self.sender.principal != ANONYMOUS
