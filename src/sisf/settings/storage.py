"""What is kept, where and for how long."""

from typing import Literal

from pydantic import Field, SecretStr

from sisf.settings.section import Section


class StoreSettings(Section):
    """The Adaptive Policy Store."""

    url: str = "sqlite:///sisf.db"
    """`sqlite:///path` or `postgresql://…`."""
    durability: Literal["grouped", "strict"] = "grouped"
    """Whether a released answer waits for the commit of its exchange (`strict`) or not (`grouped`, within 20 ms)."""


class PrivacySettings(Section):
    """What is kept of the texts of exchanges. Work in progress is kept whole until the loop is done with it."""

    exchanges: Literal["none", "hashed", "redacted", "full"] = "redacted"
    """`redacted`: personal data that patterns recognise is replaced; `hashed`: only to recognise a text again."""
    breaches: Literal["none", "hashed", "redacted", "full"] = "redacted"
    """Of breaches, from which the loop learns again and again: no more than what is kept here."""
    retention_days: int = Field(30, ge=0)
    """Exchanges are deleted after so many days; 0 keeps them."""
    breach_retention_days: int = Field(365, ge=0)
    """The same for breaches. What was learned from them stays, without the examples."""
    key: SecretStr = SecretStr("")
    """Base64 of 32 bytes to seal kept texts with (`openssl rand -base64 32`); after a comma, older keys that still
    open. Empty: not sealed."""
