"""SISF: a safety gateway for language models that learns from its own failures at run time."""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from sisf.guard import Guard, PolicyBlocked

__all__ = ["Guard", "PolicyBlocked", "__version__"]


def __getattr__(name: str) -> Any:
    """`sisf.Guard` loads its parts when it is first used, so that `import sisf` stays instant."""
    if name in ("Guard", "PolicyBlocked"):
        from sisf import guard

        return getattr(guard, name)
    raise AttributeError(f"module 'sisf' has no attribute {name!r}")
