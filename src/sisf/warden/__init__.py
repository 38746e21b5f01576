"""The Warden: enforces the active policies on every request and every answer."""

from sisf.warden.explain import Explanation, Reason, explain
from sisf.warden.policy_set import PolicySet
from sisf.warden.stream import StreamInspector
from sisf.warden.warden import Warden

__all__ = ["Explanation", "PolicySet", "Reason", "StreamInspector", "Warden", "explain"]
