"""The Warden: enforces the active policies on every request and every answer."""

from sisf.warden.policy_set import PolicySet
from sisf.warden.warden import Warden

__all__ = ["PolicySet", "Warden"]
