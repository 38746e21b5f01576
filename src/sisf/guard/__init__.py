"""In-process use: the Warden, the judge and the loop inside a Python program, and a wrapper for OpenAI clients."""

from sisf.guard.guard import Admitted, Guard

__all__ = ["Admitted", "Guard"]
