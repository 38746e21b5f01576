"""What is kept, where and for how long."""

from typing import Literal

from pydantic import Field, SecretStr

from sisf.settings.section import Section


class StoreSettings(Section):
    """The Adaptive Policy Store."""

    url: str = "sqlite:///sisf.db"
    """The database: `sqlite:///path` or `postgresql://…`."""
    durability: Literal["grouped", "strict"] = "grouped"
    """`strict`: an answer is released only after its exchange is committed. `grouped`: an answer does not wait; its
    exchange is committed within 20 ms."""


class PrivacySettings(Section):
    """How the texts of exchanges are stored, and for how long. Texts of jobs in progress are stored in full until the
    loop has finished them."""

    exchanges: Literal["none", "hashed", "redacted", "full"] = "redacted"
    """How the texts of exchanges are stored. `full`: unchanged. `redacted`: personal data that the redaction patterns
    recognise is replaced. `hashed`: only a hash, which recognises the same text again. `none`: not at all."""
    breaches: Literal["none", "hashed", "redacted", "full"] = "redacted"
    """The same for breaches, from which the loop learns repeatedly. The loop can learn only from what is stored
    here."""
    retention_days: int = Field(30, ge=0)
    """Exchanges are deleted after this many days. 0: they are never deleted."""
    breach_retention_days: int = Field(365, ge=0)
    """Breaches are deleted after this many days. Policies that were learned from them remain, without the example
    texts."""
    key: SecretStr = SecretStr("")
    """The key that encrypts stored texts: 32 bytes in base64 (`openssl rand -base64 32`). Older keys, which can still
    decrypt, follow after a comma. Empty: texts are not encrypted."""
